"""Task `oracle`: rows drawn from two known processes P and Q over made-up words. Every probability has a closed form.

A text is LENGTH words drawn one by one. Real and test rows come from P, generated rows from Q:

    P(x) = prod_i pi(x_i)                            P(south | x) = sigmoid(sum_i a(x_i))
    Q(x) = prod_i pi(x_i) exp(covariate t(x_i)) / Z  Q(south | x) = sigmoid(sum_i a(x_i) + conditional b(x_i))

pi, a, b and t are the same in every run. A bag-of-words model can represent both processes, so a classifier is never
short of capacity. Hidden columns hold log P(y|x) and log Q(y|x) of every label and log P(x)/Q(x). Label noise changes
log Q(y|x) accordingly (see `tasks.stress`); duplicates leave it unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.data import TaskData
from tasks.errors import DataError
from tasks.rows import Rows
from tasks.spec import TaskSpec

WORDS = tuple(a + b + c for a, b, c in product(["b", "k", "l", "m"], ["a", "i", "o"], ["ba", "du", "go", "ne", "ri"]))
LENGTH = 12  # words of a text
SPREAD = 3.0  # standard deviation of the log-odds of a text
ROWS = {"generated": 2000, "pool": 4000, "test": 2000}
SEED = 7041  # of the processes and the rows; a run's seed only draws among these rows


@dataclass(frozen=True)
class Processes:
    """P and Q over V words: log-probabilities (V,) of the words, and their effects (V,) on the log-odds of `south`."""

    words_p: NDArray[np.float64]
    words_q: NDArray[np.float64]
    effect_p: NDArray[np.float64]
    effect_q: NDArray[np.float64]

    @classmethod
    def with_distances(cls, conditional: float, covariate: float) -> Processes:
        """P and Q at a distance: `conditional` between P(y|x) and Q(y|x), `covariate` between P(x) and Q(x)."""
        rng = np.random.default_rng(SEED)
        base, tilt, a, b = rng.normal(size=(4, len(WORDS)))
        words_p, words_q = (
            logits - np.log(np.exp(logits).sum()) for logits in (0.5 * base, 0.5 * base + covariate * tilt)
        )
        # Centred under P, so that its classes are balanced; scaled to the same spread whatever the words.
        a, b = (values - np.exp(words_p) @ values for values in (a, b))
        a, b = (values * SPREAD / np.sqrt(LENGTH * np.exp(words_p) @ values**2) for values in (a, b))
        return cls(words_p, words_q, a, a + conditional * b)

    def rows(self, role: str) -> Rows:
        """The rows of `generated`, `pool` or `test` with their hidden columns; the same at every call."""
        rng = np.random.default_rng([SEED, *role.encode()])
        from_q = role == "generated"
        words = rng.choice(len(WORDS), size=(ROWS[role], LENGTH), p=np.exp(self.words_q if from_q else self.words_p))
        log_p, log_q = (log_posterior(effect[words].sum(axis=1)) for effect in (self.effect_p, self.effect_q))
        labels = (rng.random(ROWS[role]) < np.exp((log_q if from_q else log_p)[:, 1])).astype(np.int64)
        hidden = {"log_p": log_p, "log_q": log_q, "log_x": (self.words_p - self.words_q)[words].sum(axis=1)}
        texts = [" ".join(WORDS[word] for word in text) for text in words]
        return Rows(np.arange(ROWS[role], dtype=np.int64), texts, None, labels, hidden)


def log_posterior(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) log-probabilities of both labels from log-odds (n,) of the second."""
    return np.stack([-np.logaddexp(0, odds), -np.logaddexp(0, -odds)], axis=1)


def load(spec: TaskSpec, options: Mapping[str, float], test_size: int | Literal["default"] | None) -> TaskData:
    """Draw the task's rows; `options` are the knobs `conditional` and `covariate`. No file is read."""
    knobs = {name: float(options.get(name, knob.default)) for name, knob in spec.knobs.items()}
    with np.errstate(all="ignore"):
        processes = Processes.with_distances(**knobs)
    if not np.isfinite([processes.words_p, processes.words_q, processes.effect_p, processes.effect_q]).all():
        raise DataError(
            f"task {spec.name}: {' and '.join(knobs)} are too large to compute probabilities with; lower them"
        )
    test = processes.rows("test")
    size = len(test) if test_size in ("default", None) else int(test_size)
    return TaskData(
        spec=spec,
        source="process",
        generated=processes.rows("generated"),
        pool=processes.rows("pool"),
        test=test.take(np.arange(min(size, len(test)))),
        notes=("No text: made-up words drawn from two known processes, see the table below",),
        about="rows drawn from two known distributions; no text by people",
        stand_in=False,
        default_real=spec.sizes.real["default"],
        error_prefix=f"task {spec.name}",
        origins={},
        test_of=len(test),
    )
