"""The live table of a run on a terminal: a row per task and method, and a line with what is left.

It never grows beyond the screen: of a long grid it shows the rows in which something happens.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.execution.progress import Progress, Row

REFRESHES = 2  # per second; each takes time from the workers
AROUND = 6  # lines of the screen that are not rows: head, foot and the line of the shell
WIDE = 78  # columns from which every state has one of its own
STYLES = {"done": "green", "cached": "dim", "running": "cyan", "failed": "red", "blocked": "yellow", "waiting": "dim"}


@contextlib.contextmanager
def table(progress: Progress, console: Console | None = None) -> Iterator[None]:
    """Show the run's table while the body runs; what the run says meanwhile is printed above it."""
    console = console or Console()
    before, progress.say, progress.lines = progress.say, lambda line: console.print(Text(line)), False
    try:
        with Live(
            console=console,
            get_renderable=lambda: screen(progress, console.size.width, console.size.height),
            refresh_per_second=REFRESHES,
        ):
            yield
    finally:
        progress.say, progress.lines = before, True


def screen(progress: Progress, width: int, height: int) -> Group:
    """What stands on a screen of so many columns and lines."""
    rows = progress.rows()
    shown = visible(rows, max(1, height - AROUND))
    made = wide(shown) if width >= WIDE else narrow(shown)
    lines = [Text(f" {footer(progress, rows)}")]
    if len(shown) < len(rows):
        lines.insert(0, Text(f" {len(rows) - len(shown)} more rows: {told(hidden(rows, shown))}", "dim"))
    for line in lines:
        line.truncate(width - len("^C "), overflow="ellipsis")  # what the terminal echoes must not begin a line
    return Group(made, *lines)


def wide(rows: list[Row]) -> Table:
    """A column per state."""
    made = frame()
    for word, style in STYLES.items():
        made.add_column(word, justify="right", style=style, no_wrap=True)
    made.add_column("accuracy", justify="right", no_wrap=True)
    for row in rows:
        made.add_row(Text(row.task), Text(row.label), *(str(row.counts[word] or "") for word in STYLES), percent(row))
    return made


def narrow(rows: list[Row]) -> Table:
    """One column for what is there of all, and what went wrong."""
    made = frame()
    made.add_column("cells", no_wrap=True)
    made.add_column("acc.", justify="right", no_wrap=True)
    for row in rows:
        cells = Text(f"{row.there}/{row.cells}")
        if lost := row.counts["failed"] + row.counts["blocked"]:
            cells.append(f" {lost} lost", STYLES["failed"])
        elif row.counts["running"]:
            cells.append(f" +{row.counts['running']}", STYLES["running"])
        made.add_row(Text(row.task), Text(row.label), cells, percent(row))
    return made


def frame() -> Table:
    """A table with the names of the rows, which are cut where there is no room; texts are never read as markup."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    made.add_column("task", no_wrap=True, overflow="ellipsis")
    made.add_column("method", no_wrap=True, overflow="ellipsis")
    return made


def percent(row: Row) -> str:
    """The mean accuracy so far."""
    return "" if row.accuracy is None else f"{100 * row.accuracy:.1f}"


def visible(rows: list[Row], most: int) -> list[Row]:
    """At most so many rows in their order: those at work or in trouble first, then those not begun, then the rest."""

    def rank(index: int) -> tuple[int, int]:
        counts = rows[index].counts
        words = ("running", "failed", "blocked", "waiting")
        return next((i for i, word in enumerate(words) if counts[word]), len(words)), index

    return [rows[i] for i in sorted(sorted(range(len(rows)), key=rank)[:most])]


def hidden(rows: list[Row], shown: list[Row]) -> Counter[str]:
    """Cells by state of the rows that are not shown."""
    return total(rows) - total(shown)


def total(rows: list[Row]) -> Counter[str]:
    """Cells by state."""
    return sum((row.counts for row in rows), Counter[str]())


def told(counts: Counter[str]) -> str:
    """Counts in words."""
    return ", ".join(f"{counts[word]} {word}" for word in STYLES if counts[word])


def footer(progress: Progress, rows: list[Row]) -> str:
    """All cells, what is built for them, and the time left."""
    if progress.queue.closed:
        return progress.closing()
    queue, cells = progress.queue, progress.plan.cells
    open_ = [i for i, found in queue.states.items() if found not in ("done", "failed", "blocked")]
    others = sum(identity not in cells for identity in open_)
    first = f"; first {others} checkers and artefacts ({progress.running()} running)" if others else ""
    left = f"; {progress.left()}; Ctrl-C finishes what runs" if open_ else ""
    return f"{len(cells)} cells: {told(total(rows))}{first}{left}"
