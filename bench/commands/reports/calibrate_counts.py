"""`bench calibrate --counts`: simulates grids of counts unlike the model of the inference, and writes a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import CountRates, Line, count_rates
from bench.store.files import write_text

GRIDS = {False: 400, True: 2_000}
HIGHEST = 0.055
LINES = (
    *(Line("as the model", World(9, seeds, 2_000, 0.025)) for seeds in (2, 3, 5, 10, 20)),
    Line("few rows", World(9, 3, 80, 0.025)),
    Line("few rows, high accuracy", World(9, 3, 80, 0.0, 0.97)),
    Line("many rows", World(9, 3, 20_000, 0.04)),
    *(Line("ties", World(methods, seeds, 350, 0.035, 0.9)) for methods, seeds in ((9, 2), (33, 2), (33, 3))),
    *(Line("the last method spreads 4 times as much", World(9, n, 2_000, 0.01, spread=4.0)) for n in (3, 5)),
    *(Line("the last method spreads a quarter as much", World(9, n, 2_000, 0.04, spread=0.25)) for n in (3, 5)),
    *(Line("heavy tails (t with 3 degrees of freedom)", World(9, n, 2_000, 0.025, tails=3.0)) for n in (3, 5)),
    *(Line("rows 4 times, as clusters", World(9, n, 1_400, 0.01, copies=4), clustered=True) for n in (2, 3, 5)),
    Line("rows 4 times, lasting, as clusters", World(9, 3, 1_400, 0.0, own=1.0, copies=4), clustered=True),
    Line("rows 4 times, lasting, as rows", World(9, 3, 1_400, 0.0, own=1.0, copies=4)),
    *(
        Line("the last method collapses in a tenth of seeds", World(9, n, 2_000, 0.01, collapse=0.25))
        for n in (3, 5, 10)
    ),
)
HEAD = (
    "all methods equally good",
    "methods",
    "seeds",
    "test rows",
    "seed sd (points)",
    "last against first, p < 0.05 %",
    "family-wise %, Holm",
    "family-wise %, all pairs",
    "",
)
INTRODUCTION = (
    "False verdicts on {grids:,} simulated grids per line, in which all methods are equally good. Unlike the model "
    "of the inference, correctness is a count: a Gaussian copula decides which rows a method gets right, so that "
    "means tie, variances depend on accuracy, and methods share what is hard. *Last against first*: the last method, "
    "which differs from the others in some lines, against the first one, without correction. *Family-wise*: any false "
    "*better* or *worse* against the first method, or in any pair. ±: Monte Carlo standard error. *TOO MANY*: a rate "
    "is above 5.5 %, beyond its Monte Carlo error. Two kinds of line must be so: repeated rows that are counted as "
    "rows, and a training that collapses now and then, which no test can know; a report names such a seed."
)


def calibrate_counts(reports: Path, say: Callable[[str], None], *, full: bool = False) -> Path:
    """Simulate, print and write `calibration-counts.md`."""
    lines = ["| " + " | ".join(HEAD) + " |", "| --- " + "| ---: " * (len(HEAD) - 2) + "| --- |"]
    for text in lines:
        say(text)
    results = []
    for line in LINES:
        results.append((line, count_rates(line, GRIDS[full])))
        lines.append(counts_row(*results[-1]))
        say(lines[-1])
    last = worst(results)
    say(last)
    path = reports / "calibration-counts.md"
    blocks = ["# Grids of counts, unlike the model", INTRODUCTION.format(grids=GRIDS[full]), "\n".join(lines), last]
    write_text(path, "\n\n".join(blocks) + "\n")
    return path


def counts_row(line: Line, rates: CountRates) -> str:
    """One line of the table."""
    world = line.world
    shares = [f"{100 * share:.1f} ± {100 * rates.error(share):.1f}" for share in rates[:3]]
    cells = [line.what, str(world.methods), str(world.seeds), f"{world.examples:,}", f"{100 * world.sd:g}", *shares]
    return "| " + " | ".join([*cells, "TOO MANY" if above_limit(rates) else ""]) + " |"


def above_limit(rates: CountRates) -> bool:
    """Whether a rate is above the limit, beyond its Monte Carlo error."""
    return any(share - 2 * rates.error(share) > HIGHEST for share in rates[:3])


def worst(results: Sequence[tuple[Line, CountRates]]) -> str:
    """The paragraph under the table: the worst line of each rate, and of those that must keep to the limit."""
    known = [pair for pair in results if "collapses" not in pair[0].what and "as rows" not in pair[0].what]
    names = ("last against first", "family-wise against the first", "family-wise over all pairs")
    said = []
    for place, name in enumerate(names):
        line, rates = max(known, key=lambda pair: pair[1][place])
        share = rates[place]
        where = f"{line.what}, {line.world.methods} methods, {line.world.seeds} seeds × {line.world.examples:,} rows"
        said.append(f"{name} {100 * share:.1f} ± {100 * rates.error(share):.1f} % ({where})")
    count = sum(above_limit(rates) for _, rates in known)
    return (
        f"Worst lines, without those of rows counted as rows and of collapses: {'; '.join(said)}. Above 5.5 % beyond "
        f"the Monte Carlo error: {count} of {len(known)} lines."
    )
