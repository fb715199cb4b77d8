"""Base of the methods that weight generated rows so that their texts resemble real ones, per class or all at once."""

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
    """The hyper-parameters of every matching method."""

    per_class: bool = setting(True, search=(True, False), note="each class is matched by itself")


class Matching(StaticWeights):
    """Compares the two tables in `requires`: first that of the generated rows, then that of the real rows."""

    Config = MatchingConfig
    config: MatchingConfig
    real_use = RealUse.CLASSES

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        """Matching per class reads the real rows' labels; otherwise only their texts are read."""
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
        """(n,) weights of n generated rows, by comparison with m real ones. Raises ValueError for too many rows."""


def groups(labels: Array, real_labels: Array, per_class: bool) -> list[tuple[Array, Array]]:
    """Pairs of positions, of generated and of real rows, to compare: one pair for each class present, or one for all.

    Raises ValueError if a class has fewer than 2 real rows.
    """
    import numpy as np

    if not per_class:
        return [(np.arange(len(labels)), np.arange(len(real_labels)))]
    found = [(np.flatnonzero(labels == label), np.flatnonzero(real_labels == label)) for label in np.unique(labels)]
    for label, (_, theirs) in zip(np.unique(labels), found, strict=True):
        if len(theirs) < 2:
            raise ValueError(f"class {label} has {len(theirs)} real rows; at least 2 are needed, or per_class=False")
    return found
