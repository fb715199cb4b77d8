"""Training dynamics: choose rows by how their labels' probabilities change in the course of a plain training.

    p_it, z_it   probability of row i's label, and log-probabilities, in snapshot t of T = 6
    confidence   mean_t p_it          variability   std_t p_it (of the population)
    AUM          mean_t ( z_it[y_i] - max_{c != y_i} z_it[c] )        area under the margin
    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / k for the k chosen rows, else 0

    cartography   chooses the share with the largest variability (select=ambiguous), the largest confidence (easy), or
                  the smallest confidence (hard)
    aum           drops the share with the smallest AUM
    per_class=True: the same share of the rows of each label. The default, as in both sources, ignores labels

Source: Swayamdipta et al., "Dataset Cartography: Mapping and Diagnosing Datasets with Training Dynamics", EMNLP 2020
(default: the third that is most ambiguous); Pleiss et al., "Identifying Mislabeled Data using the Area Under the Margin
Ranking", NeurIPS 2020. Both record rows once per epoch, during training. Here there are six snapshots of all rows, with
dropout off, because a budget of one or two passes has too few epochs. The first snapshots then show a model that
prefers some class. Rows of the other classes change most, and the chosen region can consist of mostly one label; use
per_class=True against that. It does not make a short training on hard rows alone succeed: cartography's authors also
need easy rows for that.
AUM's authors find the share to drop by two further trainings in which some rows are given to a class that does not
exist; here it is a setting (default 0.2, ours). Wrong labels are among the hard rows: select=easy with share 0.8 drops
only those.
Cost: 1, after one training with six passes over the generated rows, which both methods share. Needs: no real rows.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.base import DYNAMICS, Context, StaticWeights, WeightConfig, setting
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TopRowsConfig(WeightConfig):
    per_class: bool = setting(False, search=(True, False), note="the share is of each label's rows; not in the sources")


@dataclass(frozen=True)
class CartographyConfig(TopRowsConfig):
    select: Literal["ambiguous", "easy", "hard"] = setting(
        "ambiguous", search=("ambiguous", "easy", "hard"), note="region of the map that is kept"
    )
    share: float = setting(
        1 / 3, search=(0.2, 0.9), note="part of the rows that is kept; a third in the paper; 1 is CE"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")


@dataclass(frozen=True)
class AUMConfig(TopRowsConfig):
    drop: float = setting(0.2, search=(0.05, 0.6), note="part of the rows that is dropped; 0 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.drop < 1:
            raise ValueError(f"drop must lie in [0, 1), not {self.drop}")


class TopRows(StaticWeights):
    """Base of both: cross-entropy on the rows with the largest merit, at equal weights."""

    Config = TopRowsConfig
    config: TopRowsConfig
    requires = (DYNAMICS,)

    def table(self, context: Context) -> Array:
        import numpy as np

        labels, dynamics = context.scored(DYNAMICS)
        merit, kept = self.merit(labels, dynamics), np.zeros(len(labels))
        groups = [labels == label for label in np.unique(labels)] if self.config.per_class else [np.ones_like(kept) > 0]
        for rows in map(np.flatnonzero, groups):
            kept[rows[np.argsort(-merit[rows], kind="stable")[: max(1, round(self.kept * len(rows)))]]] = 1
        return np.asarray(kept / kept.mean())

    @property
    @abstractmethod
    def kept(self) -> float:
        """The share of the rows that is chosen."""

    @abstractmethod
    def merit(self, labels: Array, dynamics: Array) -> Array:
        """(n,) merit of each row, from (n,) labels and (n, T, C) log-probabilities."""


@register("cartography")
class Cartography(TopRows):
    """Cross-entropy on one region of the data map.

    Fails: By its formula, the default keeps ambiguous rows alone; in a short training these are hard, and can be mostly
    of one label. In our results (preset `quick`) it was worse than `ce` on `twitter`, near chance, but better on
    `financial`.
    """

    Config = CartographyConfig
    config: CartographyConfig

    @property
    def kept(self) -> float:
        return self.config.share

    def merit(self, labels: Array, dynamics: Array) -> Array:
        import numpy as np

        given = np.exp(np.take_along_axis(dynamics, labels[:, None, None], axis=2)[:, :, 0].astype(np.float64))
        merits = {"ambiguous": given.std(1), "easy": given.mean(1), "hard": -given.mean(1)}
        return np.asarray(merits[self.config.select])


@register("aum")
class AUM(TopRows):
    """Cross-entropy on the rows with a large area under the margin.

    Fails: By its formula, hard rows with right labels have small margins too, and its share of the rows is dropped even
    where all labels are right. In our results with preset `probe` it was worse than `ce` on `twitter`.
    """

    Config = AUMConfig
    config: AUMConfig

    @property
    def kept(self) -> float:
        return 1 - self.config.drop

    def merit(self, labels: Array, dynamics: Array) -> Array:
        import numpy as np

        place = labels[:, None, None]
        given = np.take_along_axis(dynamics, place, axis=2)[:, :, 0]
        others = dynamics.copy()
        np.put_along_axis(others, np.broadcast_to(place, (*dynamics.shape[:2], 1)), -np.inf, axis=2)
        return np.asarray((given - others.max(2)).mean(1))
