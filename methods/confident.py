"""Confident learning with a trusted checker: drop rows for which the quality checker is sure of another label.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / kept if row i is kept, else 0
    t_j = mean of P'(j | x_i) over the generated rows with label j        the threshold of class j
    y^_i = argmax of P'(j | x_i) over the classes j with P'(j | x_i) >= t_j        none if there is no such class

    agreed      y^_i = y_i, or y_i is the checker's most likely class     always kept
    disputed    y^_i is another class                                      always dropped
    unsure      no class reaches its threshold                             kept, or dropped with unsure=drop

The thresholds let a checker that is less sure of one class, or underconfident altogether, still dispute labels.
Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021: the
off-diagonal of their confident joint, and the rule of their package cleanlab that a row whose label is the most likely
class is never dropped. It is not their protocol: they score rows out of fold, with models fitted on the noisy rows
themselves; the quality checker has seen none of the rows that it scores, so no folds are needed, and real labels are.
The weights average 1 over the generated rows, as if the dropped ones were not there.
Defaults: none to set in the source; unsure rows are kept, as there.
Cost: 1 with the checker's scores at hand. Needs: P'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import QUALITY, Batch, Context, RealUse, WeightConfig, WeightMethod, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

SLACK = 1e-6  # below a threshold that still counts as reaching it: rows that are all alike reach their own mean


@dataclass(frozen=True)
class ConfidentConfig(WeightConfig):
    unsure: Literal["keep", "drop"] = setting(
        "keep", search=("keep", "drop"), note="rows for which no class reaches its threshold; kept in the source"
    )


@register("confident")
class Confident(WeightMethod):
    """Rows that the quality checker does not dispute."""

    Config = ConfidentConfig
    config: ConfidentConfig
    requires = (QUALITY,)
    real_use = RealUse.CHECKER

    def start(self, context: Context) -> None:
        """Compute thresholds and the share of rows kept. Raises ValueError if that is none."""
        import torch

        labels, log_probs = (torch.from_numpy(array) for array in context.scored(QUALITY))
        own = log_probs.gather(1, labels[:, None]).squeeze(1).double().exp()
        members = [own[labels == j] for j in range(context.n_classes)]
        # A class without rows has no threshold, so no row is taken for one of it.
        self.thresholds = [float(rows.mean()) if len(rows) else math.inf for rows in members]
        kept = self.kept(log_probs.double(), labels)
        if len(kept) and not kept.any():
            raise ValueError(f"the quality checker disputes the label of every one of {len(kept)} generated rows")
        self.scale = len(kept) / max(1, int(kept.sum()))

    def kept(self, log_probs: Tensor, labels: Tensor) -> Tensor:
        """(B,) which rows are kept, from (B, C) log P'(.|x) and (B,) labels."""
        probs = log_probs.exp()
        reached = probs >= probs.new_tensor(self.thresholds) - SLACK
        sure = reached.any(1)
        guess = probs.masked_fill(~reached, -1).argmax(1)
        agreed = (probs.argmax(1) == labels) | (sure & (guess == labels))
        return agreed if self.config.unsure == "drop" else agreed | ~sure

    def weights(self, batch: Batch) -> Tensor:
        """(B,) the same positive weight for every kept row, 0 for the rest."""
        kept = self.kept(batch.scores(QUALITY).detach(), batch.labels)
        return kept.to(batch.logp.dtype) * self.scale
