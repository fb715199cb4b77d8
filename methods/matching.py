"""Base of the methods that move the generated rows' texts towards the real ones', class by class or all at once."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Context, MethodConfig, RealUse, StaticWeights, WeightConfig, setting

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MatchingConfig(WeightConfig):
    """Fields of every matching method."""

    per_class: bool = setting(True, search=(True, False), note="each class is matched by itself")


class Matching(StaticWeights):
    """Compares two tables, which `requires` names: first that of the generated rows, then that of the real ones."""

    Config = MatchingConfig
    config: MatchingConfig
    real_use = RealUse.CLASSES

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        """Matching each class by itself reads the real rows' labels."""
        assert isinstance(config, MatchingConfig)
        return RealUse.CLASSES if config.per_class else RealUse.TEXTS

    def table(self, context: Context) -> Array:
        import numpy as np

        name, real_name = self.requires
        labels, generated = context.scored(name)
        real_labels, real = context.real_scored(real_name)
        weights, rng = np.ones(len(labels)), np.random.default_rng(context.seed)
        for own, theirs in groups(labels, real_labels, self.config.per_class):
            weights[own] = self.matched(generated[own], real[theirs], rng)
        return weights

    @abstractmethod
    def matched(self, generated: Array, real: Array, rng: np.random.Generator) -> Array:
        """(n,) weights of n generated rows that are compared with m real ones. Raises ValueError for too many."""


def groups(labels: Array, real_labels: Array, per_class: bool) -> list[tuple[Array, Array]]:
    """(positions of generated rows, positions of real rows) that are compared: of each class present, or of all.

    Raises ValueError for a class that has too few real rows to be compared with.
    """
    import numpy as np

    if not per_class:
        return [(np.arange(len(labels)), np.arange(len(real_labels)))]
    found = [(np.flatnonzero(labels == label), np.flatnonzero(real_labels == label)) for label in np.unique(labels)]
    for label, (_, theirs) in zip(np.unique(labels), found, strict=True):
        if len(theirs) < 2:
            raise ValueError(f"class {label} has {len(theirs)} real rows; at least 2 are needed, or per_class=False")
    return found
