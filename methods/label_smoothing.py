"""Label smoothing: a part of every label is spread evenly over all classes.

    loss = mean_i  -(1 - epsilon) log p(y_i | x_i) - epsilon / C * sum_c log p(c | x_i)

The given label's target is 1 - epsilon + epsilon / C, as in torch's `cross_entropy(label_smoothing=epsilon)`. The loss
reads the whole distribution, so no effective weight is stored.
Source: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR
2016. Default: epsilon 0.1, as in the source. SuperGen (Meng et al., NeurIPS 2022), which trains on text from language
models, takes 0.15: `label-smoothing(epsilon=0.15)`.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Batch, Losses, Method, MethodConfig, setting
from methods.registry import register


@dataclass(frozen=True)
class LabelSmoothingConfig(MethodConfig):
    epsilon: float = setting(
        0.1, search=(0.01, 0.4), log=True, note="0.1 in Szegedy 2016, 0.15 in SuperGen (Meng 2022); 0 is CE"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.epsilon < 1:
            raise ValueError(f"epsilon must lie in [0, 1), not {self.epsilon}")


@register("label-smoothing")
class LabelSmoothing(Method):
    """Cross-entropy to a smoothed label.

    Fails: By its formula, all labels are softened alike, so wrong ones count as much as right ones. In our results no
    gain over `ce` is shown on `twitter`.
    """

    Config = LabelSmoothingConfig
    config: LabelSmoothingConfig

    def losses(self, batch: Batch) -> Losses:
        epsilon = self.config.epsilon
        return Losses(-(1 - epsilon) * batch.logp - epsilon * batch.log_probs.mean(1), None)
