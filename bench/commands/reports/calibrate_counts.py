"""`bench calibrate --counts`: simulates grids of counts unlike the model of the inference, and writes three tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.leaderboard.formats.prose import markdown_row
from bench.stats.simulation.across import FIRST_STEP, Tasks, mean_gain_misses
from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import FaultRates, Line, count_rates, margin_rates
from bench.stats.verdict import DELTA, points
from bench.store.files import write_text

GRIDS = {False: 600, True: 10_000}
LARGE = 200_000  # counts of a grid; lines with more have a quarter of the grids
HIGHEST = 0.055
UNKNOWABLE = ("as rows", "collapses")  # lines with such words are above the limit whatever the test
LINES = (
    *(Line("as the model", World(9, seeds, 2_000, 0.025)) for seeds in (2, 3, 5, 10, 20)),
    *(Line("no spread between seeds", World(9, seeds, 2_000)) for seeds in (1, 3, 10)),
    Line("two methods, few rows", World(2, 3, 80, 0.025)),
    Line("two methods, many seeds and rows", World(2, 20, 20_000, 0.025)),
    Line("few rows", World(9, 3, 80, 0.025)),
    Line("few rows, high accuracy", World(9, 3, 80, 0.0, 0.97)),
    Line("many rows", World(9, 3, 20_000, 0.04)),
    Line("many rows", World(4, 10, 10_000, 0.025)),
    *(Line("ties", World(methods, seeds, 350, 0.035, 0.9)) for methods, seeds in ((9, 2), (33, 2), (33, 3))),
    Line("many methods", World(33, 5, 2_000, 0.025)),
    *(Line("the last method spreads 4 times as much", World(9, n, 2_000, 0.01, spread=4.0)) for n in (3, 5)),
    *(Line("the last method spreads a quarter as much", World(9, n, 2_000, 0.04, spread=0.25)) for n in (3, 5)),
    *(Line("heavy tails (t with 3 degrees of freedom)", World(9, n, 2_000, 0.025, tails=3.0)) for n in (3, 5, 10)),
    *(Line("rows 4 times, as clusters", World(9, n, 1_400, 0.01, copies=4), clustered=True) for n in (2, 3, 5)),
    Line("rows 4 times, lasting, as clusters", World(9, 3, 1_400, 0.0, own=1.0, copies=4), clustered=True),
    Line("rows 4 times, lasting, as rows", World(9, 3, 1_400, 0.0, own=1.0, copies=4)),
    *(
        Line("the last method collapses in a tenth of seeds", World(9, n, 2_000, 0.01, collapse=0.25))
        for n in (3, 5, 10)
    ),
)
AT_MARGIN = (
    *(Line("few rows, high accuracy", World(9, seeds, 80, 0.0, 0.99, shift=DELTA)) for seeds in (1, 3)),
    *(Line("high accuracy", World(9, 1, rows, 0.0, 0.99, shift=DELTA)) for rows in (350, 2_000)),
    Line("high accuracy, lasting", World(9, 3, 2_000, 0.0, 0.99, own=1.0, shift=DELTA)),
    *(Line("as the model", World(9, seeds, 2_000, 0.01, shift=DELTA)) for seeds in (3, 10)),
    Line("many seeds and rows", World(2, 10, 20_000, 0.01, shift=DELTA)),
    Line("many rows", World(9, 5, 8_000, 0.01, shift=DELTA)),
    Line("many methods", World(33, 3, 2_000, 0.01, shift=DELTA)),
    Line("heavy tails (t with 3 degrees of freedom)", World(9, 5, 8_000, 0.01, tails=3.0, shift=DELTA)),
    Line("rows 4 times, as clusters", World(9, 3, 8_000, 0.0, copies=4, shift=DELTA), clustered=True),
)
ACROSS = (
    Tasks("seeds spread alike", (World(2, 3, 1_500, 0.025),) * 3),
    Tasks("seeds spread alike", (World(2, 3, 1_500, 0.025),) * 8),
    Tasks(
        "sd 1, 2 and 4 points", tuple(World(2, 3, 350, sd) for sd in (0.01, 0.02, 0.04, 0.01, 0.02, 0.04, 0.01, 0.02))
    ),
    Tasks("one of three tasks spreads, 4 points", tuple(World(2, 3, 5_000, sd) for sd in (0.0, 0.0, 0.04))),
    Tasks("heavy tails (t with 3 degrees of freedom)", (World(2, 3, 1_500, 0.025, tails=3.0),) * 8),
    Tasks("two seeds, one of eight tasks spreads, 4 points", (World(2, 2, 5_000, 0.04), *(World(2, 2, 5_000),) * 7)),
)
HEADS = (
    (
        "all methods equally good",
        "methods",
        "seeds",
        "test rows",
        "seed sd (points)",
        "grids",
        "last against first, p < 0.05 %",
        "family-wise %, Holm",
        "family-wise %, all pairs",
        "family-wise %, looks after every seed",
        "family-wise %, planned looks",
        "",
    ),
    (
        f"all but the first worse by {points(DELTA)}",
        "methods",
        "seeds",
        "test rows",
        "seed sd (points)",
        "grids",
        "last method *equivalent* %",
        "any method *equivalent* %, Holm",
        "plain interval misses %",
        "any simultaneous interval misses %",
        "",
    ),
    (
        "two equal methods",
        "tasks",
        "seeds",
        "test rows",
        "mean gain misses %",
        f"the same, first of {FIRST_STEP} %",
        "",
    ),
)
INTRODUCTION = (
    "False verdicts on {grids:,} simulated grids per line, of large grids on a quarter as many. Unlike the model of "
    "the inference, correctness is a count: a Gaussian copula decides which rows a method gets right, so that means "
    "tie, variances depend on accuracy, and "
    "methods share what is hard. ±: Monte Carlo standard error. *TOO MANY*: a rate is above 5.5 %, beyond its Monte "
    "Carlo error. Three kinds of number must be so: repeated rows that are counted as rows; a training that collapses "
    "now and then, which no test can know (a report names such a seed); and looks after every seed, which are not "
    "marked."
)
TEXTS = (
    "All methods are equally good. *Last against first*: the last method, which differs from the others in some lines, "
    "against the first one, without correction. *Family-wise*: any false *better* or *worse* against the first method, "
    "or in any pair. *Looks after every seed*: from the third on, each at 5 %. *Planned looks*: those of "
    "`bench run --until-decided`. Both are simulated from 10 seeds on.",
    f"Every method is worse than the first by exactly {points(DELTA)}, the margin of *equivalent*, so each "
    "*equivalent* is false. One method alone should be so in at most 2.5 % of grids. Intervals miss where the true "
    "difference is outside of them; of 95 % intervals, at most 5 % should.",
    "The mean difference over tasks; its 95 % interval, and that at the first step of Holm over "
    f"{FIRST_STEP} methods (nominal {100 * 0.05 / FIRST_STEP:.2f} %).",
)


def calibrate_counts(reports: Path, say: Callable[[str], None], *, full: bool = False) -> Path:
    """Simulate, print and write `calibration-counts.md`."""
    grids = GRIDS[full]
    blocks = ["# Grids of counts, unlike the model", INTRODUCTION.format(grids=grids)]
    for text, lines in zip(TEXTS, (equal(grids), at_margin(grids), across(grids)), strict=True):
        said = []
        for line in lines:
            say(line)
            said.append(line)
        table = [line for line in said if line.startswith("|")]
        blocks += [text, "\n".join(table), *said[len(table) :]]
    path = reports / "calibration-counts.md"
    write_text(path, "\n\n".join(blocks) + "\n")
    return path


def equal(grids: int) -> Iterator[str]:
    """The lines of the first table, and its worst lines."""
    results = []
    yield from head(0)
    for line in LINES:
        results.append((line, count_rates(line, grids_of(line, grids))))
        yield counts_row(*results[-1], unlimited=("every_seed",))
    names = {
        "last": "last against first",
        "family": "family-wise against the first",
        "pairs": "family-wise over all pairs",
        "planned": "family-wise over planned looks",
        "every_seed": "over looks after every seed",
    }
    yield worst(results, names, unlimited=("every_seed",))


def at_margin(grids: int) -> Iterator[str]:
    """The lines of the second table, and its worst lines."""
    results = []
    yield from head(1)
    for line in AT_MARGIN:
        results.append((line, margin_rates(line, grids_of(line, grids))))
        yield counts_row(*results[-1])
    names = {
        "last": "one method *equivalent*",
        "family": "any method *equivalent*",
        "plain": "a plain interval misses",
        "simultaneous": "any simultaneous interval misses",
    }
    yield worst(results, names)


def across(grids: int) -> Iterator[str]:
    """The lines of the third table."""
    yield from head(2)
    for tasks in ACROSS:
        first, misses = tasks.worlds[0], mean_gain_misses(tasks, grids)
        rates = FaultRates(dict(zip(("plain", "corrected"), misses, strict=True)), grids)
        cells = [tasks.what, str(len(tasks.worlds)), str(first.seeds), f"{first.examples:,}", *spelt(rates, 2)]
        yield markdown_row([*cells, "TOO MANY" if above_limit(rates) else ""])


def grids_of(line: Line, grids: int) -> int:
    """The number of grids of a line."""
    world = line.world
    return grids if world.methods * world.seeds * world.examples <= LARGE else -(-grids // 4)


def head(place: int) -> tuple[str, str]:
    """The first two lines of a table."""
    columns = HEADS[place]
    return markdown_row(columns), "| --- " + "| ---: " * (len(columns) - 2) + "| --- |"


def counts_row(line: Line, rates: FaultRates, unlimited: Sequence[str] = ()) -> str:
    """One line of the first two tables."""
    world = line.world
    cells = [line.what, str(world.methods), str(world.seeds), f"{world.examples:,}", f"{100 * world.sd:g}"]
    cells.append(f"{rates.grids:,}")
    warning = "TOO MANY" if above_limit(rates, unlimited) else ""
    return markdown_row([*cells, *spelt(rates, 1), warning])


def spelt(rates: FaultRates, digits: int) -> list[str]:
    """The shares in per cent with their Monte Carlo errors; empty where one is not simulated."""
    return [
        "" if share is None else f"{100 * share:.{digits}f} ± {100 * rates.error(share):.{digits}f}"
        for share in rates.shares.values()
    ]


def above_limit(rates: FaultRates, unlimited: Sequence[str] = ()) -> bool:
    """Whether a rate is above the limit, beyond its Monte Carlo error; those named in `unlimited` may be."""
    return any(
        share is not None and share - 2 * rates.error(share) > HIGHEST
        for kind, share in rates.shares.items()
        if kind not in unlimited
    )


def worst(results: Sequence[tuple[Line, FaultRates]], names: dict[str, str], unlimited: Sequence[str] = ()) -> str:
    """The paragraph under a table: the worst line of each rate, of the lines that must keep to the limit."""
    known = [pair for pair in results if not any(word in pair[0].what for word in UNKNOWABLE)]
    left_out = len(known) < len(results)
    said = []
    for kind, name in names.items():
        line, rates = max(known, key=lambda pair: pair[1].shares[kind] or 0.0)
        share, world = rates.shares[kind] or 0.0, line.world
        where = f"{line.what}, {world.methods} methods, {world.seeds} seeds × {world.examples:,} rows"
        said.append(f"{name} {100 * share:.1f} ± {100 * rates.error(share):.1f} % ({where})")
    count = sum(above_limit(rates, unlimited) for _, rates in known)
    return (
        f"Worst lines{', without those of rows counted as rows and of collapses' if left_out else ''}: "
        f"{'; '.join(said)}. Above 5.5 % beyond the Monte Carlo error: {count} of {len(known)} lines."
    )
