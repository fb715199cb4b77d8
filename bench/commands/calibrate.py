"""`bench calibrate`: how often the verdicts of this design are wrong, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.errors import UserError
from bench.stats.calibration import FAMILY, MAX_T, Design, Rates, rates
from bench.store.files import write_text

NULLS = {False: 10_000, True: 40_000}
SEEDS = {False: (3, 5), True: (3, 5, 10)}
EXAMPLES = {False: (350, 1_500), True: (350, 1_500, 5_000)}
SDS = {False: (0.0, 0.025), True: (0.0, 0.01, 0.025, 0.04)}
LOWEST, HIGHEST = 0.04, 0.055  # false positives that count as nominal
HEAD = (
    "seeds",
    "test rows",
    "seed sd (points)",
    "false positives %",
    f"family-wise % ({FAMILY}, Holm)",
    "family-wise %, max-T",
    "coverage %",
    "power %",
    "false positives % of a Satterthwaite t",
    "",
)
INTRODUCTION = (
    "How often the inference of the leaderboard errs, measured on {nulls:,} simulated grids per line from the model "
    "that it assumes: crossed Gaussian effects of seed and test example on the difference of two methods. "
    "*False positives*: true nulls with p < 0.05. *Family-wise*: at least one false verdict among {family} methods "
    "that all equal the baseline. *Coverage*: of the 95 % interval. *Power*: at the difference that a test which "
    "knows the true variance finds in 80 % of cases. ±: Monte Carlo standard error; max-T is tried on {max_t:,} "
    "families. Where it says *conservative*, "
    "fewer than 4 % of true nulls are rejected: intervals are wider than they need be, and differences are missed "
    "rather than made up."
)


def calibrate(reports: Path, say: Callable[[str], None], *, full: bool = False, store: Path | None = None) -> Path:
    """Simulate, print and write `calibration.md`. Raises UserError where a store has nothing to estimate from."""
    designs = [Design(seeds, examples, sd) for sd in SDS[full] for seeds in SEEDS[full] for examples in EXAMPLES[full]]
    estimated = estimate(store) if store else []
    lines = ["| " + " | ".join(HEAD) + " |", "| " + " | ".join("---:" for _ in HEAD[:-1]) + " | --- |"]
    for line in lines:
        say(line)
    found = []
    for design in [*designs, *estimated]:
        found.append(rates(design, NULLS[full]))
        lines.append(row(design, found[-1]))
        say(lines[-1])
    told = [paragraph for paragraph in (*verdict(found), from_store(estimated)) if paragraph]
    for paragraph in told:
        say(paragraph)
    path = reports / "calibration.md"
    blocks = [
        "# Calibration",
        INTRODUCTION.format(nulls=NULLS[full], family=FAMILY, max_t=MAX_T),
        "\n".join(lines),
        *told,
    ]
    write_text(path, "\n\n".join(blocks) + "\n")
    return path


def row(design: Design, found: Rates) -> str:
    """One line of the table."""
    cells = [
        str(design.seeds),
        f"{design.examples:,}",
        f"{100 * design.sd:.2f}".rstrip("0").rstrip("."),
        *(shown(share, found) for share in (found.false_positive, found.family_wise)),
        f"{100 * found.max_t:.2f}",
        shown(found.coverage, found),
        f"{100 * found.power:.1f}",
        f"{100 * found.satterthwaite:.2f}",
        remark(found),
    ]
    return "| " + " | ".join(cells) + " |"


def shown(share: float, found: Rates) -> str:
    """A share in per cent with its Monte Carlo error."""
    return f"{100 * share:.2f} ± {100 * found.error(share):.2f}"


def remark(found: Rates) -> str:
    """What is to be said of a line."""
    limited = ((found.false_positive, None), (found.family_wise, None), (found.max_t, MAX_T))
    if any(share - 2 * found.error(share, most) > HIGHEST for share, most in limited):  # beyond Monte Carlo error
        return "TOO MANY"
    return "conservative" if found.false_positive + 2 * found.error(found.false_positive) < LOWEST else ""


def verdict(found: Sequence[Rates]) -> list[str]:
    """What the table says as a whole."""
    worst = max(found, key=lambda one: one.false_positive)
    family = max(found, key=lambda one: one.family_wise)
    naive = max(found, key=lambda one: one.satterthwaite)
    weakest, strongest = (pick(found, key=lambda one: one.power) for pick in (min, max))
    careful = sum(remark(one) == "conservative" for one in found)
    return [
        f"Most false positives: {100 * worst.false_positive:.2f} % (± {100 * worst.error(worst.false_positive):.2f}); "
        f"most families with a false verdict: {100 * family.family_wise:.2f} % "
        f"(± {100 * family.error(family.family_wise):.2f}). One t distribution with Satterthwaite's degrees of freedom "
        f"would have made up to {100 * naive.satterthwaite:.2f} % false positives.",
        f"Conservative in {careful} of {len(found)} lines. Power lies between {100 * weakest.power:.0f} and "
        f"{100 * strongest.power:.0f} % where knowing the variance gives 80 %: with 3 seeds that differ, the variance "
        "between seeds is hardly known, and no honest test makes up for it. More seeds do.",
    ]


def estimate(store: Path) -> list[Design]:
    """A design per section of a store: medians of the variances of its differences to the baseline."""
    from bench.leaderboard.build import build
    from bench.store.manifest import stored

    table = build(stored(store), store)
    designs = []
    for section in table.sections:
        found = [
            row.paired.accuracy
            for row in section.rows
            if row.complete and row.paired and row.paired.accuracy and row.paired.accuracy.seeds > 1
        ]
        if not found:
            continue
        seeds, examples = found[0].seeds, found[0].examples
        residual = median(one.components["interaction"] for one in found)
        seed = median(max(one.components["seed"] - one.components["interaction"] / examples, 0.0) for one in found)
        own = median(max(one.components["example"] - one.components["interaction"] / seeds, 0.0) for one in found)
        total = own + residual
        designs.append(Design(seeds, examples, math.sqrt(seed), total, own / total if total > 0 else 0.0))
    if not designs:
        raise UserError(f"{store} has no complete comparison of two or more seeds to estimate variances from")
    return designs


def from_store(designs: Sequence[Design]) -> str:
    """Which lines come from a store."""
    if not designs:
        return ""
    told = "; ".join(
        f"{one.seeds} seeds × {one.examples:,} rows, seed sd {100 * one.sd:.2f} points, variance per example "
        f"{one.total:.3f} of which {100 * one.lasting:.0f} % lasts over seeds"
        for one in designs
    )
    return f"The last {len(designs)} line{'s' * (len(designs) != 1)}: variances as estimated from a store ({told})."
