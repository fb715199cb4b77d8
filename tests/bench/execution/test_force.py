"""A run that is interrupted before a cell is done: under --force earlier results stay, and in any case the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.config.request import Request, make_request
from bench.execution.engines.local import Pool
from bench.execution.grid import Options, run
from tests.helpers.background import metrics


@pytest.fixture
def grid(tmp_path: Path, tiny_encoder: Path) -> tuple[Request, Options]:
    """A grid of two cells that is done."""
    request = make_request(methods="ce,real-only", tasks="twitter", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    command = "python -m bench run --methods ce,real-only"
    options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", workers=1, figures=False, command=command)
    assert run(request, options, lambda line: None).ok
    return request, replace(options, force=True, command=f"{command} --force")


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_not_trained_again_stays(
    grid: tuple[Request, Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """All results went before the first cell was trained."""
    before, lines = metrics(tmp_path), list[str]()

    def interrupt(pool: Pool, check: object) -> None:
        pool.queue.close()
        if times == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Pool, "serve", interrupt)
    if times == 2:
        with pytest.raises(KeyboardInterrupt):
            run(*grid, lines.append)
    else:
        assert run(*grid, lines.append).interrupted
        command = grid[1].command
        stopped = (
            "stopped: 2 cells not trained yet, 2 of which keep their earlier results; the same command begins again"
        )
        assert f"{stopped}: {command}" in lines
        assert lines[-1].startswith("0/2 cells done (0 before this run), 0 trainings, ")
        assert lines[-1].endswith("; earlier results stay")
    assert "2 cells: 0 done before, 2 to do on 1 worker (--force: 2 again)" in lines
    assert metrics(tmp_path) == before


def test_a_stop_before_a_cell_is_done_leaves_the_last_report(
    grid: tuple[Request, Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty leaderboard took the place of that of another grid."""
    monkeypatch.setattr(Pool, "serve", lambda pool, check: pool.queue.close())
    report, lines = tmp_path / "reports" / "leaderboard.md", list[str]()
    before = report.read_bytes()
    result = run(replace(grid[0], seeds=(1,)), replace(grid[1], force=False), lines.append)
    assert (result.interrupted, result.leaderboard) == (True, None)
    assert report.read_bytes() == before
    assert f"{tmp_path / 'reports'} is as it was; `bench report` reports on the whole store" in lines
    assert lines[-1].endswith("no cell has a result yet")


def test_all_cells_are_trained_again(grid: tuple[Request, Options], tmp_path: Path) -> None:
    before, lines = metrics(tmp_path), list[str]()
    assert run(*grid, lines.append).ok
    after = metrics(tmp_path)
    assert {path for path in before if after[path] != before[path]} == {path for path in before if "/twitter/" in path}
    assert lines[-1].startswith("2/2 cells done (0 before this run), 2 trainings, ")
