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
from bench.leaderboard.figures.findings import gains_found, overview_found, pairs_found, ranks_found, seeds_found
from bench.leaderboard.figures.forest import all_gains, gains
from bench.leaderboard.figures.ranks import ranks
from bench.leaderboard.figures.seeds import dots, heat
from bench.leaderboard.figures.stress import stress
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.figures.training import curves
from bench.leaderboard.figures.weights import agreements, lens
from bench.leaderboard.results import Report, Section
from bench.processes import pool

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"
MANY = 4  # number of sections from which several processes draw


@dataclass(frozen=True)
class Entry:
    """A figure of each section: `draw(section, delta)` returns it, or None if there is nothing to show.

    `finding(section)`: what it shows, in words.
    """

    key: str
    caption: str
    draw: Callable[[Section, float], Figure | None]
    finding: Callable[[Section], str] = lambda section: ""


@dataclass(frozen=True)
class FigureFiles:
    """A figure as SVG and PNG. `section`: the place of its section in the report, None for one of the whole report."""

    section: int | None
    name: str
    caption: str
    svg: bytes
    png: bytes
    finding: str = ""

    @property
    def alt(self) -> str:
        """The text for readers who do not see the figure: what it is, and what it shows."""
        return f"{self.caption}: {self.finding}" if self.finding else self.caption


FIGURES: tuple[Entry, ...] = (
    Entry(
        "gains",
        "Difference of accuracy to the baseline. Verdicts are corrected over the core methods, and so are intervals "
        "that are called simultaneous; methods marked † are not. Grey band: differences too small to matter",
        gains,
        gains_found,
    ),
    Entry("seeds", "Accuracy of each method by seed", dots, seeds_found),
    Entry(
        "pairs",
        "Every method compared with every other; the verdicts ▲ and ▼ are corrected over all pairs",
        heat,
        pairs_found,
    ),
    Entry("curves", "Training loss and effective sample size (ESS, share of a batch) by update", curves),
    Entry("weights", "Weight of generated rows by the probability of their label, all seeds together", lens),
    Entry(
        "agreement",
        "How much methods agree on which rows get more weight: rank correlation, mean over seeds",
        agreements,
    ),
)
OVERVIEW = "Difference of accuracy to the baseline in every section, with 95 % intervals"
STRESS = "Accuracy along an axis of stress, and difference to the baseline, with 95 % intervals"
RANKS = "Mean rank of each method over tasks, with the critical difference of Nemenyi's test"


def draw(report: Report) -> tuple[FigureFiles, ...]:
    """All figures: overviews, then those of each section. Several processes draw `MANY` sections or more."""
    arguments = [
        (section, place, slug, report.rules.delta)
        for place, (section, slug) in enumerate(zip(report.sections, slugs(report), strict=True))
    ]
    if len(arguments) < MANY:
        return (*overviews(report), *itertools.chain.from_iterable(itertools.starmap(of_section, arguments)))
    with pool(len(arguments)) as processes:
        futures = [processes.submit(of_section, *one) for one in arguments]
        return (*overviews(report), *itertools.chain.from_iterable(figures.result() for figures in futures))


def overviews(report: Report) -> list[FigureFiles]:
    """The figures of the whole report."""
    overview = []
    with styled():
        if (figure := all_gains(report)) is not None:
            overview.append(FigureFiles(None, "all-gains", OVERVIEW, *render(figure), overview_found(report)))
        for place, group in enumerate(overall(report.sections), 1):
            if (figure := ranks(group)) is not None:
                overview.append(FigureFiles(None, f"ranks-{place}", RANKS, *render(figure), ranks_found(group)))
        for place, curve in enumerate(curves_of_stress(report), 1):
            figure = stress(curve, report.rules.baseline)
            overview.append(FigureFiles(None, f"stress-{curve.axis}-{place}", STRESS, *render(figure)))
    return overview


def of_section(section: Section, place: int, slug: str, delta: float) -> list[FigureFiles]:
    """The figures of one section."""
    with styled():
        return [
            FigureFiles(place, f"{slug}-{entry.key}", entry.caption, *render(figure), entry.finding(section))
            for entry in FIGURES
            if (figure := entry.draw(section, delta)) is not None
        ]


def slugs(report: Report) -> list[str]:
    """A file name per section; further sections of the same task and source get a number."""
    names: list[str] = []
    for section in report.sections:
        plain = re.sub(r"[^a-z0-9.]+", "-", f"{section.spec['task_ref']}-{section.spec['source']}".lower()).strip("-.")
        same = sum(re.fullmatch(rf"{re.escape(plain)}(-\d+)?", name) is not None for name in names)
        names.append(plain if not same else f"{plain}-{same + 1}")
    return names


def files(figures: tuple[FigureFiles, ...]) -> dict[Path, bytes]:
    """Paths relative to the report's folder, and contents."""
    return {
        Path(FOLDER, f"{figure.name}.{kind}"): content
        for figure in figures
        for kind, content in (("svg", figure.svg), ("png", figure.png))
    }
