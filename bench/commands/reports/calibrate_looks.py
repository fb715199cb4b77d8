"""`bench calibrate --looks`: simulates what reading verdicts more than once costs and saves, and writes a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.leaderboard.formats.prose import markdown_row
from bench.stats.calibration import Design
from bench.stats.calibration_looks import COMPARED, DIFFER, LookRates, look_rates
from bench.stats.looks import planned_looks
from bench.store.files import write_text

GRIDS = {False: 4_000, True: 10_000}
SDS = (0.0, 0.01, 0.025, 0.04)
ROWS = (350, 2_000, 20_000)
MOST = (5, 10, 20)  # largest numbers of seeds
HIGHEST = 0.055
HEAD = (
    "most seeds",
    "test rows",
    "seed sd (points)",
    "family-wise %, looks after every seed",
    "family-wise %, planned looks",
    "the same, half of the methods differ",
    "power %, one look at the end",
    "power %, planned looks",
    "seeds used",
    "cells saved %",
    "",
)
INTRODUCTION = (
    "What it costs to read verdicts more than once, measured on {grids:,} simulated grids per line. Each has {methods} "
    "methods and a baseline; seeds, test examples and their interaction have Gaussian effects. *Family-wise*: at least "
    "one false *better* or *worse* in the family at any look, after Holm's correction, nominal 5 %. *Looks after every "
    "seed*: at 5 % after each seed from the third on. *Planned looks*: those of `bench run --until-decided`, {looks}, "
    "each with its share of the 5 %. *Power*, *seeds used* and *cells saved* are for grids in which {differ} of the "
    "methods differ from the baseline by {sizes} standard errors of the difference at all seeds (first and second "
    "number); seeds used are those of the methods that differ, cells saved those of the whole grid. Methods found "
    "equivalent stop early too, which is not counted here. ±: Monte Carlo standard error. *TOO MANY*: a rate of "
    "planned looks is above 5.5 %, beyond its Monte Carlo error."
)


def calibrate_looks(reports: Path, say: Callable[[str], None], *, full: bool = False) -> Path:
    """Simulate, print and write `calibration-looks.md`."""
    lines = [markdown_row(HEAD), "| " + " | ".join("---:" for _ in HEAD[:-1]) + " | --- |"]
    for line in lines:
        say(line)
    results = []
    for design in (Design(most, rows, sd) for most in MOST for sd in SDS for rows in ROWS):
        results.append((design, look_rates(design, GRIDS[full])))
        lines.append(table_row(*results[-1]))
        say(lines[-1])
    last = summary_of(results)
    say(last)
    looks = "; ".join(f"{', '.join(map(str, planned_looks(most)))} of {most} seeds" for most in MOST)
    text = INTRODUCTION.format(grids=GRIDS[full], methods=COMPARED, differ=DIFFER, looks=f"at {looks}", sizes="4 and 6")
    path = reports / "calibration-looks.md"
    write_text(path, "\n\n".join(["# Looking more than once", text, "\n".join(lines), last]) + "\n")
    return path


def table_row(design: Design, measured: LookRates) -> str:
    """One line of the table."""
    families = (measured.unplanned, measured.planned, measured.beside_true)
    sizes = tuple(measured.power)
    cells = [
        str(design.seeds),
        f"{design.examples:,}",
        f"{100 * design.sd:g}",
        *(f"{100 * share:.2f} ± {100 * measured.error(share):.2f}" for share in families),
        " / ".join(f"{100 * measured.fixed_power[size]:.1f}" for size in sizes),
        " / ".join(f"{100 * measured.power[size]:.1f}" for size in sizes),
        " / ".join(f"{measured.seeds[size]:.1f}" for size in sizes),
        " / ".join(f"{100 * measured.saved[size]:.0f}" for size in sizes),
        "TOO MANY" if any(too_many(measured, share) for share in families[1:]) else "",
    ]
    return markdown_row(cells)


def too_many(measured: LookRates, share: float) -> bool:
    """Whether a rate is above what is promised, beyond its Monte Carlo error."""
    return share - 2 * measured.error(share) > HIGHEST


def summary_of(results: Sequence[tuple[Design, LookRates]]) -> str:
    """The paragraph under the table: the worst lines, and the power that looks lose, by the largest number of seeds."""
    unplanned = max(rates.unplanned for _, rates in results)
    worst = max((rates for _, rates in results), key=lambda rates: max(rates.planned, rates.beside_true))
    rate = max(worst.planned, worst.beside_true)
    lost = [
        f"{100 * max(fixed - rates.power[size] for rates in found for size, fixed in rates.fixed_power.items()):.1f} "
        f"points of power with at most {most} seeds"
        for most in dict.fromkeys(design.seeds for design, _ in results)
        if (found := [rates for design, rates in results if design.seeds == most])
    ]
    return (
        f"Worst lines: {100 * rate:.2f} % (± {100 * worst.error(rate):.2f}) of families have a false verdict over all "
        f"planned looks, {100 * unplanned:.1f} % over unplanned looks after every seed. Against one look at the end, "
        f"planned looks lose at most {', '.join(lost)}."
    )
