"""Just train twice: rows that a first model gets wrong count more for the second.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = (1 + extra [i in E]) / (1 + extra |E| / n)
    E = rows whose given label is not the most likely one under Q'

Source: Liu et al., "Just Train Twice: Improving Group Robustness without Training Group Information", ICML 2021. There
the second model is trained on the rows and `extra` further copies of each error, which in expectation is this weight
(mean 1 over the rows). Default: extra 4, theirs for MultiNLI; they take 6 for CivilComments, 50 and 100 for images.
Their first model is stopped after 1 to 60 epochs, chosen on a labelled validation set. Here it is the diversity
checker: plain cross-entropy for the same number of updates as all trainings, and both have the same learning rate. The
method was made for clean labels and hidden minorities. Under label noise the errors of the first model are the wrong
labels, and the method favours them. It is a negative control: a method that does not beat it has not found the noise.
Cost: 1 with the checker's scores available. Needs: Q'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import DIVERSITY, Batch, Context, WeightConfig, WeightMethod, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class JTTConfig(WeightConfig):
    extra: float = setting(
        4.0, search=(1.0, 50.0), log=True, note="further copies of each error; 4 and 6 for text in Liu 2021; 0 is CE"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.extra <= 1e4:
            raise ValueError(f"extra must lie in [0, 10000], not {self.extra}")


@register("jtt")
class JTT(WeightMethod):
    """Cross-entropy with more weight on the errors of plain cross-entropy.

    Fails: By its formula, the wrong labels that the first model does not fit count five times. In our results (preset
    `quick`) it was worse than `ce` on `financial`.
    """

    Config = JTTConfig
    config: JTTConfig
    requires = (DIVERSITY,)

    def start(self, context: Context) -> None:
        """Count the errors, so that the weights average 1 over the generated rows."""
        labels, log_probs = context.scored(DIVERSITY)
        errors = float((log_probs.argmax(1) != labels).mean()) if len(labels) else 0.0
        self.mean = 1 + self.config.extra * errors

    def weights(self, batch: Batch) -> Tensor:
        """(B,) one of two values: larger for an error."""
        wrong = batch.scores(DIVERSITY).argmax(1) != batch.labels
        return (1 + self.config.extra * wrong.to(batch.logp.dtype)) / self.mean
