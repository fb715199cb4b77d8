"""What a weighting method is: one frozen config and one class that turns a batch into per-example losses.

Three shapes share the base:

- `PointwiseLoss`: a loss of the given label's log-probability (or, if it says so, of the whole distribution);
- `WeightMethod`: detached weights on cross-entropy;
- a procedure: either of them, or `Method`, with some of the hooks of `Method` overridden (see `methods.hooks`).

Every loss of p_y alone has the gradient of cross-entropy with a detached weight w = -d(loss)/d(log p_y). That
*effective weight* is what the harness stores for every method, so that all of them can be compared row by row.
Tensors are float32 and on the training device; nothing here imports torch at module level.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.context import (
    DIVERSITY,
    DIVERSITY_OOF,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
    Batch,
    Context,
    Losses,
)
from methods.hooks import Budget, Phase, Probe

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]

__all__ = [  # with what a method needs to know of `methods.context`
    "DIVERSITY",
    "DIVERSITY_OOF",
    "DYNAMICS",
    "EMBEDDINGS",
    "LOG_WEIGHT_BOUND",
    "QUALITY",
    "QUALITY_OOF",
    "REAL_EMBEDDINGS",
    "REAL_TOKENS",
    "TOKENS",
    "Batch",
    "Context",
    "Losses",
    "Method",
    "MethodConfig",
    "PointwiseLoss",
    "RealUse",
    "StaticWeights",
    "WeightConfig",
    "WeightMethod",
    "hyperparameters",
    "lowest",
    "setting",
]

# A guard, not a setting: exp(40) is larger than any weight that training survives, and small enough that its product
# with a loss and its square in the norm of the gradient stay finite in float32.
LOG_WEIGHT_BOUND = 40.0


class RealUse(StrEnum):
    """What a method does with the small real set; a column of every report."""

    NONE = "none"
    TEXTS = "texts"
    CLASSES = "texts by class"
    PRIOR = "prior"
    CHECKER = "checker"
    GRADIENT = "gradient"
    SELECT = "select"
    TRAIN = "train"


def setting(
    default: Any,
    *,
    search: tuple[float, float] | tuple[Any, ...] | None = None,
    log: bool = False,
    note: str = "",
) -> Any:
    """A config field: its default, the range (two numbers) or choices that `tuned` searches, and where it is from."""
    return field(default=default, metadata={"search": search, "log": log, "note": note})


@dataclass(frozen=True)
class MethodConfig:
    """Hyper-parameters that every method has."""

    train_on: Literal["generated", "both", "real"] = setting(
        "generated", note="rows that are trained on; real rows always carry plain cross-entropy"
    )
    real_share: float | None = setting(
        None, note="part of the total weight that real rows carry when train_on=both; none: every row counts once"
    )

    def __post_init__(self) -> None:
        if self.real_share is not None:
            if self.train_on != "both":
                raise ValueError("real_share needs train_on=both")
            if not 0 < self.real_share < 1:
                raise ValueError(f"real_share must lie between 0 and 1, not {self.real_share}")


@dataclass(frozen=True)
class WeightConfig(MethodConfig):
    """Hyper-parameters of every method that weights cross-entropy."""

    shuffle: Literal["none", "class", "all"] = setting(
        "none", note="control: the batch's weights permuted among its rows, within each class or over all of them"
    )


class Method(ABC):
    """One entry of the registry. Declares what it needs; the runner never asks for a method by name."""

    name: ClassVar[str] = ""  # set by `register`
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    version: ClassVar[int] = 1  # raise it when the results of the same hyper-parameters change
    groups: ClassVar[tuple[str, ...]] = ()  # besides `all`: core, references, paper
    requires: ClassVar[tuple[str, ...]] = ()  # artefacts at the default settings
    packages: ClassVar[tuple[str, ...]] = ()  # optional packages that must be importable
    real_use: ClassVar[RealUse] = RealUse.NONE
    pairing: ClassVar[Literal["full", "partial"]] = "full"  # full: visits exactly D_Q once per epoch
    networks: ClassVar[int] = 1  # trained side by side; the first is the one that is evaluated

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.config = config if config is not None else self.Config()

    def start(self, context: Context) -> None:  # noqa: B027 - most methods keep no state
        """Called once before the first update; stateful methods reset themselves here."""

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """Per-example losses and effective weights of one batch."""

    def joint(self, batches: Sequence[Batch]) -> Sequence[Losses]:
        """Losses of each network's view of the same rows; networks that look at each other override this."""
        return [self.losses(batch) for batch in batches]

    def phases(self, updates: int) -> Sequence[Phase]:
        """The trainings that make up a cell whose budget is `updates`; the model that the last one leaves counts."""
        return (Phase(updates),)

    def phase_end(self, number: int, probe: Probe) -> None:  # noqa: B027 - most methods have one phase
        """Called after each phase, from 0."""

    def refreshes(self, updates: int) -> Collection[int]:
        """The updates of a phase before which `refresh` is called."""
        return ()

    def refresh(self, ids: Tensor, log_probs: Tensor) -> None:  # noqa: B027 - see `refreshes`
        """Told (n,) ids and (n, C) log-probabilities of all generated rows of the phase, dropout off."""

    def keep(
        self, ids: np.ndarray[Any, Any], step: int, epoch: int, rng: np.random.Generator
    ) -> np.ndarray[Any, Any] | None:
        """(B,) which generated rows of a batch are worth a pass, at least one; None is all.

        The update still descends the sum of losses over the size of the whole batch: a row left out adds nothing.
        """
        return None

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        """Forward and backward passes relative to cross-entropy, without artefacts; what is counted is at most this."""
        return float(cls.networks)

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        """How a configured method uses real rows besides training on them."""
        return cls.real_use

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        """The artefacts that a configured method reads."""
        return cls.requires

    @classmethod
    def real_use_of(cls, config: MethodConfig) -> RealUse:
        """The use to report: training on real rows outweighs every other."""
        return cls.own_use_of(config) if config.train_on == "generated" else RealUse.TRAIN

    @classmethod
    def pairing_of(cls, config: MethodConfig) -> Literal["full", "partial"]:
        """`full` where batch order and dropout are those of every other method that visits D_Q once per epoch."""
        return cls.pairing if config.train_on == "generated" else "partial"


class PointwiseLoss(Method):
    """A loss of the given label's log-probability. One that reads the whole distribution derives from `Method`."""

    @abstractmethod
    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) loss as a differentiable function of `logp` (B,); called once per batch, so it may keep state."""

    def losses(self, batch: Batch) -> Losses:
        import torch

        with torch.enable_grad():
            leaf = batch.logp.detach().requires_grad_()
            value = self.loss(leaf, batch)
            (slope,) = torch.autograd.grad(value.sum(), leaf)
        # The value of the loss with the gradient of weighted cross-entropy: the two agree by the chain rule.
        surrogate = slope * batch.logp
        return Losses(value.detach() + (surrogate - surrogate.detach()), -slope)


class WeightMethod(Method):
    """Detached weights on cross-entropy."""

    Config: ClassVar[type[MethodConfig]] = WeightConfig
    config: WeightConfig

    @abstractmethod
    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights; their gradient is never followed."""

    def losses(self, batch: Batch) -> Losses:
        return self.weighted(batch, self.weights(batch))

    def weighted(self, batch: Batch, weight: Tensor) -> Losses:
        """Cross-entropy with (B,) weights, shuffled if the configuration says so."""
        weight = self._shuffled(weight.detach(), batch)
        return Losses(-weight * batch.logp, weight)

    def _shuffled(self, weight: Tensor, batch: Batch) -> Tensor:
        """The same weights on other rows of the batch: clipping and moments stay, what the weights know goes."""
        if self.config.shuffle == "none":
            return weight
        import numpy as np
        import torch

        labels = batch.labels.cpu().numpy()
        groups = labels if self.config.shuffle == "class" else np.zeros_like(labels)
        order = np.arange(len(labels))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            order[rows] = batch.rng.permutation(rows)
        return weight[torch.as_tensor(order, device=weight.device)]

    @staticmethod
    def bounded_exp(log_weight: Tensor, upper: float | None = None) -> Tensor:
        """exp of log-weights, finite for any input; `upper` is the largest weight allowed."""
        weight = log_weight.clamp(-LOG_WEIGHT_BOUND, LOG_WEIGHT_BOUND).exp()
        return weight if upper is None else weight.clamp(max=upper)


class StaticWeights(WeightMethod):
    """Weights on cross-entropy that are known before training: one per generated row."""

    def start(self, context: Context) -> None:
        """Compute the weights once. A training on real rows alone has none to compute."""
        import torch

        assert context.ids is not None, "the runner names the rows"
        self.by_id = torch.zeros(int(context.ids.max(initial=-1)) + 1, dtype=torch.float64)
        if len(context.ids):
            self.by_id[torch.from_numpy(context.ids)] = torch.from_numpy(self.table(context)).double()

    @abstractmethod
    def table(self, context: Context) -> Array:
        """(n,) weights of the context's generated rows, in its order."""

    def weights(self, batch: Batch) -> Tensor:
        """(B,) the weights of the batch's rows."""
        self.by_id = self.by_id.to(batch.logp.device)
        return self.by_id[batch.ids].to(batch.logp.dtype)


def lowest(values: Tensor, share: float) -> Tensor:
    """(B,) mask of the `share` of rows with the smallest values: rounded up, and with the border's ties.

    Ties are in because no row's fate may depend on its place in the batch.
    """
    count = max(1, math.ceil(share * len(values) - 1e-9))  # 0.1 * 30 is not 3 in every arithmetic
    return values <= values.kthvalue(min(count, len(values))).values


def hyperparameters(config: MethodConfig) -> dict[str, Any]:
    """Every field of a config with its value, in the order of declaration."""
    return {entry.name: getattr(config, entry.name) for entry in fields(config)}
