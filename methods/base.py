"""The base classes of weighting methods. A method is a frozen config and a class that turns a batch into losses.

    # methods/halved.py, the only new file; it imports from methods.base and methods.registry
    @register("halved")
    class Halved(WeightMethod):
        "Cross-entropy in which rows that the model classifies wrongly count half."

        def weights(self, batch: Batch) -> Tensor:
            wrong = batch.log_probs.argmax(1) != batch.labels  # (B,)
            return 1 - 0.5 * wrong.to(batch.logp)

Derive from the first of these classes that fits:

- `StaticWeights`: weights known before training. Write `table(context)`.
- `WeightMethod`: detached weights on cross-entropy, computed per batch. Write `weights(batch)`.
- `PointwiseLoss`: a loss of p_y, the probability of the given label. Write `loss(logp, batch)`.
- `Method`: any other loss. Write `losses(batch)`.

A method that needs more than one loss per batch also overrides hooks of `Method`. The training loop calls:

    start(context)                                    once, before training
    phases(updates)                                   once; for each phase:
        refreshes(updates)                                once
        refresh(ids, log_probs)                           before each update that `refreshes` names
        keep(ids, step, epoch, rng), or choose(batch)     for each batch, before its rows pass through the network
        losses(batch), or joint(batches)                  for each batch with generated rows: once per update
        phase_end(number, probe)                          after the last update

The docstring of a class in `methods/` ends with a paragraph `Fails: ...`: when the method fails by its formula, and
what our results show of that.

Every loss of p_y alone has the gradient of cross-entropy with a detached weight w = -d(loss)/d(log p_y). This
*effective weight* is stored for every method, so that methods can be compared row by row. Tensors are float32 and on
the training device. A method imports torch inside its functions, because listing methods must not load it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.context import (
    COLUMN,
    DIVERSITY,
    DIVERSITY_OOF,
    DIVERSITY_REAL,
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
    column,
)
from methods.hooks import Budget, Phase, Probe

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]

# A method file imports all that it needs from here and from `methods.hooks`.
# fmt: off
__all__ = [
    "COLUMN", "DIVERSITY", "DIVERSITY_OOF", "DIVERSITY_REAL", "DYNAMICS", "EMBEDDINGS", "LOG_WEIGHT_BOUND", "QUALITY",
    "QUALITY_OOF",
    "REAL_EMBEDDINGS", "REAL_TOKENS", "TOKENS", "Batch", "Context", "Losses", "Method", "MethodConfig", "PointwiseLoss",
    "RealUse", "StaticWeights", "WeightConfig", "WeightMethod", "column", "hyperparameters", "lowest", "setting",
]
# fmt: on

# A guard against overflow, not a setting. exp(40) is larger than any weight that training survives. Its product with a
# loss, and its square in the norm of the gradient, are still finite in float32.
LOG_WEIGHT_BOUND = 40.0


class RealUse(StrEnum):
    """How a method uses the small real set; a column of every report."""

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
    """A field of a config: its default, the range (two numbers) or choices that `tuned` searches, and its source."""
    return field(default=default, metadata={"search": search, "log": log, "note": note})


@dataclass(frozen=True)
class MethodConfig:
    """The hyper-parameters that every method has. A method's own config derives from it and adds fields."""

    train_on: Literal["generated", "both", "real"] = setting(
        "generated", note="rows that are trained on; real rows always carry plain cross-entropy"
    )
    real_share: float | None = setting(
        None, note="part of the total weight that real rows carry when train_on=both; none: every row counts once"
    )
    average: Literal["none", "ema", "tail"] = setting(
        "none", note="evaluated: the last weights, their moving average, or their mean over the last quarter of updates"
    )

    def __post_init__(self) -> None:
        if self.real_share is not None:
            if self.train_on != "both":
                raise ValueError("real_share needs train_on=both")
            if not 0 < self.real_share < 1:
                raise ValueError(f"real_share must lie between 0 and 1, not {self.real_share}")


@dataclass(frozen=True)
class WeightConfig(MethodConfig):
    """The hyper-parameters of every method that weights cross-entropy."""

    shuffle: Literal["none", "class", "all"] = setting(
        "none", note="control: the batch's weights permuted among its rows, within each class or over all of them"
    )


class Method(ABC):
    """One entry of the registry. It declares what it needs; no other code depends on a method's name."""

    name: ClassVar[str] = ""  # set by `register`
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    version: ClassVar[int] = 1  # raise it when the results of the same hyper-parameters change
    groups: ClassVar[tuple[str, ...]] = ()  # besides `all`: core, references, paper
    requires: ClassVar[tuple[str, ...]] = ()  # precomputed tables (see `methods.context`) at the default settings
    packages: ClassVar[tuple[str, ...]] = ()  # optional packages that must be importable
    real_use: ClassVar[RealUse] = RealUse.NONE
    pairing: ClassVar[Literal["full", "partial"]] = "full"  # full: each generated row is visited once per epoch
    networks: ClassVar[int] = 1  # trained side by side; the first is the one that is evaluated

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.config = config if config is not None else self.Config()

    def start(self, context: Context) -> None:  # noqa: B027 - most methods keep no state
        """Called once before the first update. A method with state sets it here, not in `__init__`."""

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """(B,) losses and (B,) effective weights of one batch; the update descends the mean of the losses."""

    def joint(self, batches: Sequence[Batch]) -> Sequence[Losses]:
        """The losses of each network, from one batch per network with the same rows. For `networks` > 1."""
        return [self.losses(batch) for batch in batches]

    def phases(self, updates: int) -> Sequence[Phase]:
        """The trainings that make up a cell of `updates` updates; the model after the last one is evaluated."""
        return (Phase(updates),)

    def phase_end(self, number: int, probe: Probe) -> None:  # noqa: B027 - most methods have one phase
        """Called after phase `number`, from 0; `probe` takes derivatives at the weights that the phase ended with."""

    def refreshes(self, updates: int) -> Collection[int]:
        """The updates, from 0 in each phase, before which `refresh` is called; `updates` is the phase's number."""
        return ()

    def refresh(self, ids: Tensor, log_probs: Tensor) -> None:  # noqa: B027 - see `refreshes`
        """Receive (n,) ids and (n, C) log-probabilities, dropout off, of all generated rows of the phase."""

    def keep(
        self, ids: np.ndarray[Any, Any], step: int, epoch: int, rng: np.random.Generator
    ) -> np.ndarray[Any, Any] | None:
        """(B,) mask of the generated rows (B,) of a batch that pass through the network: at least one; None keeps all.

        A row that is left out counts as a loss of 0: the sum of the losses is divided by the size of the whole batch.
        """
        return None

    def choose(self, batch: Batch) -> Tensor:
        """(B,) mask of candidates to pass, at least one; like `keep`, by predictions without dropout or graph."""
        raise NotImplementedError("a phase with candidates needs a method that chooses among them")

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        """Forward and backward passes relative to cross-entropy, without precomputed tables; an upper bound."""
        return float(cls.networks)

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        """How a configured method uses real rows, apart from training on them."""
        return cls.real_use

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        """The precomputed tables that a configured method reads."""
        return cls.requires

    @classmethod
    def real_use_of(cls, config: MethodConfig) -> RealUse:
        """The use to report: TRAIN if the method trains on real rows, whatever else it does with them."""
        return cls.own_use_of(config) if config.train_on == "generated" else RealUse.TRAIN

    @classmethod
    def pairing_of(cls, config: MethodConfig) -> Literal["full", "partial"]:
        """`full` if batch order and dropout are those of every other method with `full`: differences are paired."""
        return cls.pairing if config.train_on == "generated" else "partial"


class PointwiseLoss(Method):
    """A loss of the given label's log-probability alone. Its effective weight is found by differentiation."""

    @abstractmethod
    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) loss as a differentiable function of `logp` (B,). Called once per batch, so it may change state."""

    def losses(self, batch: Batch) -> Losses:
        import torch

        with torch.enable_grad():
            leaf = batch.logp.detach().requires_grad_()
            value = self.loss(leaf, batch)
            (slope,) = torch.autograd.grad(value.sum(), leaf)
        # The value is that of the loss, the gradient that of weighted cross-entropy: equal by the chain rule.
        surrogate = slope * batch.logp
        return Losses(value.detach() + (surrogate - surrogate.detach()), -slope)


class WeightMethod(Method):
    """Detached weights on cross-entropy."""

    Config: ClassVar[type[MethodConfig]] = WeightConfig
    config: WeightConfig

    @abstractmethod
    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights. They are detached: no gradient flows through them."""

    def losses(self, batch: Batch) -> Losses:
        return self.weighted(batch, self.weights(batch))

    def weighted(self, batch: Batch, weight: Tensor) -> Losses:
        """Cross-entropy with (B,) weights, which the control `shuffle` permutes."""
        weight = self._shuffled(weight.detach(), batch)
        return Losses(-weight * batch.logp, weight)

    def _shuffled(self, weight: Tensor, batch: Batch) -> Tensor:
        """(B,) the same weights on other rows: their distribution stays, their information about rows is lost."""
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
        """(B,) exp of log-weights, finite for any input; `upper` is the largest weight."""
        weight = log_weight.clamp(-LOG_WEIGHT_BOUND, LOG_WEIGHT_BOUND).exp()
        return weight if upper is None else weight.clamp(max=upper)


class StaticWeights(WeightMethod):
    """Weights on cross-entropy that are known before training, one per generated row."""

    def start(self, context: Context) -> None:
        """Compute all weights. In a training on real rows alone there are none."""
        import torch

        assert context.ids is not None, "the cell gives the ids of its rows"
        self.by_id = torch.zeros(int(context.ids.max(initial=-1)) + 1, dtype=torch.float64)
        if len(context.ids):
            self.by_id[torch.from_numpy(context.ids)] = torch.from_numpy(self.table(context)).double()

    @abstractmethod
    def table(self, context: Context) -> Array:
        """(n,) weights of the generated rows, in the order of `context.ids`."""

    def weights(self, batch: Batch) -> Tensor:
        """(B,) the weights of the batch's rows."""
        self.by_id = self.by_id.to(batch.logp.device)
        return self.by_id[batch.ids].to(batch.logp.dtype)


def lowest(values: Tensor, share: float) -> Tensor:
    """(B,) mask of the `share` of rows with the smallest values, rounded up; rows tied with the last one are in too.

    Ties are included so that no row's selection depends on its place in the batch.
    """
    count = max(1, math.ceil(share * len(values) - 1e-9))  # rounding can make 0.1 * 30 larger than 3
    return values <= values.kthvalue(min(count, len(values))).values


def hyperparameters(config: MethodConfig) -> dict[str, Any]:
    """The fields of a config with their values, in the order of declaration.

    `average` is left out unless it is set, so that cells of earlier versions keep their ids.
    """
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    return {name: value for name, value in values.items() if (name, value) != ("average", "none")}
