"""The figures of a report. A new figure is one entry in `FIGURES`."""

from __future__ import annotations

import contextlib
import gc
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.extra_tables.stress import curves as curves_of_stress
from bench.leaderboard.figures.findings import gains_found, overview_found, pairs_found, ranks_found, seeds_found
from bench.leaderboard.figures.forest import all_gains, differences, gains, panels_of
from bench.leaderboard.figures.ranks import ranks
from bench.leaderboard.figures.reuse import Drawn, Files, key_of, key_of_all
from bench.leaderboard.figures.seeds import dots, heat
from bench.leaderboard.figures.stress import stress
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.figures.training import curves
from bench.leaderboard.figures.weights import agreements, lens
from bench.leaderboard.results import Report, Section
from bench.leaderboard.rules import Rules
from bench.processes import Here, cores, pool

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Spec = Mapping[str, Any]  # a section of a manifest
FOLDER = "figures"
LONGEST = 120  # characters of a text that names files; file systems allow 255
NO_ROWS = np.zeros(0, np.int64)
MANY = 3  # number of sections to draw from which several processes do: with fewer, starting them takes longer


@dataclass(frozen=True)
class Entry:
    """A figure of each section: `draw(section)` returns it, or None if there is nothing to show.

    `finding(section)`: what it shows, in words.
    """

    key: str
    caption: str
    draw: Callable[[Section], Figure | None]
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
    kind: str = ""  # the key of its entry in `FIGURES`, or its name if it is of the whole report
    key: str = ""  # what it was drawn from, see `bench.leaderboard.figures.reuse`

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
OVERVIEW = "Difference of accuracy to the baseline {sections}, with {intervals} intervals"
STRESS = "Accuracy along an axis of stress, and difference to the baseline, with 95 % intervals"
RANKS = (
    "Mean rank of each method over tasks, with the critical difference of Nemenyi's test, for methods that spread alike"
)


@dataclass(frozen=True)
class Overview:
    """A figure of the whole report that is to be drawn; `finding`: what it shows, in words."""

    name: str
    caption: str
    draw: Callable[[], Figure | None]
    finding: str = ""


class Drawing:
    """The figures of a report, which processes draw while the rest of it is made.

    A section is added once its methods are compared; the figures of the whole report follow the last one. Those of the
    folder `earlier` that were drawn from the same content are not drawn again. `processes`: a pool that draws at once;
    without one, `drawn` does, with a pool of its own where much is new.
    """

    def __init__(
        self, specs: Sequence[Spec], rules: Rules, earlier: Path | None = None, processes: Executor | None = None
    ) -> None:
        self.rules, self.earlier, self.known, self.slugs = rules, earlier, Drawn(earlier), slugs(specs)
        self.processes = None if isinstance(processes, Here) else processes
        self.threads = ThreadPoolExecutor(cores())  # each waits for a process, also until it has started
        self.sections: list[Section] = []
        self.keys: list[str] = []
        self.jobs: list[Callable[[], list[FigureFiles]] | Future[list[FigureFiles]]] = []

    def add(self, section: Section) -> None:
        """Draw the next section of the report."""
        place, key, slim = len(self.sections), key_of(section), lean(section)
        self.sections.append(slim)
        self.keys.append(key)
        self.begin(key, of_section, slim, place, self.slugs[place])
        if len(self.sections) == len(self.slugs):
            whole = key_of_all(self.keys, self.rules)
            for one in overviews(self.sections, self.rules):
                self.begin(whole, of_report, one)

    def begin(self, key: str, call: Callable[..., list[FigureFiles]], *arguments: Any) -> None:
        """Draw the figures with a key, unless the earlier report has them."""
        known = self.known.files(key)
        job = partial(call, *arguments, key, known)
        if known is not None:
            self.jobs.append(Here().submit(job))
        elif self.processes is not None:
            self.jobs.append(self.threads.submit(done_by, self.processes, job))
        else:
            self.jobs.append(job)

    def drawn(self) -> tuple[FigureFiles, ...]:
        """Wait for all figures: those of the whole report, then those of each section."""
        left = sum(not isinstance(job, Future) for job in self.jobs)
        with pool(left) if left > MANY else contextlib.nullcontext(Here()) as executor:
            futures = [job if isinstance(job, Future) else executor.submit(job) for job in self.jobs]
        own = len(self.slugs)
        return tuple(figure for future in (*futures[own:], *futures[:own]) for figure in future.result())


def done_by(processes: Executor, job: Callable[[], list[FigureFiles]]) -> list[FigureFiles]:
    """The result of a job that a pool does."""
    return processes.submit(job).result()


def draw(report: Report) -> tuple[FigureFiles, ...]:
    """All figures of a report that is made, see `Drawing`."""
    drawing = Drawing([section.spec for section in report.sections], report.rules)
    for section in report.sections:
        drawing.add(section)
    return drawing.drawn()


def lean(section: Section) -> Section:
    """A section without what no figure reads, test rows and predictions, so that processes get little."""
    rows = (
        replace(row, cells={seed: replace(cell, predictions=NO_ROWS) for seed, cell in row.cells.items()})
        for row in section.rows
    )
    return replace(section, test=None, rows=tuple(rows))


def overviews(sections: Sequence[Section], rules: Rules) -> list[Overview]:
    """The figures of the whole report."""
    gains = partial(all_gains, sections, rules)
    figures = [Overview("all-gains", overview_caption(sections, rules), gains, overview_found(sections))]
    for place, group in enumerate(overall(sections), 1):
        figures.append(Overview(f"ranks-{place}", RANKS, partial(ranks, group), ranks_found(group)))
    for place, curve in enumerate(curves_of_stress(sections), 1):
        figures.append(Overview(f"stress-{curve.axis}-{place}", STRESS, partial(stress, curve, rules.baseline)))
    return figures


def of_report(one: Overview, key: str = "", known: Files | None = None) -> list[FigureFiles]:
    """A figure of the whole report; `known` are those of an earlier one with the same key."""
    files = drawn_or_known(one.name, one.draw, known)
    return [] if files is None else [FigureFiles(None, one.name, one.caption, *files, one.finding, one.name, key)]


def overview_caption(sections: Sequence[Section], rules: Rules) -> str:
    """What the figure of all sections shows; how many it leaves out."""
    shown, of = len(panels_of(sections)), sum(bool(differences(section)) for section in sections)
    some = (
        "in every section" if shown == of else f"in the first {shown} of {of} sections (each has a figure of its own)"
    )
    return OVERVIEW.format(sections=some, intervals=rules.kind_of_interval)


def of_section(section: Section, place: int, slug: str, key: str = "", known: Files | None = None) -> list[FigureFiles]:
    """The figures of one section; `known` are those of an earlier report with the same key."""
    return [
        FigureFiles(place, f"{slug}-{entry.key}", entry.caption, *files, entry.finding(section), entry.key, key)
        for entry in FIGURES
        if (files := drawn_or_known(entry.key, partial(entry.draw, section), known)) is not None
    ]


def drawn_or_known(kind: str, draw_one: Callable[[], Figure | None], known: Files | None) -> tuple[bytes, bytes] | None:
    """A figure as SVG and PNG: drawn, or that of an earlier report; None if there is nothing to show."""
    if known is not None:
        return known.get(kind)
    gc.freeze()  # else each collection, and drawing needs many, goes through the whole report
    try:
        with styled():  # imports the libraries: only where something is drawn
            figure = draw_one()
            return None if figure is None else render(figure)
    finally:
        gc.unfreeze()


def slugs(specs: Iterable[Spec]) -> list[str]:
    """A file name per section, by its entry in the manifest; further ones of the same task and source get a number."""
    return distinct_slugs(f"{spec['task_ref']}-{spec['source']}" for spec in specs)


def distinct_slugs(texts: Iterable[str], before: str = "") -> list[str]:
    """Each text in lower-case letters, digits, dots and hyphens, after `before`; equal ones get a number."""
    names: list[str] = []
    for text in texts:
        plain = before + re.sub(r"[^a-z0-9.]+", "-", text.lower()[:LONGEST]).strip("-.")
        numbered = (plain if count == 1 else f"{plain}-{count}" for count in itertools.count(1))
        names.append(next(name for name in numbered if name not in names))
    return names


def files(figures: tuple[FigureFiles, ...]) -> dict[Path, bytes]:
    """Paths relative to the report's folder, and contents."""
    return {
        Path(FOLDER, f"{figure.name}.{kind}"): content
        for figure in figures
        for kind, content in (("svg", figure.svg), ("png", figure.png))
    }
