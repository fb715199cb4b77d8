"""Pruning by difficulty: choose rows by their errors early in a plain training, or by how often they are forgotten.

    e_it         || p_t(. | x_i) - onehot(y_i) ||_2 in snapshot t of T = 6
    a_it         1 if y_i is the most likely class in snapshot t, else 0
    EL2N         mean of e_it over the first `early` part of the snapshots
    forgetting   the number of t with a_it = 1 and a_i,t+1 = 0; T for a row that was never classified rightly
    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / k for the k = share * n chosen rows, else 0

    el2n         select=hard keeps the largest EL2N, as in the source; easy the smallest
    forgetting   select=hard keeps the rows that are forgotten most, as in the source; easy those forgotten least.
                 Counts are small integers; rows with equal counts are chosen at random by the cell's seed
    per_class=True: the same share of the rows of each label. The default, as in both sources, ignores labels

Source: Paul, Ganguli and Dziugaite, "Deep Learning on a Data Diet: Finding Important Examples Early in Training",
NeurIPS 2021; Toneva et al., "An Empirical Study of Example Forgetting during Deep Neural Network Learning", ICLR 2019.
Defaults: share 0.5 and 0.7, up to which neither lost accuracy on CIFAR-10. EL2N is an average over ten initialisations
there; here it is of one training. Forgetting is counted at the visits of a row over 200 epochs there, here between six
snapshots with dropout off, so that most counts are 0 or 1. Both sources prune clean labels: among generated rows the
hardest ones include wrong labels, which select=easy drops.
Cost: 1, after one training with six passes over the generated rows (shared with `cartography`, `aum`). Needs: no real
rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.base import Context, setting
from methods.dynamics import TopRows, TopRowsConfig
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DifficultyConfig(TopRowsConfig):
    select: Literal["hard", "easy"] = setting("hard", search=("hard", "easy"), note="which end is kept")
    share: float = setting(0.5, search=(0.2, 0.9), note="part of the rows that is kept; 1 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")


@dataclass(frozen=True)
class EL2NConfig(DifficultyConfig):
    early: float = setting(0.5, search=(0.2, 1.0), note="part of the training that is looked at; epoch 20 of 200 there")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.early <= 1:
            raise ValueError(f"early must lie in (0, 1], not {self.early}")


@dataclass(frozen=True)
class ForgettingConfig(DifficultyConfig):
    share: float = setting(0.7, search=(0.2, 0.9), note="part of the rows that is kept; 1 is CE")


class ByDifficulty(TopRows):
    """Base of both: cross-entropy on the hardest or the easiest rows."""

    Config = DifficultyConfig
    config: DifficultyConfig

    @property
    def kept(self) -> float:
        return self.config.share

    def merit(self, labels: Array, dynamics: Array) -> Array:
        difficulty = self.difficulty(labels, dynamics)
        return difficulty if self.config.select == "hard" else -difficulty

    def difficulty(self, labels: Array, dynamics: Array) -> Array:
        """(n,) difficulty of each row, from (n,) labels and (n, T, C) log-probabilities."""
        raise NotImplementedError


@register("el2n")
class EL2N(ByDifficulty):
    """Cross-entropy on the rows with the largest errors early in training.

    Fails: By its formula, wrong labels have the largest errors, and the default keeps the half with the largest. In
    our results (preset `quick`) it was worse than `ce` on `twitter` and `financial`, below a constant guess.
    """

    Config = EL2NConfig
    config: EL2NConfig

    def difficulty(self, labels: Array, dynamics: Array) -> Array:
        import numpy as np

        count = max(1, round(self.config.early * dynamics.shape[1]))
        error = np.exp(dynamics[:, :count].astype(np.float64))
        error[np.arange(len(labels)), :, labels] -= 1
        return np.asarray(np.linalg.norm(error, axis=2).mean(1))


@register("forgetting")
class Forgetting(ByDifficulty):
    """Cross-entropy on the rows that a training forgets most often.

    Fails: By its formula, rows that were never classified rightly come first, wrong labels among them; in a short
    training most other counts are 0 or 1, and chance chooses among equal ones. In our results no gain over
    `ce` is shown on `twitter` or `financial`.
    """

    Config = ForgettingConfig
    config: ForgettingConfig

    def table(self, context: Context) -> Array:
        import numpy as np

        self.rng = np.random.default_rng(context.seed)
        return super().table(context)

    def difficulty(self, labels: Array, dynamics: Array) -> Array:
        """(n,) counts plus a random number below 1, which orders rows with equal counts."""
        counts: Array = forgotten(labels, dynamics) + self.rng.random(len(labels))
        return counts


def forgotten(labels: Array, dynamics: Array) -> Array:
    """(n,) times that a row's label stops being the most likely class; T for rows whose label never was."""
    import numpy as np

    right = dynamics.argmax(2) == labels[:, None]
    events = (right[:, :-1] & ~right[:, 1:]).sum(1)
    return np.asarray(np.where(right.any(1), events, dynamics.shape[1]))
