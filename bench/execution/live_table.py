"""The live table of a run on a terminal: a row per task and method, and a line with the time left.

It never grows beyond the screen: of a long grid it shows the rows with running or failed cells.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.execution.counts import MethodCounts
from bench.execution.progress import Progress
from bench.execution.queue import SETTLED
from tasks.errors import plural, printable

REFRESHES = 2  # per second; each takes time from the workers
AROUND = 8  # lines of the screen that are not rows: head, bar, foot and the shell's prompt
BAR = 40  # characters of the bar, at most
WIDE = 78  # characters from which each state gets a column of its own
STYLES = {
    "done": "green",
    "done before": "dim",
    "running": "cyan",
    "failed": "red",
    "blocked": "yellow",
    "waiting": "dim",
}


@contextlib.contextmanager
def table(progress: Progress, console: Console | None = None) -> Iterator[None]:
    """Show the run's table while the body runs; lines that the run prints appear above it."""
    console = console or Console()
    before, progress.say, progress.lines = progress.say, lambda line: console.print(Text(printable(line))), False
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
    """The table and its last lines, for a screen of `width` characters and `height` lines."""
    rows = progress.grid.rows()
    visible_rows = visible(rows, max(1, height - AROUND))
    grid = wide(visible_rows) if width >= WIDE else narrow(visible_rows)
    lines = [Text(f" {footer(progress, rows)}")]
    if progress.nodes:
        lines.insert(0, Text(f" {on_nodes(progress.nodes)}", "dim"))
    if len(visible_rows) < len(rows):
        more = plural(len(rows) - len(visible_rows), "more row")
        lines.insert(0, Text(f" {more}: {in_words(total(rows) - total(visible_rows))}", "dim"))
    for line in lines:
        # Terminals echo "^C" after the last line; without room for it they would begin another line.
        line.truncate(width - len("^C "), overflow="ellipsis")
    return Group(grid, bar(progress, width), *lines)


def bar(progress: Progress, width: int) -> Table:
    """The share of all jobs that have ended, the checkers and precomputed tables included, as a bar and in words."""
    states = progress.queue.states.values()
    ended = sum(state in SETTLED for state in states)
    words = f"{100 * ended // max(1, len(states))} % of {plural(len(states), 'job')}"
    line = Table.grid(padding=(0, 1))
    room = min(BAR, width - len(words) - 3)
    drawn = [ProgressBar(total=max(1, len(states)), completed=ended, width=room)] if room > 0 else []
    for _ in (*drawn, words):
        line.add_column(no_wrap=True)
    line.add_row(*drawn, Text(words))
    return line


def wide(rows: list[MethodCounts]) -> Table:
    """A column per state."""
    grid = frame()
    for word, style in STYLES.items():
        grid.add_column(word, justify="right", style=style, no_wrap=True)
    grid.add_column("accuracy", justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(
            Text(printable(row.task)),
            Text(printable(row.label)),
            *(str(row.counts[word] or "") for word in STYLES),
            percent(row),
        )
    return grid


def narrow(rows: list[MethodCounts]) -> Table:
    """One column with the finished cells of all, and how many failed, are blocked or running."""
    grid = frame()
    grid.add_column("cells", no_wrap=True)
    grid.add_column("acc.", justify="right", no_wrap=True)
    for row in rows:
        cells = Text(f"{row.finished}/{row.cells}")
        if failed := row.counts["failed"] + row.counts["blocked"]:
            cells.append(f" {failed} failed", STYLES["failed"])
        elif row.counts["running"]:
            cells.append(f" +{row.counts['running']}", STYLES["running"])
        grid.add_row(Text(printable(row.task)), Text(printable(row.label)), cells, percent(row))
    return grid


def frame() -> Table:
    """A table with columns for the task and the method; long names are cut. Brackets in names are not markup."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    grid.add_column("task", no_wrap=True, overflow="ellipsis")
    grid.add_column("method", no_wrap=True, overflow="ellipsis")
    return grid


def percent(row: MethodCounts) -> str:
    """The mean accuracy of the finished cells in percent, empty without any."""
    return "" if row.accuracy is None else f"{100 * row.accuracy:.1f}"


def visible(rows: list[MethodCounts], most: int) -> list[MethodCounts]:
    """At most `most` rows in their order, chosen by state: running, failed, blocked, waiting, then finished."""

    def rank(index: int) -> tuple[int, int]:
        counts = rows[index].counts
        words = ("running", "failed", "blocked", "waiting")
        return next((i for i, word in enumerate(words) if counts[word]), len(words)), index

    return [rows[i] for i in sorted(sorted(range(len(rows)), key=rank)[:most])]


def total(rows: list[MethodCounts]) -> Counter[str]:
    """Cells by state."""
    return sum((row.counts for row in rows), Counter[str]())


def in_words(counts: Counter[str]) -> str:
    """Cells by state as a phrase: `3 done, 1 running`."""
    return ", ".join(f"{counts[word]} {word}" for word in STYLES if counts[word])


def on_nodes(nodes: Mapping[str, int]) -> str:
    """The jobs that run on each machine: `node-a 4 running, node-b 0 running`."""
    return "nodes: " + ", ".join(f"{name} {running} running" for name, running in sorted(nodes.items()))


def footer(progress: Progress, rows: list[MethodCounts]) -> str:
    """The number of cells, the checkers and precomputed tables that come first, and the time left."""
    if progress.queue.closed:
        return progress.closing()
    parts = [f"{plural(len(progress.plan.cells), 'cell')}: {in_words(total(rows))}"]
    if others := progress.grid.others_left:
        parts.append(f"{plural(others, 'job')} to prepare them ({progress.queue.running} running)")
    if progress.queue.open:
        parts += [progress.left(), "Ctrl-C finishes running jobs"]
    return "; ".join(part for part in parts if part)
