"""The SLURM engine on submitit's local executor: bytes, lost tasks, commands that are repeated, and wrong settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.execution import engines
from bench.execution.engines import slurm_array
from bench.execution.engines.slurm import Slurm, Task, Watch
from bench.execution.engines.slurm_array import Array
from bench.execution.engines.slurm_task import Event, read_events, write_event
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.planning.plan import Plan
from bench.store.folders import State
from tests.helpers.engine_runs import Recorder, content, plugin, run_on

submitit = pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
HERE = Slurm(cluster="local")


@pytest.fixture(scope="module")
def done(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Queue, Recorder]:
    """One run as two array tasks, with a worker that is killed once and a method that raises."""
    folder = tmp_path_factory.mktemp("slurm")
    own = {"plugins": [plugin(folder)], "methods": "ce,dimp,killed,raises"}
    queue, watcher = run_on(HERE, folder / "runs", tiny_encoder, Limits(most=2), **own)
    return folder / "runs", queue, watcher


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
        self.folder, self.other_folder = root / "task" / "method" / name, None


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Three cells that need one table, as two tasks of an array that was submitted."""
    jobs = {name: Job(tmp_path, name, *needs) for name, *needs in (("t",), ("a", "t"), ("b", "t"), ("c", "t"))}
    queue = Queue(jobs, dict.fromkeys(jobs, State.MISSING), {})  # type: ignore[arg-type]
    own = Watch(Slurm(), queue, 2, Recorder(), Limits(retries=1))
    array = Array(tmp_path / ".slurm" / "bench-1", [["t", "a", "b"], ["t", "c"]], "slurm")
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
