"""Every method of a section against the baseline, on the seeds and test rows that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.cells import Examples
from bench.stats.crossed import Comparison, compare_accuracy, compare_macro_f1
from bench.stats.metrics import IntArray
from bench.stats.multiple import holm, max_t
from bench.stats.pairwise import covariances, sure_correlation
from bench.stats.verdict import Verdict, incomplete, verdict

if TYPE_CHECKING:
    from bench.leaderboard.table import Row

ENVIRONMENT = ("code", "torch", "transformers", "device")  # what two cells must share to be paired


@dataclass(frozen=True)
class Paired:
    """A method's differences to the baseline. `p_corrected` is NaN outside the family, or where there is no verdict.

    `p_max_t`: the same by step-down max-T, for information.

    `family`: *confirmatory* (core methods, Holm over all that were planned), *exploratory* (the rest, uncorrected) or
    empty (the baseline). `withheld` says why there is no difference, or no verdict on it.
    """

    accuracy: Comparison | None
    macro_f1: Comparison | None
    p_corrected: float
    family: str
    verdict: Verdict
    withheld: str = ""
    p_max_t: float = math.nan


def pair(
    rows: Sequence[Row], base: Row | None, test: Examples, *, name: str, delta: float, allow_mixed: bool
) -> list[Paired]:
    """One `Paired` per row. The family's size is the number of planned core methods, whatever became of their cells."""
    reasons = [withheld(row, base, name, allow_mixed) for row in rows]
    found = [
        None if base is None or reason.hides else differences(row, base, test)
        for row, reason in zip(rows, reasons, strict=True)
    ]
    p = [pairs[0].p if pairs and not reason.text else math.nan for pairs, reason in zip(found, reasons, strict=True)]
    core = [i for i, row in enumerate(rows) if row.spec["core"] and not row.is_baseline]
    corrected = np.full(len(rows), math.nan)
    corrected[core] = holm([p[i] for i in core])
    judgements = [
        judged(row, pairs, reason.text, p[i], float(corrected[i]), delta)
        for i, (row, pairs, reason) in enumerate(zip(rows, found, reasons, strict=True))
    ]
    if base is not None:
        for i, value in zip(core, stepped([rows[i] for i in core], [p[i] for i in core], base, test), strict=True):
            judgements[i] = replace(judgements[i], p_max_t=value)
    return judgements


def stepped(rows: Sequence[Row], p: Sequence[float], base: Row, test: Examples) -> list[float]:
    """Step-down max-T over a family; a comparison that could not be made counts as independent."""
    made = [i for i, value in enumerate(p) if not math.isnan(value)]
    correlation = np.eye(len(rows))
    if made:
        right = np.stack([stacked(part, part.seeds) == test.labels for part in (base, *(rows[i] for i in made))])
        scores = right[1:].astype(np.float64) - right[0]
        known = sure_correlation(covariances(scores), *scores.shape[1:])
        correlation[np.ix_(made, made)] = known
    return [float(value) for value in max_t(p, correlation)] if len(rows) else []


def judged(
    row: Row, found: tuple[Comparison, Comparison] | None, reason: str, p: float, corrected: float, delta: float
) -> Paired:
    """What may be said of a row."""
    family = "" if row.is_baseline else "confirmatory" if row.spec["core"] else "exploratory"
    accuracy, macro_f1 = found if found else (None, None)
    if accuracy is None or reason:
        return Paired(accuracy, macro_f1, math.nan, family, Verdict("", reason), reason)
    exploratory = family == "exploratory"
    word = verdict(accuracy, p if exploratory else corrected, delta=delta, exploratory=exploratory)
    return Paired(accuracy, macro_f1, corrected, family, word)


@dataclass(frozen=True)
class Reason:
    """Why a row gets no verdict; `hides`: nor any difference."""

    text: str = ""
    hides: bool = False


def withheld(row: Row, base: Row | None, name: str, allow_mixed: bool) -> Reason:
    """Whether a row can be compared with the baseline."""
    if row.is_baseline:
        return Reason("baseline", hides=True)
    if base is None:
        return Reason(f"no baseline {name}", hides=True)
    mixed = "" if allow_mixed else mixture(row, base)
    if mixed:
        return Reason(f"mixed environments: {mixed}", hides=True)
    alone = not set(row.cells) & set(base.cells)
    if not row.complete:
        return Reason(incomplete(len(row.cells), len(row.seeds)).text, hides=alone)
    if not base.complete:
        return Reason(f"baseline {incomplete(len(base.cells), len(base.seeds)).text}", hides=alone)
    return Reason()


def mixture(row: Row, base: Row) -> str:
    """What differs between the environments of two rows' cells, e.g. `torch 2.12.0, 2.13.0`; empty if nothing."""
    environments = [cell.environment for part in (row, base) for cell in part.cells.values()]
    values = {key: sorted({str(found.get(key, "unknown")) for found in environments}) for key in ENVIRONMENT}
    return "; ".join(f"{key} {', '.join(found)}" for key, found in values.items() if len(found) > 1)


def differences(row: Row, base: Row, test: Examples) -> tuple[Comparison, Comparison]:
    """Differences of accuracy and macro-F1 on the seeds that both have (at least one)."""
    shared = sorted(set(row.cells) & set(base.cells))
    a, b = stacked(row, shared), stacked(base, shared)
    return compare_accuracy(test.labels, a, b), compare_macro_f1(test.labels, a, b, test.classes)


def stacked(row: Row, seeds: Sequence[int]) -> IntArray:
    """Predictions (S, N)."""
    return np.stack([row.cells[seed].predictions for seed in seeds])
