"""The start of a run: the fork server imports while the run is planned, and is ended where nothing trains."""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.execution import encoder_checks, grid
from bench.execution.engines import local
from bench.execution.grid import Options
from bench.execution.limits import Limits
from bench.execution.prepare import will_train
from bench.execution.queue import Queue
from bench.hashing import training_hash
from bench.planning.plan import Plan
from bench.store.files import write_json
from bench.store.layout import DONE, ERROR
from tests.helpers.background import start

Run = Callable[..., list[str]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens in a run that is refused when it is planned."""
    found: list[str] = []

    def make_plan(*_: object) -> Plan:
        found.append("planned")
        raise UserError("refused")

    monkeypatch.setattr(local, "start_server", lambda modules: found.append("server started"))
    monkeypatch.setattr(local, "end_server", lambda: found.append("server ended"))
    monkeypatch.setattr(grid, "make_plan", make_plan)
    return found


@pytest.fixture
def run(events: list[str], tiny_encoder: Path, tmp_path: Path) -> Run:
    """A run with options, and what happened in it."""

    def refused(**options: object) -> list[str]:
        request = make_request(methods="ce", seeds=1, encoder=str(tiny_encoder), preset="smoke")
        with pytest.raises(UserError):
            grid.run(request, replace(Options(out=tmp_path / "runs"), **options), lambda line: None)  # type: ignore[arg-type]
        return events

    return refused


forked = pytest.mark.skipif(local.CONTEXT.get_start_method() != "forkserver", reason="this system has no fork server")


@forked
def test_the_server_starts_before_the_plan_is_made_and_is_ended_where_it_is_refused(run: Run) -> None:
    assert run() == ["server started", "planned", "server ended"]


def test_a_dry_run_starts_no_server(run: Run) -> None:
    assert run(dry_run=True) == ["planned"]


def test_what_is_refused_before_the_plan_starts_no_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_low(workers: int) -> None:
        raise UserError("see ulimit")

    monkeypatch.setattr(grid, "require_limits", too_low)
    assert run() == []
    assert run(engine="torchrun") == []


def test_without_a_fork_server_nothing_starts_early(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "CONTEXT", multiprocessing.get_context("spawn"))
    assert run() == ["planned"]


def test_a_queue_without_open_jobs_ends_the_server(events: list[str]) -> None:
    """A report then has a server of its own, which imports what draws figures."""
    queue = Queue({}, {}, {})
    local.Local().execute(queue, 2, encoder_checks.FirstFailure(queue), Limits())
    assert events == ["server ended"]


def test_a_refused_command_leaves_no_process_behind(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start(tmp_path, tiny_encoder, "run", "--methods", "ce,imp", "--baseline", "inp", "--seeds", "1")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.count(b"\n") == 1
    assert servers_of(process.pid) == []


def servers_of(group: int) -> list[int]:
    """The fork servers of a process group."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == group and "forkserver" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def test_imports_without_collections_leave_them_on() -> None:
    importlib.import_module("bench.execution.engines.preloaded")
    assert gc.isenabled()


def test_the_hash_of_the_code_is_that_of_the_code_which_was_imported() -> None:
    """A worker that started after an update of the files trained with the old code under the hash of the new."""
    module = importlib.import_module("bench.execution.engines.preloaded")
    training_hash.cache_clear()
    importlib.reload(module)
    assert training_hash.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("file", "retry", "trains"), [("", False, True), (DONE, False, False), (ERROR, False, False), (ERROR, True, True)]
)
def test_a_run_knows_at_once_whether_it_will_train(
    tiny_encoder: Path, tmp_path: Path, file: str, retry: bool, trains: bool
) -> None:
    request = make_request(methods="ce", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    plan = grid.make_plan(request, tmp_path / "runs")
    for identity in plan.cells if file else ():
        write_json(plan.jobs[identity].folder / file, {})
    assert will_train(plan, Options(out=tmp_path / "runs", retry_failed=retry)) == trains


def test_what_is_known_of_the_data_is_said_before_the_first_worker_starts(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker starts, the parent imports what draws."""
    happened: list[str] = []

    def check_encoders(plan: Plan) -> dict[str, list[str]]:
        happened.append("check")
        raise UserError("refused")

    monkeypatch.setattr(local, "start_server", lambda modules: None)
    monkeypatch.setattr(grid, "load_drawing", lambda: happened.append("import"))
    monkeypatch.setattr(grid, "check_encoders", check_encoders)
    request = make_request(methods="ce", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    for figures, last in ((True, ["import", "check"]), (False, ["check"])):
        options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", figures=figures)
        with pytest.raises(UserError, match="refused"):
            grid.run(request, options, happened.append)
        assert any(line.startswith("twitter: ") for line in happened[: -len(last)]), "the rows of the task"
        assert happened[-len(last) :] == last
        happened.clear()
