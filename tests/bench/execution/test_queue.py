"""The queue hands out ready jobs by rank, blocks what a failure concerns, and its work grows with the jobs alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import pytest

from bench.config.request import make_request
from bench.execution import counts, progress, queue
from bench.execution.engines.engine import settle
from bench.execution.prepare import make_queue
from bench.execution.progress import NOT_LOGGED, Progress
from bench.execution.queue import Queue, outcome_written
from bench.jobs import Job, Outcome
from bench.planning.mirrors import mirror
from bench.planning.planner import make_plan
from bench.store.files import write_json
from bench.store.folders import State, fail, finish
from bench.store.layout import DONE, TIMING

MODULES = {module.__file__ for module in (queue, counts, progress)}


def job(identity: str, *needs: str) -> Job:
    return Job(identity, Path(identity), Path(), needs)


def queue_of(
    *jobs: Job, states: dict[str, State] | None = None, ranks: dict[str, tuple[float, ...]] | None = None
) -> Queue:
    known = {job.id: job for job in jobs}
    return Queue(known, {**dict.fromkeys(known, State.MISSING), **(states or {})}, {}, ranks)


def taken(own: Queue) -> list[str]:
    """The ids of the jobs in the order in which one worker would run them."""
    order = []
    while (job := own.take()) is not None:
        order.append(job.id)
        own.done(job)
    return order


def test_ready_jobs_are_taken_by_rank_and_each_after_its_needs() -> None:
    jobs = (job("table"), job("short", "table"), job("long", "table"), job("checker"), job("last", "checker", "long"))
    ranks = {"table": (0, -9), "long": (0, -5), "short": (0, -1), "checker": (0, -2), "last": (1, -9)}
    assert taken(queue_of(*jobs, ranks=ranks)) == ["table", "long", "checker", "short", "last"]
    assert taken(queue_of(*jobs)) == ["table", "short", "long", "checker", "last"], "without ranks in their order"


def test_counts_follow_every_change() -> None:
    own = queue_of(job("a"), job("b", "a"), job("c", "b"), job("d"), states={"d": State.STALE})
    assert (own.open, own.running) == (4, 0)
    a, d = own.take(), own.take()
    assert a is not None
    assert d is not None
    assert own.take() is None
    assert (own.open, own.running) == (4, 2)
    own.again(d)
    assert own.take() is d
    own.runs_elsewhere(d)
    assert (own.open, own.running) == (4, 1)
    own.failed(a, "a cause")
    assert own.states == {"a": State.FAILED, "b": State.BLOCKED, "c": State.BLOCKED, "d": State.RUNNING}
    assert own.causes == {"a": "a cause", "b": "needs a, which failed", "c": "needs b, which failed"}
    assert own.open == 1
    own.close()
    assert own.open == 0, "a closed queue does not wait for another run"


def test_jobs_of_finished_and_failed_jobs_are_known_from_the_start() -> None:
    """A finished job's needs need not be in the queue, and one that failed in an earlier run blocks others."""
    states = {"done": State.DONE, "failed": State.FAILED}
    own = queue_of(job("done", "gone"), job("x", "done"), job("failed"), job("y", "failed"), states=states)
    assert own.states["y"] is State.BLOCKED
    assert taken(own) == ["x"]


def work(tiny_encoder: Path, root: Path, seeds: int) -> int:
    """The byte codes that queue, counts and progress execute while a grid of `seeds` seeds is settled."""
    plan = make_plan(make_request(methods="ce,dimp", seeds=seeds, encoder=str(tiny_encoder), preset="smoke"), root)
    for identity in plan.cells:
        write_json(plan.jobs[identity].folder / DONE, {"accuracy": 0.5})
    plan_states = dict.fromkeys(plan.jobs, State.MISSING)
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        nonlocal executed
        if frame.f_code.co_filename not in MODULES:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        own = Queue(plan.jobs, plan_states, {})
        watcher = Progress(plan, own, 2, lambda line: None, fail_fast=False, command="")
        while own.open:
            current = own.take()
            assert current is not None
            own.done(current)
            watcher.tell(current, State.DONE, Outcome(current.id, State.DONE, {"accuracy": 0.5}, seconds=1.0))
            own.revisit()
            watcher.pulse()
    finally:
        sys.settrace(before)
    assert sum(row.finished for row in watcher.grid.rows()) == len(plan.cells)
    return executed


def test_a_run_knows_which_cells_it_trained(tiny_encoder: Path, tmp_path: Path) -> None:
    """`--save-models best` removes models of these alone, not those that another run saves meanwhile."""
    plan = make_plan(make_request(methods="ce,focal", seeds=1, encoder=str(tiny_encoder), preset="smoke"), tmp_path)
    here, elsewhere = (plan.jobs[identity] for identity in plan.cells)
    watcher = Progress(plan, make_queue(plan), 2, lambda line: None, fail_fast=False, command="")
    watcher.tell(here, State.DONE, Outcome(here.id, State.DONE, {"accuracy": 0.5}, seconds=1.0))
    watcher.tell(elsewhere, State.DONE, None)
    assert watcher.own == {here.folder}


def test_results_whose_outcome_did_not_arrive_count_as_done(tiny_encoder: Path, tmp_path: Path) -> None:
    """A run that was stopped between a result and the message of its worker said "no cell has a result yet"."""
    request = make_request(methods="ce,focal,dimp,gce", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    plan = make_plan(request, tmp_path)
    own = make_queue(plan)
    here, elsewhere, _, failed = cells = [plan.jobs[identity] for identity in plan.cells]
    for job in (here, elsewhere):
        job.folder.mkdir(parents=True)
        write_json(job.folder / TIMING, {"seconds": 2.5})
        finish(job.folder, {"accuracy": 0.5})
    lines: list[str] = []
    watcher = Progress(plan, own, 1, lines.append, fail_fast=False, command="")
    failed.folder.mkdir(parents=True)
    fail(failed.folder, {"type": "ValueError", "message": "no rows"})
    for job in cells:
        own.change(job.id, State.RUNNING)
    own.runs_elsewhere(elsewhere)
    for job in own.written():
        settle(own, job, outcome_written(job), watcher)
    assert [own.states[job.id] for job in cells] == [State.DONE, State.RUNNING, State.RUNNING, State.FAILED]
    assert (watcher.done, watcher.trainings, watcher.own) == (1, 1, {here.folder})
    assert lines[-2].endswith(f"done   {here.title}  accuracy 0.5000  2.5 s")
    assert lines[-1].endswith(f"FAILED {failed.title}: ValueError: no rows")


def test_a_stopped_run_counts_the_cells_that_no_tracker_has(tiny_encoder: Path, tmp_path: Path) -> None:
    """A run whose cells were done ended with 0 after Ctrl-C, and nothing said that most were not logged."""
    plan = make_plan(make_request(methods="ce,focal", seeds=1, encoder=str(tiny_encoder), preset="smoke"), tmp_path)
    mirror(plan, "tensorboard", (), (), live=False)
    own, lines = make_queue(plan), list[str]()
    watcher = Progress(plan, own, 1, lines.append, fail_fast=False, command="python -m bench run")
    first = next(iter(plan.cells))
    own.done(plan.jobs[first])
    logged = [identity for identity in plan.mirrors if first in plan.jobs[identity].needs]
    assert {watcher.failures()[identity] for identity in logged} == {NOT_LOGGED}
    watcher.finish("")
    assert lines[-2].startswith("stopped: 1 cell not trained yet, 1 cell not logged yet; the same command continues: ")
    for identity in plan.cells:
        if identity != first:
            own.done(plan.jobs[identity])
    watcher.finish("")
    assert lines[-2] == "stopped: 2 cells not logged yet; the same command continues: python -m bench run"
    for identity in plan.mirrors:
        own.done(plan.jobs[identity])
    assert not watcher.failures()


def test_a_stopped_run_that_forces_does_not_say_that_its_command_continues(tiny_encoder: Path, tmp_path: Path) -> None:
    """`force: true` of a file of options cannot be taken out of the command, which trains all cells again."""
    plan = make_plan(make_request(methods="ce", seeds=1, encoder=str(tiny_encoder), preset="smoke"), tmp_path)
    for command, text in (
        ("python -m bench run --config f.yaml", "continues if force is left out: python -m bench run --config f.yaml"),
        ("python -m bench run --force", "continues: python -m bench run"),
    ):
        lines: list[str] = []
        Progress(plan, make_queue(plan), 1, lines.append, fail_fast=False, command=command, force=True).finish("")
        assert lines[-2] == f"stopped: 1 cell not trained yet; the same command {text}"


def test_twice_the_cells_are_twice_the_work(tiny_encoder: Path, tmp_path: Path) -> None:
    """Work is counted, not timed: a look at every job for each finished one would make it four times as much."""
    few, many = (work(tiny_encoder, tmp_path / str(seeds), seeds) for seeds in (20, 40))
    assert 1.5 < many / few < 2.3


@pytest.mark.parametrize("methods", ["ce,dimp,focal", "ce,cartography"])
def test_a_grid_is_run_seed_by_seed_and_the_longest_chain_first(
    tiny_encoder: Path, tmp_path: Path, methods: str
) -> None:
    options = {"methods": methods, "tasks": "twitter[real=20],twitter[real=30]", "seeds": 3}
    plan = make_plan(make_request(**options, encoder=str(tiny_encoder), preset="smoke"), tmp_path)  # type: ignore[arg-type]
    order = [identity for identity in taken(make_queue(plan)) if identity in plan.cells]
    assert len(order) == len(plan.cells)
    assert seeds_of(plan.jobs, order) == [seed for seed in range(3) for _ in range(len(order) // 3)]


def seeds_of(jobs: dict[str, Job], order: Sequence[str]) -> list[int]:
    """The seeds of cells in this order."""
    return [jobs[identity].spec.seed for identity in order]  # type: ignore[attr-defined]


def test_a_cell_that_waits_for_a_checker_starts_it_before_short_cells(tiny_encoder: Path, tmp_path: Path) -> None:
    plan = make_plan(make_request(methods="focal,dimp", seeds=2, encoder=str(tiny_encoder), preset="smoke"), tmp_path)
    titles = [plan.jobs[identity].title for identity in taken(make_queue(plan)) if identity.startswith("cell/")]
    assert titles[0] == "twitter real-only seed 0", "the quality checker, for which dimp waits"
    assert titles.index("twitter dimp seed 0") < titles.index("twitter focal seed 1")
