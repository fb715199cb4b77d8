"""The figures of a report. A new figure is one entry in `FIGURES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.leaderboard.figures.forest import all_gains, gains
from bench.leaderboard.figures.seeds import dots, heat
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.figures.training import curves
from bench.leaderboard.table import Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"


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
    Entry("gains", "Differences to the baseline; grey band: too small to care about", gains),
    Entry("seeds", "Accuracy of each seed", dots),
    Entry("pairs", "Every method against every other (Holm over all pairs, exploratory)", heat),
    Entry("curves", "Training loss and effective sample size (share of a batch)", curves),
)
OVERVIEW = "Differences to the baseline on every task"


def draw(table: Table) -> tuple[Drawn, ...]:
    """All figures of a report."""
    with styled():
        return tuple(drawn(table))


def drawn(table: Table) -> Iterator[Drawn]:
    """The overview, then each section's figures."""
    if (made := all_gains(table)) is not None:
        yield Drawn(None, "all-gains", OVERVIEW, *render(made))
    for place, (section, slug) in enumerate(zip(table.sections, slugs(table), strict=True)):
        for entry in FIGURES:
            if (made := entry.draw(section, table.delta)) is not None:
                yield Drawn(place, f"{slug}-{entry.key}", entry.caption, *render(made))


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
