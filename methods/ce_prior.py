"""Class-prior correction: cross-entropy on generated rows, weighted to the label shares of the small real set.

    loss = mean_i  w(y_i) * -log p(y_i | x_i)        w(y) = P_real(y) / P_generated(y)

Source: importance weights for label shift, w(y) = q(y) / p(y) (Lipton, Wang and Smola, ICML 2018). They estimate the
target shares from unlabelled texts; here the small real set is labelled, so its shares are counted. Generators are
usually asked for balanced classes, but real classes are not balanced. This method therefore separates "knows the real
label shares" from "knows which examples are good": a weighting method that does not beat it has learnt little but the
shares.
Defaults: there is nothing to set. The weights average 1 over the generated rows, if every class of the real set has
generated rows. A class that the real set lacks gets weight 0.
Cost: 1. Needs: the label shares of the small real set, no checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.base import Batch, Context, RealUse, WeightMethod
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("ce-prior")
class PriorCorrection(WeightMethod):
    """Cross-entropy with one weight per class.

    Fails: By its formula, all rows of a label have the same weight, so wrong labels count as much as right ones, and
    where the label shares agree it is `ce`. In our results it stayed below always predicting the most frequent class on
    `financial`.
    """

    groups = ("core", "references")
    real_use = RealUse.PRIOR

    def start(self, context: Context) -> None:
        """Compute the weight of each class. That of a class without generated rows is never used."""
        if context.real_prior is None:
            raise LookupError("ce-prior needs the label shares of the small real set")
        shares = zip(context.real_prior, context.generated_prior, strict=True)
        self.by_class = [real / generated if generated > 0 else 0.0 for real, generated in shares]

    def weights(self, batch: Batch) -> Tensor:
        """(B,) the weights of the given labels."""
        return batch.logp.new_tensor(self.by_class)[batch.labels]
