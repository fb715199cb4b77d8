"""The live table counts every state and fits on the screen, whatever the grid and the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bench.config.request import make_request
from bench.execution.live_table import screen, table, visible
from bench.execution.prepare import make_queue
from bench.execution.progress import Progress
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import write_json
from bench.store.folders import State
from bench.store.layout import DONE


@pytest.fixture
def progress_of(tiny_encoder: Path, tmp_path: Path) -> Callable[..., Progress]:
    """`progress_of(methods=..., done=2)`: the progress of a grid of which some cells are done already."""

    def make(done: int = 0, **options: object) -> Progress:
        plan: Plan = make_plan(make_request(**{"encoder": str(tiny_encoder), "preset": "smoke", **options}), tmp_path)  # type: ignore[arg-type]
        for identity in list(plan.cells)[:done]:
            write_json(plan.jobs[identity].folder / DONE, {"accuracy": 0.75})
        return Progress(plan, make_queue(plan), 2, lambda line: None, fail_fast=False, command="python -m bench run")

    return make


def text_of(progress: Progress, width: int, height: int) -> list[str]:
    """The lines of the screen."""
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(screen(progress, width, height))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_the_rows_count_every_state(progress_of: Callable[..., Progress]) -> None:
    progress = progress_of(methods="ce,dimp", seeds=3, done=3)  # seed 0 of both, seed 1 of ce
    queue = progress.queue
    cells = [queue.jobs[identity] for identity in progress.plan.cells]
    queue.change(cells[3].id, State.RUNNING)
    queue.failed(cells[4], "a cause")
    ce, dimp = progress.grid.rows()
    assert (ce.label, dict(ce.counts), ce.accuracy) == ("ce", {"done before": 2, "failed": 1}, 0.75)
    assert (dimp.label, dict(dimp.counts)) == ("dimp", {"done before": 1, "running": 1, "waiting": 1})
    lines = text_of(progress, 100, 20)
    assert " ".join(lines[0].split()) == "task method done done before running failed blocked waiting accuracy"
    assert lines[2].split() == ["twitter", "ce", "2", "1", "75.0"]
    assert "1 failed" in "\n".join(text_of(progress, 50, 20))
    queue.close()
    assert "Ctrl-C again stops now" in text_of(progress, 100, 20)[-1]


def test_a_run_that_was_stopped_says_so(progress_of: Callable[..., Progress]) -> None:
    """Its cells were "1 running" after the end, and a leaderboard without results was named."""
    progress, lines = progress_of(methods="ce,dimp", seeds=1), list[str]()
    progress.say = lines.append
    cells = [progress.queue.jobs[identity] for identity in progress.plan.cells]
    progress.queue.change(cells[0].id, State.RUNNING)
    progress.finish("leaderboard: x.md")
    assert lines[0] == "not trained yet: twitter ce seed 0, twitter dimp seed 0"
    assert lines[1] == "stopped: 2 cells not trained yet; the same command continues: python -m bench run"
    assert lines[2].endswith("; no cell has a result yet")
    progress.queue.failed(cells[0], "a cause")
    progress.finish("leaderboard: x.md")
    assert any(line.startswith("incomplete: 1 failed, ") and line.endswith("--retry-failed") for line in lines)


def test_the_bar_counts_jobs_that_ended(progress_of: Callable[..., Progress]) -> None:
    progress = progress_of(methods="ce,dimp", seeds=3, done=3)
    states = progress.queue.states
    (line,) = [line for line in text_of(progress, 100, 20) if " jobs" in line and "%" in line]
    assert line.rstrip().endswith(f" {100 * 3 // len(states)} % of {len(states)} jobs")
    assert "━" in line
    for identity in states:
        progress.queue.states[identity] = State.DONE
    assert f"100 % of {len(states)} jobs" in "\n".join(text_of(progress, 30, 20))


def test_a_thousand_cells_stay_on_the_screen(progress_of: Callable[..., Progress]) -> None:
    methods = ",".join(f"dimp(clip={clip})" for clip in range(1, 26))
    progress = progress_of(methods=methods, tasks="twitter[real=20],twitter[real=30]", seeds=20)
    assert len(progress.plan.cells) == 1000
    last = list(progress.plan.cells)[-1]
    progress.queue.change(last, State.RUNNING)
    for width, height in ((200, 50), (100, 24), (80, 10), (40, 12), (20, 8)):
        lines = text_of(progress, width, height)
        assert len(lines) < height
        assert max(map(len, lines)) <= width
    assert visible(progress.grid.rows(), 1)[0].counts["running"] == 1, "rows with running cells are shown first"


def test_failures_are_printed_above_the_table_and_brackets_are_not_markup(progress_of: Callable[..., Progress]) -> None:
    progress = progress_of(methods="ce,focal", tasks="twitter[real=20]", seeds=1)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=20, color_system=None)
    with table(progress, console):
        job = progress.queue.take()
        assert job is not None
        progress.queue.failed(job, "OSError: [Errno 28] No space left on device")
        progress.tell(job, State.FAILED, None)
    assert "[Errno 28]" in out.getvalue()
    assert "twitter[real=20]" in out.getvalue()
    assert progress.lines, "lines are printed again after the table"
