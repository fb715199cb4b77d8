"""Stress: controlled damage to a task's rows, written in a task expression as `twitter[noise=0.2,duplicates=0.5]`.

Each axis is one entry of `AXES`. Draws depend on (task, seed, axis, text) alone and are nested: noise=0.2 flips every
row that noise=0.1 of the same seed flips. `Rows.hidden`, which no method sees, holds what was done to each row:
`label_clean`, the label before the noise, and `copy_of`, the id of the row that a duplicate repeats (-1: none).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tasks.cross_validation import of_seed
from tasks.data import TaskData
from tasks.errors import DataError
from tasks.roles import MINIMUM_PER_CLASS
from tasks.rows import Rows, words_between_spaces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NoiseKind = Literal["uniform", "pair", "instance"]
REPEATED = 0.1  # share of the rows that get copies: generators repeat a few texts often, not each text once


@dataclass(frozen=True)
class Draw:
    """The inputs of an axis besides its value and the rows: the task's name, the seed, and all stress values."""

    task: str
    seed: int | str
    stress: Mapping[str, Any]  # the values of all axes

    def order(self, rows: Rows, axis: str) -> NDArray[np.int64]:
        """Positions (n,) of the rows in the order in which an axis takes them. Every prefix has the class shares."""
        from tasks.draw import draw_order

        return draw_order(self.task, rows, f"{self.seed} {axis}")

    def chance(self, key: str, axis: str) -> float:
        """A pseudo-random number in (0, 1), fixed by the task, the seed, the axis and `key` (a text or a name)."""
        content = f"{self.task}\n{self.seed} {axis}\n{key}".encode()
        return (int.from_bytes(hashlib.sha256(content).digest()[:6], "big") + 0.5) / 2**48


@dataclass(frozen=True)
class Axis:
    """One kind of stress. Its `default` changes nothing: an expression with it equals the expression without it."""

    role: Literal["generated", "real", "test"]  # whose rows it acts on
    meaning: str
    kind: Any  # the type of its values
    alter: Callable[[TaskData, Any, Draw], TaskData] = lambda data, value, draw: data
    default: Any = None
    low: float = 0.0
    high: float = math.inf
    option_of: str | None = None  # the axis without which this one has no effect


def stressed(data: TaskData, stress: Mapping[str, Any], seed: int) -> TaskData:
    """The task with stress applied, for one seed, whose fold is the test in a cross-validation.

    Raises `DataError` if too few rows of a class would be left.
    """
    data = of_seed(data, seed)
    for name, axis in AXES.items():
        if name in stress:
            data = axis.alter(data, stress[name], Draw(data.spec.name, seed, stress))
    return data


def without_defaults(stress: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `stress` that have an effect, in the order of `AXES`."""
    changed = {name: stress[name] for name, axis in AXES.items() if name in stress and stress[name] != axis.default}
    return {name: value for name, value in changed.items() if (AXES[name].option_of or name) in changed}


def fewer_generated(data: TaskData, size: int, draw: Draw) -> TaskData:
    """A stratified subset of `size` generated rows."""
    assert isinstance(draw.seed, int)
    return replace(data, generated=data.generated_subset(size, draw.seed, f"{data.spec.name}[generated={{}}]"))


def fewer_real(data: TaskData, size: int, draw: Draw) -> TaskData:
    """Small real sets of `size` rows."""
    return replace(data, default_real=size)


def long_tail(rows: Rows, factor: float, draw: Draw, axis: str, minimum: int, classes: int) -> Rows:
    """Exponential class profile (Cui et al., CVPR 2019): the class of rank r of C keeps a share factor^(-r / (C - 1)).

    Ranks are drawn by seed, so that no class is the rare one for every seed. Raises `DataError` if a class keeps fewer
    than `minimum` rows.
    """
    import numpy as np

    ranked = sorted(range(classes), key=lambda label: draw.chance(str(label), f"{axis} ranks"))
    order = draw.order(rows, axis)
    parts = []
    for rank, label in enumerate(ranked):
        members = order[rows.labels[order] == label]
        count = round(len(members) * factor ** (-rank / max(classes - 1, 1)))
        if len(members) and count < minimum:
            rest = f"{count} of {len(members)} rows of a class"
            raise DataError(f"task {draw.task}: {axis}={factor:g} leaves {rest}; least: {minimum}")
        parts.append(members[:count])
    return rows.take(np.sort(np.concatenate(parts)))


def rare_classes(data: TaskData, factor: float, draw: Draw) -> TaskData:
    """A long-tailed generated set: the rarest class keeps 1/factor of its rows."""
    classes = len(data.spec.labels)
    return replace(data, generated=long_tail(data.generated, factor, draw, "imbalance", MINIMUM_PER_CLASS, classes))


def shifted_test(data: TaskData, factor: float, draw: Draw) -> TaskData:
    """A long-tailed test, the same for every seed of a run: the rarest class keeps 1/factor of its rows."""
    fixed = replace(draw, seed="test")
    return replace(data, test=long_tail(data.test, factor, fixed, "shift", 1, len(data.spec.labels)))


def flipped_labels(data: TaskData, share: float, draw: Draw) -> TaskData:
    """Replace a share of the generated labels, rounded to whole rows, by the kind of noise in `noise_kind`."""
    rows = data.generated
    order, others = NOISE[draw.stress.get("noise_kind", "uniform")](rows, draw, len(data.spec.labels))
    changed = order[: round(share * len(rows))]
    labels = rows.labels.copy()
    labels[changed] = others[changed]
    hidden = {"label_clean": rows.labels, **rows.hidden}
    if "log_q" in hidden:
        hidden["log_q"] = noisy_posterior(hidden["log_q"], rows.labels, labels)
        if draw.stress.get("noise_kind") == "instance":
            del hidden["log_q"]  # these flips depend on the text, not only on label and Q(y|x)
    return replace(data, generated=replace(rows, labels=labels, hidden=hidden))


def noisy_posterior(
    log_q: NDArray[np.float64], before: NDArray[np.int64], after: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n, C) log Q(noisy label | x), if labels flip independently of the text and as often as they did here.

    `log_q` is (n, C); `before` and `after` are the labels (n,) before and after the noise.
    """
    import numpy as np

    transitions = np.zeros((log_q.shape[1], log_q.shape[1]))
    np.add.at(transitions, (before, after), 1.0)
    return np.asarray(np.log(np.exp(log_q) @ (transitions / transitions.sum(axis=1, keepdims=True))))


Flips = tuple["NDArray[np.int64]", "NDArray[np.int64]"]  # the order (n,) in which rows flip, the label (n,) they get


def uniform(rows: Rows, draw: Draw, classes: int) -> Flips:
    """Uniform noise: to any other class with equal probability."""
    import numpy as np

    steps = [1 + int(draw.chance(key, "noise label") * (classes - 1)) for key in rows.keys]
    return draw.order(rows, "noise"), (rows.labels + np.array(steps, dtype=np.int64)) % classes


def pair(rows: Rows, draw: Draw, classes: int) -> Flips:
    """Pair noise: each class to the next one, the last to the first."""
    return draw.order(rows, "noise"), (rows.labels + 1) % classes


def instance(rows: Rows, draw: Draw, classes: int) -> Flips:
    """Instance-dependent noise: to the class that the text resembles most; ambiguous texts flip more often.

    A row flips with odds exp(-2 z). z is its standardised margin: the mean log-odds per word of its own class against
    the best other class under naive Bayes, fitted on the other rows (the text's own words are taken out of the counts).
    """
    import numpy as np

    words: dict[str, int] = {}
    texts = [np.array([words.setdefault(word, len(words)) for word in words_between_spaces(key)]) for key in rows.keys]
    counts = np.ones((classes, len(words)))
    for text, label in zip(texts, rows.labels, strict=True):
        np.add.at(counts[label], text, 1.0)
    totals = counts.sum(axis=1)
    margins, others = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
    for i, (text, label) in enumerate(zip(texts, rows.labels, strict=True)):
        known, total = counts[:, text], totals.copy()
        known[label] -= (text[:, None] == text).sum(axis=1)
        total[label] -= len(text)
        score = np.log(known / total[:, None]).mean(axis=1)
        rivals = np.where(np.arange(classes) == label, -np.inf, score)
        others[i] = rivals.argmax()
        margins[i] = score[label] - rivals[others[i]]
    gumbel = [-math.log(-math.log(draw.chance(key, "noise"))) for key in rows.keys]
    spread = margins.std() or 1.0
    return np.argsort(2 * margins / spread - np.array(gumbel), kind="stable"), others


NOISE: dict[NoiseKind, Callable[[Rows, Draw, int], Flips]] = {"uniform": uniform, "pair": pair, "instance": instance}


def copied_rows(data: TaskData, share: float, draw: Draw) -> TaskData:
    """Append exact copies with new ids: `share` times the number of rows, copying a tenth of the rows in turn."""
    import numpy as np

    rows = data.generated
    repeated = draw.order(rows, "duplicates")[: math.ceil(REPEATED * len(rows))]
    copies = np.resize(repeated, round(share * len(rows)))
    hidden = {"copy_of": np.full(len(rows), -1, dtype=np.int64), **rows.hidden}
    longer = replace(rows, hidden=hidden).take(np.concatenate([np.arange(len(rows)), copies]))
    new = slice(len(rows), None)
    longer.ids[new] = rows.ids.max() + 1 + np.arange(len(copies))
    longer.hidden["copy_of"][new] = rows.ids[copies]
    return replace(data, generated=longer)


# In the order in which they are applied: duplicates copy rows after the noise.
AXES: dict[str, Axis] = {
    "generated": Axis("generated", "rows of the generated set", int, fewer_generated, low=1),
    "imbalance": Axis(
        "generated", "the rarest class keeps 1/x of its generated rows", float, rare_classes, default=1.0, low=1
    ),
    "noise": Axis(
        "generated", "share of generated labels that are wrong", float, flipped_labels, default=0.0, high=0.99
    ),
    "noise_kind": Axis("generated", "which wrong label a row gets", NoiseKind, default="uniform", option_of="noise"),
    "duplicates": Axis(
        "generated", "copies added, as a share of the generated rows", float, copied_rows, default=0.0, high=20
    ),
    "real": Axis("real", "rows of the small real set", int, fewer_real, low=1),
    "shift": Axis("test", "the rarest class keeps 1/x of its test rows", float, shifted_test, default=1.0, low=1),
}
