"""The figures of a report. A new figure is one entry in `FIGURES`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.extra_tables.stress import curves as curves_of_stress
from bench.leaderboard.figures.forest import all_gains, gains
from bench.leaderboard.figures.ranks import ranks
from bench.leaderboard.figures.seeds import dots, heat
from bench.leaderboard.figures.stress import stress
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.figures.training import curves
from bench.leaderboard.figures.weights import agreements, lens
from bench.leaderboard.results import Section, Table
from bench.processes import pool

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"
MANY = 4  # sections that are worth the start of processes


@dataclass(frozen=True)
class Entry:
    """A figure of each section: `draw(section, delta)` gives None where there is nothing to show."""

    key: str
    caption: str
    draw: Callable[[Section, float], Figure | None]


@dataclass(frozen=True)
class Drawn:
    """A figure as files; `section` is its place in the table, None for a figure of the whole table."""

    section: int | None
    name: str
    caption: str
    svg: bytes
    png: bytes


FIGURES: tuple[Entry, ...] = (
    Entry(
        "gains",
        "Differences to the baseline; better and worse are corrected over the core methods, intervals and methods with "
        "† are not; grey band: too small to care about",
        gains,
    ),
    Entry("seeds", "Accuracy of each seed", dots),
    Entry("pairs", "Every method against every other; ▲ and ▼ are corrected over all pairs", heat),
    Entry("curves", "Training loss and effective sample size (share of a batch)", curves),
    Entry("weights", "Weights of generated rows against probabilities of their labels, pooled over seeds", lens),
    Entry("agreement", "How far methods agree on which rows weigh more: rank correlation, mean over seeds", agreements),
)
OVERVIEW = "Differences to the baseline on every task, with 95 % intervals"
STRESS = "Accuracy along an axis of stress and difference to the baseline, with 95 % bands"
RANKS = "Mean ranks over tasks, with the critical difference of Nemenyi's test"


def draw(table: Table) -> tuple[Drawn, ...]:
    """All figures of a report: the overviews, then each section's. From `MANY` sections on, in several processes."""
    parts = [
        (section, place, slug, table.rules.delta)
        for place, (section, slug) in enumerate(zip(table.sections, slugs(table), strict=True))
    ]
    if len(parts) < MANY:
        return (*overviews(table), *itertools.chain.from_iterable(itertools.starmap(of_section, parts)))
    with pool(len(parts)) as processes:
        drawn = [processes.submit(of_section, *part) for part in parts]
        return (*overviews(table), *itertools.chain.from_iterable(one.result() for one in drawn))


def overviews(table: Table) -> list[Drawn]:
    """The figures of the whole table."""
    found = []
    with styled():
        if (made := all_gains(table)) is not None:
            found.append(Drawn(None, "all-gains", OVERVIEW, *render(made)))
        for place, group in enumerate(overall(table.sections), 1):
            if (made := ranks(group)) is not None:
                found.append(Drawn(None, f"ranks-{place}", RANKS, *render(made)))
        for place, curve in enumerate(curves_of_stress(table), 1):
            made = stress(curve, table.rules.baseline)
            found.append(Drawn(None, f"stress-{curve.axis}-{place}", STRESS, *render(made)))
    return found


def of_section(section: Section, place: int, slug: str, delta: float) -> list[Drawn]:
    """The figures of one section."""
    with styled():
        return [
            Drawn(place, f"{slug}-{entry.key}", entry.caption, *render(made))
            for entry in FIGURES
            if (made := entry.draw(section, delta)) is not None
        ]


def slugs(table: Table) -> list[str]:
    """A file name per section, numbered from the second of a kind on."""
    found: list[str] = []
    for section in table.sections:
        plain = re.sub(r"[^a-z0-9.]+", "-", f"{section.spec['task_ref']}-{section.spec['source']}".lower()).strip("-.")
        same = sum(re.fullmatch(rf"{re.escape(plain)}(-\d+)?", name) is not None for name in found)
        found.append(plain if not same else f"{plain}-{same + 1}")
    return found


def files(figures: tuple[Drawn, ...]) -> dict[Path, bytes]:
    """Paths relative to the reports' folder, and contents."""
    return {
        Path(FOLDER, f"{figure.name}.{kind}"): content
        for figure in figures
        for kind, content in (("svg", figure.svg), ("png", figure.png))
    }
