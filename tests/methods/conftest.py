"""Random batches, configured methods and the list of settings that every registered method is tested with."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import Field, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from bench.planning.requirements import REQUIREMENTS
from methods import discover
from methods.base import (
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
    Method,
    MethodConfig,
    RealUse,
    WeightConfig,
    WeightMethod,
)
from tests.methods.linear import random_probe

torch.set_num_threads(1)  # the batches are tiny; more threads only wait for each other

REGISTRY = discover()
SHARED_FIELDS = {entry.name for entry in fields(WeightConfig)}
ROWS, REAL = 64, 24  # generated and real rows of the cells in these tests
ON_GENERATED = (QUALITY, DIVERSITY, DIVERSITY_OOF)  # tables of the generated rows
ON_REAL = (QUALITY_OOF, DIVERSITY_REAL)
STARTED: dict[tuple[type[Method], MethodConfig, int], Method] = {}

# Settings that do something only together, or only from a later update on.
TOGETHER: dict[str, list[dict[str, Any]]] = {
    "bootstrap": [{"kind": "hard", "beta": 0.5}],
    "gce": [{"truncate": 0.5, "start": 0.0}, {"q": 0.0, "truncate": 0.5, "start": 0.0}],
    "self-paced": [{"kind": "linear", "lam": 1.0}],
}


class Variant(NamedTuple):
    """A method and the settings that differ from its defaults."""

    name: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({','.join(f'{key}={value}' for key, value in self.settings.items())})"


class Sample(NamedTuple):
    """A batch and its leaf tensors."""

    batch: Batch
    logits: Tensor  # (B, C), requires grad
    quality: Tensor  # (B, C), requires grad
    diversity: Tensor  # (B, C), requires grad


def own_fields(config: type[MethodConfig]) -> list[Field[Any]]:
    """The fields of a config that not every method has."""
    return [entry for entry in fields(config) if entry.name not in SHARED_FIELDS]


def trials(config: type[MethodConfig], entry: Field[Any]) -> Iterator[Any]:
    """Values of a field worth a test: all choices, or the ends of the range that is searched."""
    kind = get_type_hints(config)[entry.name]
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif kind is bool:
        yield from (False, True)
    else:
        yield from entry.metadata["search"] or ()


def variants(name: str) -> list[Variant]:
    """The defaults, every field moved from its default alone, and what is listed in TOGETHER."""
    config = REGISTRY[name].Config
    values = ((entry, value) for entry in own_fields(config) for value in trials(config, entry))
    moved = [{entry.name: value} for entry, value in values if value != entry.default]
    return [Variant(name, settings) for settings in [{}, *moved, *TOGETHER.get(name, [])]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over the registry: `name` and `variant` for all methods, `weight_variant` for weights on CE."""
    weighting = [name for name, cls in REGISTRY.items() if issubclass(cls, WeightMethod)]
    cases: dict[str, list[Any]] = {
        "name": list(REGISTRY),
        "variant": [variant for name in REGISTRY for variant in variants(name)],
        "weight_variant": [variant for name in weighting for variant in variants(name)],
    }
    for argument, values in cases.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, ids=str)


def build_method(variant: Variant, n_classes: int = 3, **settings: Any) -> Method:
    """A configured method, started; the real set is skewed towards the first class. A start may take its time: once."""
    cls = REGISTRY[variant.name]
    config = cls.Config(**variant.settings, **settings)
    if (cls, config, n_classes) not in STARTED:
        method = cls(config)
        method.start(make_context(n_classes, cls.real_use, cls.requires_of(config)))
        STARTED[cls, config, n_classes] = method
    return deepcopy(STARTED[cls, config, n_classes])


def make_context(
    n_classes: int = 3, real_use: RealUse = RealUse.PRIOR, requires: Collection[str] = tuple(REQUIREMENTS)
) -> Context:
    """A cell with balanced classes and seeded checkers.

    A method that declares its use sees a real prior of 2:1:...:1.
    """
    real = [2.0] + [1.0] * (n_classes - 1)
    rng = np.random.default_rng(7)

    def drawn(names: tuple[str, ...], rows: int) -> dict[str, Any]:
        logits = rng.normal(scale=2, size=(len(names), rows, n_classes))
        tables = dict(zip(names, log_softmax(logits, axis=2).astype(np.float32), strict=True))
        return {name: table for name, table in tables.items() if name in requires}

    def texts(names: tuple[str, str], rows: int) -> dict[str, Any]:
        lengths = rng.integers(3, 9, size=(rows, 1))
        tokens = np.where(np.arange(8) < lengths, rng.integers(0, 40, size=(rows, 8)), -1)
        tables = {names[0]: rng.normal(size=(rows, 6)).astype(np.float32), names[1]: tokens}
        return {name: table for name, table in tables.items() if name in requires}

    def dynamics() -> dict[str, Any]:
        tables = log_softmax(rng.normal(scale=2, size=(ROWS, 6, n_classes)), axis=2).astype(np.float32)
        return {DYNAMICS: tables} if DYNAMICS in requires else {}

    def columns() -> dict[str, Any]:
        names = [name for name in requires if name.startswith(COLUMN)]
        return {name: rng.integers(0, 4, size=ROWS).astype(np.float32) for name in names}

    return Context(
        n_classes=n_classes,
        updates=10,
        generated_prior=(1 / n_classes,) * n_classes,
        real_prior=tuple(share / sum(real) for share in real) if real_use is RealUse.PRIOR else None,
        labels=np.arange(ROWS) % n_classes,
        tables=drawn(ON_GENERATED, ROWS) | texts((EMBEDDINGS, TOKENS), ROWS) | dynamics() | columns(),
        ids=np.arange(ROWS),
        real_labels=np.arange(REAL) % n_classes,
        real_tables=drawn(ON_REAL, REAL) | texts((REAL_EMBEDDINGS, REAL_TOKENS), REAL),
    )


def make_sample(
    logits: Tensor | None = None,
    labels: Tensor | None = None,
    quality: Tensor | None = None,
    diversity: Tensor | None = None,
    *,
    n_classes: int = 3,
    size: int = 16,
    seed: int = 0,
    scale: float = 1.0,
    dtype: torch.dtype = torch.float32,
    requires: tuple[str, ...] = ON_GENERATED,
) -> Sample:
    """A batch from seeded logits; what is given is used as it is, checkers as log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(3, size, n_classes, generator=generator, dtype=torch.float64) * 2 * scale
    drawn_labels = torch.randint(n_classes, (size,), generator=generator)
    logits = (drawn[0] if logits is None else logits).detach().to(dtype).requires_grad_()
    labels = drawn_labels if labels is None else labels
    quality = drawn[1].log_softmax(1) if quality is None else quality
    diversity = drawn[2].log_softmax(1) if diversity is None else diversity
    quality, diversity = (table.detach().to(dtype).requires_grad_() for table in (quality, diversity))
    tables = {QUALITY: quality, DIVERSITY: diversity, DIVERSITY_OOF: diversity}
    log_probs = logits.log_softmax(1)
    batch = Batch(
        ids=torch.arange(len(labels)),
        labels=labels,
        log_probs=log_probs,
        logp=log_probs.gather(1, labels[:, None]).squeeze(1),
        tables={name: table for name, table in tables.items() if name in requires}
        | {name: torch.arange(len(labels)).to(dtype) % 4 for name in requires if name.startswith(COLUMN)},
        step=0,
        epoch=0,
        rng=np.random.default_rng(seed),
        evaluate=lambda: log_probs.detach(),
        lookahead=random_probe(log_probs.shape[1]),
    )
    return Sample(batch, logits, quality, diversity)


def from_probabilities(p: Tensor, dtype: torch.dtype = torch.float64) -> Sample:
    """A two-class batch whose given label, the first, has these probabilities."""
    logits = torch.stack([torch.log(p), torch.log1p(-p)], dim=1)
    return make_sample(logits, torch.zeros(len(p), dtype=torch.int64), n_classes=2, size=len(p), dtype=dtype)


def gradient_of(sample: Sample, method: Method) -> Tensor:
    """(B, C) gradient of the batch's mean loss with respect to the logits."""
    mean = method.losses(sample.batch).loss.mean()
    (gradient,) = torch.autograd.grad(mean, sample.logits, retain_graph=True)
    return gradient


@pytest.fixture
def build() -> Callable[..., Method]:
    """`build(name, n_classes=3, **settings)`: a started method; a `Variant` in place of a name brings its settings."""

    def make(name: str | Variant, n_classes: int = 3, **settings: Any) -> Method:
        return build_method(Variant(name, {}) if isinstance(name, str) else name, n_classes, **settings)

    return make


@pytest.fixture
def context() -> Callable[..., Context]:
    """`context(n_classes=3, real_use=PRIOR, requires=both)`: the context that `start` receives."""
    return make_context


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """`sample(...)`: see `make_sample`."""
    return make_sample


@pytest.fixture
def given_probabilities() -> Callable[..., Sample]:
    """`given_probabilities(p)`: see `from_probabilities`."""
    return from_probabilities


@pytest.fixture
def gradient() -> Callable[..., Tensor]:
    """`gradient(sample, method)`: see `gradient_of`."""
    return gradient_of


@pytest.fixture
def own() -> Callable[[type[MethodConfig]], list[Field[Any]]]:
    """`own(Config)`: the fields that not every method has."""
    return own_fields


@pytest.fixture
def close() -> Callable[..., None]:
    """Assert that two tensors agree, by default to float64's accuracy."""

    def check(result: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
        torch.testing.assert_close(result, expected, rtol=tolerance, atol=tolerance)

    return check


@pytest.fixture
def all_finite() -> Callable[..., bool]:
    """Whether every tensor given holds only finite numbers."""

    def check(*tensors: Tensor) -> bool:
        return all(math.isfinite(value) for tensor in tensors for value in tensor.detach().double().flatten().tolist())

    return check
