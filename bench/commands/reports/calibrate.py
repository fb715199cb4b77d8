"""`bench calibrate`: simulates grids and writes a table of how often the verdicts are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.errors import UserError
from bench.leaderboard import Rules
from bench.leaderboard.formats.prose import markdown_row
from bench.stats.calibration import FAMILY, MAX_T, Design, Rates, rates
from bench.stats.crossed import Comparison
from bench.store.files import write_text
from tasks.errors import plural

NULLS = {False: 10_000, True: 40_000}
SEEDS = {False: (3, 5), True: (3, 5, 10)}
EXAMPLES = {False: (350, 1_500), True: (350, 1_500, 5_000)}
SDS = {False: (0.0, 0.025), True: (0.0, 0.01, 0.025, 0.04)}
LOWEST, HIGHEST = 0.04, 0.055  # rates of false positives between which a test is neither conservative nor liberal
# Entries of a section that tell designs apart.
TABLE = ("task_ref", "encoder_hash", "preset", "protocol", "encoder", "hashes")
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
    "How often the inference of the leaderboard is wrong, measured on {nulls:,} simulated grids per line. These are "
    "drawn from the model that the inference assumes: crossed Gaussian effects of seed and test example on the "
    "difference of two methods. "
    "*False positives*: true nulls with p < 0.05. *Family-wise*: at least one false verdict among {family} methods "
    "that all equal the baseline. *Coverage*: of the 95 % interval. *Power*: at the difference that a test which "
    "knows the true variance finds in 80 % of cases. ±: Monte Carlo standard error; max-T uses {max_t:,} "
    "families. *conservative*: fewer than 4 % of true nulls are rejected, so that intervals are wider than necessary "
    "and real differences may be missed. *TOO MANY*: a rate is above 5.5 %, beyond its Monte Carlo error."
)


def calibrate(reports: Path, say: Callable[[str], None], *, full: bool = False, store: Path | None = None) -> Path:
    """Simulate, print and write `calibration.md`. Raises UserError if a store gives no variances."""
    designs = [Design(seeds, examples, sd) for sd in SDS[full] for seeds in SEEDS[full] for examples in EXAMPLES[full]]
    estimated = [*designs_by_task(store).values()] if store else []
    lines = [markdown_row(HEAD), "| " + " | ".join("---:" for _ in HEAD[:-1]) + " | --- |"]
    for line in lines:
        say(line)
    results = []
    for design in [*designs, *estimated]:
        results.append(rates(design, NULLS[full]))
        lines.append(row(design, results[-1]))
        say(lines[-1])
    paragraphs = [paragraph for paragraph in (*conclusion(results), from_store(estimated)) if paragraph]
    for paragraph in paragraphs:
        say(paragraph)
    path = reports / "calibration.md"
    blocks = [
        "# Calibration",
        INTRODUCTION.format(nulls=NULLS[full], family=FAMILY, max_t=MAX_T),
        "\n".join(lines),
        *paragraphs,
    ]
    write_text(path, "\n\n".join(blocks) + "\n")
    return path


def row(design: Design, measured: Rates) -> str:
    """One line of the table."""
    cells = [
        str(design.seeds),
        f"{design.examples:,}",
        f"{100 * design.sd:.2f}".rstrip("0").rstrip("."),
        *(per_cent(share, measured) for share in (measured.false_positive, measured.family_wise)),
        f"{100 * measured.max_t:.2f}",
        per_cent(measured.coverage, measured),
        f"{100 * measured.power:.1f}",
        f"{100 * measured.satterthwaite:.2f}",
        remark(measured),
    ]
    return markdown_row(cells)


def per_cent(share: float, measured: Rates) -> str:
    """A share in per cent with its Monte Carlo error."""
    return f"{100 * share:.2f} ± {100 * measured.error(share):.2f}"


def remark(measured: Rates) -> str:
    """The last column of a line: a warning, or empty."""
    limited = ((measured.false_positive, None), (measured.family_wise, None), (measured.max_t, MAX_T))
    if any(share - 2 * measured.error(share, most) > HIGHEST for share, most in limited):  # beyond Monte Carlo error
        return "TOO MANY"
    return "conservative" if measured.false_positive + 2 * measured.error(measured.false_positive) < LOWEST else ""


def conclusion(results: Sequence[Rates]) -> list[str]:
    """The paragraphs under the table."""
    worst = max(results, key=lambda one: one.false_positive)
    family = max(results, key=lambda one: one.family_wise)
    naive = max(results, key=lambda one: one.satterthwaite)
    weakest, strongest = (pick(results, key=lambda one: one.power) for pick in (min, max))
    careful = sum(remark(one) == "conservative" for one in results)
    return [
        f"Highest rate of false positives: {100 * worst.false_positive:.2f} % (± "
        f"{100 * worst.error(worst.false_positive):.2f}); "
        f"highest family-wise rate: {100 * family.family_wise:.2f} % "
        f"(± {100 * family.error(family.family_wise):.2f}). One t distribution with Satterthwaite's degrees of freedom "
        f"would have up to {100 * naive.satterthwaite:.2f} % false positives.",
        f"Conservative in {careful} of {len(results)} lines. Power lies between {100 * weakest.power:.0f} and "
        f"{100 * strongest.power:.0f} %, where a test that knows the variance has 80 %. Where seeds differ, 3 seeds "
        "give a poor estimate of the variance between them. No valid test can compensate for that; more seeds can.",
    ]


def designs_by_task(store: Path, baseline: str = Rules.baseline) -> dict[tuple[str, ...], Design]:
    """The designs of `estimate` by `TABLE` and a number. Raises UserError if there is none, and for mixed code."""
    from bench.leaderboard.build import build
    from bench.store.merge import unmixed

    designs: dict[tuple[str, ...], Design] = {}
    for section in build(unmixed(store), store, Rules(baseline=baseline)).sections:
        comparisons = [
            row.paired.accuracy
            for row in section.rows
            if row.complete and row.paired and row.paired.accuracy and row.paired.accuracy.seeds > 1
        ]
        if comparisons:
            key = tuple(str(section.spec[name]) for name in TABLE)
            rows = 0 if section.spec.get("cross_validation") else section.spec["sizes"]["test"]
            designs[(*key, str(len(designs)))] = design_of(comparisons, rows)
    if not designs:
        raise UserError(
            f"{store} has no complete comparison with {baseline} on two or more seeds, so variances cannot be estimated"
        )
    return designs


def design_of(comparisons: Sequence[Comparison], rows: int) -> Design:
    """The fewest seeds of some comparisons, their examples of so many test rows, and the medians of their variances.

    `rows`: 0 where an example is one.
    """
    residual = median(one.components["interaction"] for one in comparisons)
    seed = median(max(one.components["seed"] - rest(one) / one.examples, 0.0) for one in comparisons)
    own = median(max(one.components["example"] - rest(one) / one.seeds, 0.0) for one in comparisons)
    total = own + residual
    seeds, examples = min(one.seeds for one in comparisons), comparisons[0].examples
    return Design(seeds, examples, math.sqrt(seed), total, own / total if total > 0 else 0.0, rows)


def rest(one: Comparison) -> float:
    """The variance of a difference that is neither of the seed nor of the example."""
    return one.components["interaction"]


def from_store(designs: Sequence[Design]) -> str:
    """The paragraph on the lines whose variances come from a store."""
    if not designs:
        return ""
    designs_text = "; ".join(
        f"{one.seeds} seeds × {one.examples:,} rows, seed sd {100 * one.sd:.2f} points, variance per example "
        f"{one.total:.3f} of which {100 * one.lasting:.0f} % lasts over seeds"
        for one in designs
    )
    return f"The last {plural(len(designs), 'line')}: variances as estimated from a store ({designs_text})."
