"""Methods in a PyTorch loop of one's own: `get("dimp")` is a loss of logits and labels.

    loss_of = get("dimp", clip=20.0)
    loss = loss_of(logits, labels, quality=quality_log_probs)     # () with its graph: the mean over the batch
    loss.backward()

The loss is that of `bench run` for the same batch. Rows of the small real set that are trained on too carry plain
cross-entropy there; here the caller adds it. A method that needs more than one loss per batch (several networks,
phases, derivatives on real rows, tables of all rows) is refused, and so is one whose schedule or state needs a number
that was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from methods.base import DIVERSITY, QUALITY, Batch, Context, Losses, Method, RealUse, StaticWeights
from methods.discovery import discover

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

TABLES = (QUALITY, DIVERSITY)  # the tables that a caller gives batch by batch
HOOKS = ("phases", "phase_end", "refreshes", "keep", "joint")  # of the training loop of `bench run`
# What to give for an entry of `Context` or `Batch`.
GIVEN_BY = {
    "updates": "updates=NUMBER to get()",
    "generated_prior": "labels=ALL_LABELS to get()",
    "labels": "labels=ALL_LABELS to get()",
    "ids": "labels=ALL_LABELS to get(), and ids=ROW_NUMBERS with each batch",
    "epoch": "epoch=NUMBER with each batch",
    "evaluate": "evaluate=FUNCTION with each batch",
}


class Missing(ValueError):  # noqa: N818 - it is what the caller must add
    """A method reads something that the caller of the loop did not give."""


class OnlyGiven:
    """What has only some of its entries. Reading another one raises Missing."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if value is None and name in GIVEN_BY:
            raise Missing(f"this method reads {name}: give {GIVEN_BY[name]}")
        return value


class OwnContext(OnlyGiven, Context):
    """A context of which only some entries are known."""


class OwnBatch(OnlyGiven, Batch):
    """A batch of which only some entries are known."""


class BatchLoss:
    """The loss of a configured method on batches of generated rows. Made by `get`; it counts its updates."""

    def __init__(
        self,
        method: Method,
        updates: int | None,
        labels: np.ndarray[Any, Any] | None,
        seed: int,
        tables: Mapping[str, Tensor] | None = None,
    ) -> None:
        """`tables` are those of all generated rows by name, (n, C), for a method that reads them when it starts."""
        import numpy as np

        self.method, self.updates, self.labels, self.seed = method, updates, labels, seed
        self.tables = {} if tables is None else tables  # may be filled until the first batch
        self.rng = np.random.default_rng(seed)
        self.step = 0
        self.classes: int | None = None

    def __call__(self, logits: Tensor, labels: Tensor, **given: Any) -> Tensor:
        """() the mean of `rows` over the batch, with its graph."""
        return self.rows(logits, labels, **given).loss.mean()

    def rows(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        quality: Tensor | None = None,
        diversity: Tensor | None = None,
        ids: Tensor | None = None,
        epoch: int | None = None,
        evaluate: Callable[[], Tensor] | None = None,
    ) -> Losses:
        """(B,) losses with their graph, and (B,) weights (None if the method has none), from logits (B, C).

        `quality`, `diversity`: log-probabilities of the checkers, (B, C), or (B,) those of the given labels, which are
        enough for most methods. `ids`: the rows' numbers. `evaluate`: () -> (B, C) log-probabilities without dropout.
        Each call counts as an update. Raises Missing, and ValueError for shapes that do not fit.
        """
        if logits.ndim != 2 or labels.shape != logits.shape[:1]:
            raise ValueError(f"needed: logits (B, C) and labels (B,), not {tuple(logits.shape)}, {tuple(labels.shape)}")
        self._start(logits.shape[1])
        log_probs = logits.float().log_softmax(dim=1)
        given = {QUALITY: quality, DIVERSITY: diversity}
        required = self.method.requires_of(self.method.config)
        if absent := [name for name in required if given.get(name) is None]:
            raise Missing(f"{self.method.name} needs {' and '.join(absent)}: give {absent[0]}=LOG_PROBABILITIES")
        batch = OwnBatch(
            ids=ids,  # type: ignore[arg-type]  # reading it raises Missing
            labels=labels,
            log_probs=log_probs,
            logp=log_probs.gather(1, labels[:, None]).squeeze(1),
            tables={name: table(given[name], labels, log_probs) for name in required},
            step=self.step,
            epoch=epoch,  # type: ignore[arg-type]
            rng=self.rng,
            evaluate=evaluate,
        )
        result = self.method.losses(batch)
        partial = [name for name in required if given[name].ndim == 1]  # type: ignore[union-attr]
        if partial and bool(result.loss.detach().isnan().any()):
            raise Missing(f"{self.method.name} needs {partial[0]} of all classes: (B, C) log-probabilities")
        self.step += 1
        return result

    def _start(self, classes: int) -> None:
        """Start the method once the number of classes is known; later batches must have as many."""
        import numpy as np

        if self.classes is not None:
            if classes != self.classes:
                raise ValueError(f"the first batch had {self.classes} classes, and this one has {classes}")
            return
        labels = self.labels
        shares = None if labels is None else tuple(np.bincount(labels, minlength=classes) / len(labels))
        context = OwnContext(
            n_classes=classes,
            updates=self.updates,  # type: ignore[arg-type]
            generated_prior=shares,  # type: ignore[arg-type]
            real_prior=None,
            labels=labels,
            tables={name: scores.cpu().numpy() for name, scores in self.tables.items()},
            ids=None if labels is None else np.arange(len(labels)),
            seed=self.seed,
        )
        self.method.start(context)
        self.classes = classes


def table(values: Tensor | None, labels: Tensor, log_probs: Tensor) -> Tensor:
    """(B, C) log-probabilities of a checker; those of the given labels alone stand among NaN."""
    assert values is not None, "rows() has checked it"
    values = values.detach().to(log_probs)
    if values.shape == log_probs.shape:
        return values
    if values.shape != labels.shape:
        raise ValueError(f"log-probabilities of a checker have the shape (B, C) or (B,), not {tuple(values.shape)}")
    return log_probs.detach().new_full(log_probs.shape, float("nan")).scatter(1, labels[:, None], values[:, None])


def get(
    name: str,
    *,
    updates: int | None = None,
    labels: np.ndarray[Any, Any] | None = None,
    seed: int = 0,
    **settings: Any,
) -> BatchLoss:
    """The loss of a method with its settings, for a loop of one's own.

    `updates`: how many there will be, for methods with a schedule. `labels` (n,): those of all generated rows, for
    methods that keep a value per row. Raises ValueError for an unknown method or setting, and for a method that one
    loss per batch cannot express.
    """
    known = discover()
    if name not in known:
        raise ValueError(f"no method {name!r}; methods: {', '.join(known)}")
    cls = known[name]
    allowed = [entry.name for entry in fields(cls.Config)]
    if unknown := [key for key in settings if key not in allowed]:
        raise ValueError(f"{name} has no setting {unknown[0]!r}; settings: {', '.join(allowed)}")
    config = cls.Config(**settings)
    if why := not_expressible(cls, config) or reads_tables_first(cls(config)):
        raise ValueError(f"{name} {why}; use `bench run`")
    return BatchLoss(cls(config), updates, labels, seed)


def not_expressible(cls: type[Method], config: Any) -> str:
    """Why a method is no single loss per batch; empty if it is one."""
    if config.average != "none":
        return "averages the weights of the model along the training"
    if config.train_on != "generated":
        return "trains on real rows too: add their cross-entropy to the loss of the generated rows"
    if others := [name for name in cls.requires_of(config) if name not in TABLES]:
        return f"needs tables of all rows ({', '.join(others)})"
    if cls.networks > 1:
        return f"trains {cls.networks} networks"
    if issubclass(cls, StaticWeights):
        return "computes all weights before training: `bench weights --to` writes them"
    if hooks := [hook for hook in HOOKS if getattr(cls, hook) is not getattr(Method, hook)]:
        return f"needs the training loop ({', '.join(hooks)})"
    if cls.own_use_of(config) in (RealUse.GRADIENT, RealUse.PRIOR, RealUse.SELECT):
        return "reads the real rows during training"
    return ""


def reads_tables_first(method: Method) -> str:
    """Why a method cannot start without tables of all rows; empty if it can. Found out by starting it on two rows."""
    import numpy as np

    rows = np.arange(2)
    try:
        method.start(Context(2, 1, (0.5, 0.5), None, labels=rows, ids=rows))
    except LookupError:  # of `Context.scored`
        return "reads tables of all rows before training"
    return ""
