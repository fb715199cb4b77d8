"""The SLURM engine on submitit's local executor: bytes, lost tasks, commands that are repeated, and wrong settings."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bench.errors import UserError
from bench.execution import engines
from bench.execution.engines import slurm_array
from bench.execution.engines.slurm import Slurm, Watch
from bench.execution.engines.slurm_array import Array, Task
from bench.execution.engines.slurm_task import Bundle, Event, read_events, write_event
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.execution.signals import Stopped
from bench.planning.plan import Plan
from bench.store.folders import State
from tests.helpers.engine_runs import Recorder, content, plugin, run_on

submitit = pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
HERE = Slurm(cluster="local")


@pytest.fixture(scope="module")
def done(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Queue, Recorder]]:
    """One run as two array tasks, with a worker that is killed once and a method that raises."""
    folder = tmp_path_factory.mktemp("slurm")
    with plugin(folder) as file:
        own = {"plugins": [file], "methods": "ce,dimp,killed,raises"}
        queue, watcher = run_on(HERE, folder / "runs", tiny_encoder, Limits(most=2), **own)
        yield folder / "runs", queue, watcher


@pytest.mark.slow
def test_slurm_gives_the_bytes_of_the_local_engine(
    done: tuple[Path, Queue, Recorder], run_here: Callable[..., Plan], tmp_path: Path
) -> None:
    root, queue, watcher = done
    here, there = content(run_here(tmp_path / "here", methods="ce,dimp").root), content(root)
    assert len(here) >= 18
    assert {name: there[name] for name in here} == here
    assert not list(root.glob("**/lease"))
    assert not queue.open
    assert [title for title, _ in watcher.ended].count("twitter ce seed 0") == 1


@pytest.mark.slow
def test_what_array_tasks_tell(done: tuple[Path, Queue, Recorder]) -> None:
    _, queue, watcher = done
    assert any("twitter killed seed 0: its worker died (SIGKILL" in line for line in watcher.retries)
    states = dict(watcher.ended)
    assert states["twitter killed seed 0"] == "done"
    assert states["twitter raises seed 0"] == "failed"
    assert "ArithmeticError: of this method" in queue.causes.values()
    assert all(outcome.summary["accuracy"] >= 0 for outcome in watcher.outcomes if "accuracy" in outcome.summary)
    assert [note for note in watcher.notes if note.startswith("submitted 2 array tasks (bench-")]


class Job:
    """A job that is no process. Like a real one, it cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, root: Path, name: str, *needs: str) -> None:
        self.id, self.title, self.needs, self.root = name, name, needs, root
        self.folder, self.other_folder, self.replaces = root / "task" / "method" / name, None, ()


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Three cells that need one table, as two tasks of an array that was submitted."""
    jobs = {name: Job(tmp_path, name, *needs) for name, *needs in (("t",), ("a", "t"), ("b", "t"), ("c", "t"))}
    queue = Queue(jobs, dict.fromkeys(jobs, State.MISSING), {})  # type: ignore[arg-type]
    own = Watch(Slurm(), queue, 2, Recorder(), Limits(retries=1))
    array = Array(tmp_path / ".slurm" / "bench-1", [["t", "a", "b"], ["t", "c"]], ["a", "b", "c"], "slurm")
    array.folder.mkdir(parents=True)
    array.write()
    own.arrays, own.tasks = [array], [Task(array, index, names) for index, names in enumerate(array.tasks)]
    return own


def test_a_task_that_ended_early_is_submitted_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[list[str]] = []
    monkeypatch.setattr(Watch, "submit", lambda self, ends: submitted.append([job.id for job in ends]))
    monkeypatch.setattr(Array, "states", lambda self: {0: "CANCELLED", 1: "RUNNING"})
    write_event(watch.tasks[0].array.journal(0), Event("t", "running"))
    watch.look()
    assert submitted == [["a", "b"]]
    assert [line.partition(":")[0] for line in watch.watcher.retries] == ["t"]  # type: ignore[attr-defined]
    assert len(watch.tasks) == 1


def test_a_task_that_is_submitted_again_needs_no_finished_table(watch: Watch) -> None:
    watch.queue.done(watch.queue.jobs["t"])
    jobs = watch.queue.closure([watch.queue.jobs["a"], watch.queue.jobs["b"]])
    assert [job.id for job in jobs] == ["a", "b"], "the table is done"
    queue = Bundle(jobs, watch.root / "0.jsonl", 1, 1, None, {}).queue()
    assert queue.open == 2
    assert [job.id for job in (queue.take(), queue.take()) if job is not None] == ["a", "b"]


@pytest.mark.parametrize(("word", "attempts"), [("TIMEOUT", 2), ("OUT_OF_MEMORY", 1), ("NODE_FAIL", 2)])
def test_the_cell_that_ends_its_tasks_is_a_failure(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, word: str, attempts: int
) -> None:
    monkeypatch.setattr(Watch, "submit", lambda self, ends: None)
    monkeypatch.setattr(Array, "states", lambda self: {0: word, 1: "RUNNING"})
    task = watch.tasks[0]
    write_event(task.array.journal(0), Event("t", "running"))
    watch.queue.done(watch.queue.jobs["t"])
    write_event(task.array.journal(0), Event("t", "done"))
    write_event(task.array.journal(0), Event("a", "running"))
    for attempt in range(attempts):
        assert watch.queue.states["a"] is not State.FAILED, attempt
        watch.tasks = [Task(task.array, 0, ["a", "b"])]
        watch.look()
    assert watch.queue.states["a"] is State.FAILED
    assert word in watch.queue.causes["a"]
    assert watch.queue.states["b"] is not State.FAILED, "it had not begun"


def test_a_repeated_command_submits_only_what_no_array_does(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {0: "COMPLETED", 1: "PENDING"}
    monkeypatch.setattr(Array, "states", lambda self: states)
    again = Watch(Slurm(), watch.queue, 2, Recorder(), Limits())
    again.attach()
    assert [job.id for job in again.uncovered()] == ["a", "b"]
    states[1] = "COMPLETED"
    (watch.tasks[0].array.folder / slurm_array.OWNER).unlink()  # that command has ended
    last = Watch(Slurm(), watch.queue, 2, Recorder(), Limits())
    last.attach()
    assert len(last.uncovered()) == 3
    assert not slurm_array.recorded(watch.root), "the record of an ended array is removed"


def test_the_array_of_a_living_command_is_followed_but_not_owned(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {0: "RUNNING", 1: "RUNNING"}
    monkeypatch.setattr(Array, "states", lambda self: states)
    assert watch.arrays[0].adopt(watch.root)  # this process is the living command
    other = Watch(Slurm(), watch.queue, 2, Recorder(), Limits())
    other.attach()
    assert len(other.tasks) == 2
    assert other.arrays == []
    states.update({0: "COMPLETED", 1: "COMPLETED"})
    Watch(Slurm(), watch.queue, 2, Recorder(), Limits()).attach()
    assert slurm_array.recorded(watch.root)


def others(watch: Watch, *names: str) -> Array:
    """An array of a run that has ended, with a task for each name."""
    array = Array(watch.root / ".slurm" / "bench-2", [["t", name] for name in names], [*names], "slurm")
    array.folder.mkdir()
    array.write()
    return array


@pytest.mark.parametrize(("names", "tasks", "owned"), [(("x", "y"), 0, False), (("a", "x"), 1, False), ("ab", 2, True)])
def test_an_array_with_cells_of_another_run_is_left_to_that_run(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], tasks: int, owned: bool
) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(Array, "cancel", lambda self: cancelled.append(self.name))
    monkeypatch.setattr(Array, "states", lambda self: dict.fromkeys(range(len(self.tasks)), "RUNNING"))
    assert watch.arrays[0].adopt(watch.root)
    watch.queue.done(watch.queue.jobs["t"])
    array = others(watch, *names)
    own = Watch(Slurm(), watch.queue, 2, Recorder(), Limits())
    own.attach()
    assert len([task for task in own.tasks if task.array == array]) == tasks
    assert own.arrays == ([array] if owned else [])
    assert (array.folder / slurm_array.OWNER).exists() is owned, "another command may own it"
    own.cancel()
    assert cancelled == (["bench-2"] if owned else [])
    assert ("scancel" in own.farewell()) is owned
    for name in "abc":
        watch.queue.done(watch.queue.jobs[name])
    own.clear()
    assert array.folder.exists() is not owned


@pytest.mark.parametrize("content", [None, "{", '{"accuracy": 1}'])
def test_a_result_that_is_not_there_is_not_done(watch: Watch, content: str | None) -> None:
    task, job = watch.tasks[0], watch.queue.jobs["a"]
    job.folder.mkdir(parents=True)
    if content is not None:
        (job.folder / "metrics.json").write_text(content)
    write_event(task.array.journal(0), Event("a", "done"))
    watch.read(task)
    assert (watch.queue.states["a"] is State.DONE) is (content == '{"accuracy": 1}')


@pytest.mark.parametrize(("earlier", "stored"), [(False, False), (True, False), (True, True)])
def test_a_failure_that_was_removed_is_none(watch: Watch, earlier: bool, stored: bool) -> None:
    task, job = watch.tasks[0], watch.queue.jobs["a"]
    task.earlier = earlier
    job.folder.mkdir(parents=True)
    if stored:
        (job.folder / "error.json").write_text("{}")
    write_event(task.array.journal(0), Event("a", "failed", "its worker died"))
    watch.read(task)
    assert (watch.queue.states["a"] is State.FAILED) is (stored or not earlier)


@pytest.mark.parametrize(
    ("cluster", "bundle", "running", "sizes"),
    [
        ("slurm", 1, 0, [1] * 8),
        ("slurm", None, 2, [3, 3, 2]),
        ("local", 1, 0, [3, 3, 2]),
        ("local", None, 0, [3, 3, 2]),
        ("local", 1, 1, [4, 4]),
        ("local", 5, 0, [5, 3]),
        ("local", 1, 3, [8]),
    ],
)
def test_no_more_local_tasks_than_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str, bundle: int | None, running: int, sizes: list[int]
) -> None:
    jobs = {name: Job(tmp_path, name) for name in "abcdefgh"}
    queue = Queue(jobs, dict.fromkeys(jobs, State.MISSING), {})  # type: ignore[arg-type]
    recorder = Recorder()
    own = Watch(Slurm(cluster=cluster, bundle=bundle), queue, 3, recorder, Limits())  # type: ignore[arg-type]
    array = Array(tmp_path, [], [], cluster)
    own.tasks = [Task(array, index, []) for index in range(running)]
    submitted: list[int] = []

    def submit(root: Path, part: list[list[Job]], *others: object) -> Array:
        submitted.extend(len(jobs) for jobs in part)
        return array

    monkeypatch.setattr(slurm_array, "submit", submit)
    own.submit(queue.ends())
    assert submitted == sizes
    raised = cluster == "local" and bundle == 1
    assert any(f"bundle=1 is raised to {sizes[0]}:" in note for note in recorder.notes) is raised


@pytest.mark.parametrize("answers", [True, False])
def test_an_array_that_sbatch_may_have_submitted_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    commands: list[list[str]] = []

    def slurm(command: list[str]) -> subprocess.CompletedProcess[str] | None:
        assert slurm_array.recorded(tmp_path), "the record is removed last"
        commands.append(command)
        return subprocess.CompletedProcess(command, 0) if answers else None

    def executor(**options: object) -> None:
        raise RuntimeError("sbatch: error: Batch job submission failed: Socket timed out")

    monkeypatch.setattr(slurm_array, "slurm", slurm)
    monkeypatch.setattr(submitit, "AutoExecutor", executor)
    bundles = [[Job(tmp_path, "t"), Job(tmp_path, "a", "t")]]
    with pytest.raises(UserError, match="Socket timed out" if answers else "Socket timed out; scancel fails too"):
        slurm_array.submit(tmp_path, bundles, "slurm", {}, lambda jobs, journal: None)
    left = slurm_array.recorded(tmp_path)
    assert [array.ends for array in left] == ([] if answers else [["a"]])
    assert [command[0] for command in commands] == ["scancel"]


@pytest.mark.parametrize(("cluster", "stop"), [("slurm", Stopped), ("slurm", KeyboardInterrupt), ("local", Stopped)])
def test_what_ends_the_command_alone_says_that_its_tasks_go_on(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, cluster: str, stop: type[BaseException]
) -> None:
    """SIGTERM and SIGHUP did not."""

    def stopped(own: Watch, check: object) -> NoReturn:
        own.arrays = [Array(watch.root, [], [], cluster)]
        raise stop(signal.SIGTERM)

    monkeypatch.setattr(Watch, "attach", lambda self: None)
    monkeypatch.setattr(Watch, "submit", lambda self, ends: None)
    monkeypatch.setattr(Watch, "follow", stopped)
    recorder = Recorder()
    engine: Any = Slurm(cluster=cluster)  # type: ignore[arg-type]
    with pytest.raises(Stopped) if stop is Stopped else contextlib.nullcontext():
        engine.execute(watch.queue, 2, recorder, Limits())
    cancelled = "" if cluster == "local" else f", `scancel --name={watch.root.name}` ends them"
    assert recorder.notes == [f"array tasks go on; the same command watches them again{cancelled}"]


def test_ctrl_c_is_not_for_the_processes_of_a_local_array(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them printed a traceback."""
    masks: list[bool] = []

    def submit(*_: object) -> Array:
        masks.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return watch.arrays[0]

    monkeypatch.setattr(slurm_array, "submit", submit)
    for cluster in ("slurm", "local"):
        engine: Any = Slurm(cluster=cluster)  # type: ignore[arg-type]
        Watch(engine, watch.queue, 2, Recorder(), Limits()).submit(watch.queue.ends())
    assert masks == [False, True]


def test_a_repeated_command_waits_for_squeue(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Array, "states", lambda self: None)
    with pytest.raises(UserError, match="squeue does not answer"):
        Watch(Slurm(), watch.queue, 2, Recorder(), Limits()).attach()


def test_a_journal_is_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert read_events(path, 0) == ([], 0)
    write_event(path, Event("a", "running"))
    events, read = read_events(path, 0)
    assert events == [Event("a", "running")]
    with path.open("a") as file:
        file.write('{"job": "half')
    assert read_events(path, read) == ([], read)
    write_event(path, Event("b", "failed", "why", 1.5))
    assert read_events(path, read)[0] == [Event("b", "failed", "why", 1.5)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cluster": "local", "partion": "x"}, "did you mean 'partition'"),
        ({"cluster": "loca"}, "cluster must be one of slurm, local, not 'loca'"),
        ({"time": "0"}, "time must be above 0, not 0"),
        ({"time": "long"}, "time must be a whole number, not 'long'"),
    ],
)
def test_a_wrong_setting_is_one_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        engines.chosen("slurm", settings)


def test_without_slurm_or_submitit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="this machine has no sbatch, squeue, scancel, srun"):
        engines.chosen("slurm")
    began = time.monotonic()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'data-weighting-bench\[slurm\]'"):
        engines.chosen("slurm", {"cluster": "local"})
    assert time.monotonic() - began < 5


def test_parameters_of_submitit() -> None:
    own = Slurm(time=1, partition="gpu", gres="gpu:1", setup="module load cuda", mem_gb=8)
    assert own.parameters(4) == {
        "timeout_min": 1,
        "cpus_per_task": 1,
        "mem_gb": 8,
        "slurm_partition": "gpu",
        "slurm_gres": "gpu:1",
        "slurm_setup": ["module load cuda"],
        "slurm_array_parallelism": 4,
        "slurm_signal_delay_s": 15,
    }
    assert own.count(None) == 16
    assert own.count(3) == 3
