"""The Ray engine: the bytes of the local engine, lost processes, failures, and what is wrong before anything trains."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import UserError
from bench.execution import engines
from bench.execution.causes import StoreError
from bench.execution.engines import ray_cluster, ray_transfer
from bench.execution.engines.ray import Ray, Slots
from bench.execution.engines.ray_place import Place
from bench.execution.engines.ray_slot import Facts, Slot, environment, facts, withheld
from bench.execution.engines.ray_transfer import Sender, relocated
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.jobs import Job, MirrorJob, Outcome
from bench.planning.plan import Plan
from bench.remote.archives import packed, unpack
from bench.store.folders import State, state
from bench.store.layout import DONE
from bench.system import user
from tests.helpers.engine_runs import Recorder, content, plugin, run_on

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def ray_variables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes a token into the home folder
        patch.delenv("RAY_ADDRESS", raising=False)
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def done(
    ray_variables: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Queue, Recorder]]:
    """One run on Ray, with a process that is killed once and a method that raises."""
    folder = tmp_path_factory.mktemp("ray")
    with plugin(folder) as file:
        own = {"plugins": [file], "methods": "ce,dimp,killed,raises"}
        queue, watcher = run_on(Ray(), folder / "runs", tiny_encoder, Limits(most=1), **own)
        yield folder / "runs", queue, watcher


@pytest.mark.slow
def test_ray_gives_the_bytes_of_the_local_engine(
    done: tuple[Path, Queue, Recorder], run_here: Callable[..., Plan], tmp_path: Path
) -> None:
    root, queue, _ = done
    here = content(run_here(tmp_path / "here", methods="ce,dimp").root)
    on_ray = content(root)
    assert len(here) >= 18
    assert {name: on_ray[name] for name in here} == here
    assert not list(root.glob("**/lease"))
    assert not list(root.glob(".running/.probe*"))
    assert not queue.open


@pytest.mark.slow
def test_a_killed_process_is_replaced_and_an_exception_is_a_failure(done: tuple[Path, Queue, Recorder]) -> None:
    _, queue, watcher = done
    (retry,) = watcher.retries
    assert retry.startswith("twitter killed seed 0: its process on ")
    states = dict(watcher.ended)
    assert states["twitter killed seed 0"] == "done"
    assert states["twitter raises seed 0"] == "failed"
    assert [title for title, _ in watcher.ended].count("twitter raises seed 0") == 1, "a failure is not tried again"
    assert [*queue.causes.values()] == ["ArithmeticError: of this method"]
    assert set(watcher.nodes.values()) <= {0, 1}


@pytest.mark.slow
def test_nodes_that_do_not_see_the_store_get_tables_and_send_results(
    done: tuple[Path, Queue, Recorder], tiny_encoder: Path, tmp_path: Path
) -> None:
    own = {"plugins": [done[0].parent / "killed.py"], "methods": "ce,dimp,cartography,raises"}
    queue, watcher = run_on(Ray(store="sent"), tmp_path / "runs", tiny_encoder, Limits(most=1), **own)
    sent, seen = content(tmp_path / "runs"), content(done[0])
    both = [name for name in sent if name in seen]
    assert len(both) >= 18
    assert {name: sent[name] for name in both} == {name: seen[name] for name in both}
    assert not queue.open
    assert [*queue.causes.values()] == ["ArithmeticError: of this method"]
    assert not list((tmp_path / "runs").glob("**/lease"))
    states = {str(state(job.folder)) for job in queue.jobs.values()}
    assert states == {"done", "failed"}
    assert any("tables and results travel through Ray" in note for note in watcher.notes)
    assert not list(Path(tempfile.gettempdir()).glob(f"bench-{user()}.probe-*"))


def test_a_job_is_relocated_with_all_its_paths(run_here: Callable[..., Plan], tmp_path: Path) -> None:
    plan = run_here(tmp_path / "here", methods="dimp")
    for job in plan.jobs.values():
        moved = relocated(job, job.root, Path("/elsewhere"))
        assert str(job.root) not in repr([value for value in vars(moved).items() if value[0] != "texts"])
        assert relocated(moved, Path("/elsewhere"), job.root).folder == job.folder


@pytest.mark.parametrize("busy", [False, True])
def test_a_node_that_is_lost_ends_no_run(monkeypatch: pytest.MonkeyPatch, busy: bool, tmp_path: Path) -> None:
    """A slot may be started on a node that Ray still lists, and find it gone."""
    places = {"root": tmp_path, "folder": tmp_path / "a", "other_folder": None}
    job = SimpleNamespace(id="a", title="a", needs=(), replaces=(), **places)
    queue, watcher = Queue({"a": job}, {"a": State.MISSING}, {}), Recorder()  # type: ignore[dict-item]
    slots = Slots(Ray(), queue, watcher, Limits(retries=0), tmp_path / "probe")
    monkeypatch.setattr(ray_cluster, "nodes", lambda: {"other": {}})
    monkeypatch.setattr(ray_cluster, "kill", lambda actor: None)

    def get(reference: object) -> None:
        raise ray.exceptions.ActorUnschedulableError("its node is gone")

    monkeypatch.setattr(ray_cluster, "get", get)
    for attempt in range(6):
        taken = queue.take() if busy else None
        place = Place(None, "node", "node-b", "answer", ready=busy, job=taken)
        slots.places = [place]
        slots.take_in(place)
        assert slots.places == []
        assert queue.states["a"] is (State.FAILED if busy and attempt == 5 else State.STALE if busy else State.MISSING)
    assert len(watcher.retries) == (5 if busy else 0), "five lost nodes are not the fault of a job"


def test_a_slot_without_its_gpu_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = {"root": tmp_path, "folder": tmp_path / "a", "other_folder": None}
    job = SimpleNamespace(id="a", title="a", needs=(), replaces=(), **places)
    queue, watcher, killed = Queue({"a": job}, {"a": State.MISSING}, {}), Recorder(), list[object]()  # type: ignore[dict-item]
    slots = Slots(Ray(), queue, watcher, Limits(), tmp_path / "probe")
    monkeypatch.setattr(ray_cluster, "kill", killed.append)
    monkeypatch.setattr(ray_cluster, "get", lambda reference: Outcome("a", State.FAILED, cause="CUDA", gpu_lost=True))
    slots.places = [Place("actor", "node", "node-b", "answer", ready=True, job=queue.take())]
    slots.take_in(slots.places[0])
    assert (slots.places, killed, watcher.ended, watcher.retries) == ([], ["actor"], [("a", "failed")], [])


def test_a_node_that_differs_is_named() -> None:
    own, place = facts(), Place(None, "node", "node-b", "answer")
    place.accept(own, own, sent=False)
    assert (place.ready, place.apart) == (True, False)
    place.accept(replace(own, sees=False), own, sent=False)
    assert place.apart is True
    place.accept(own, own, sent=True)
    assert place.apart is True
    wrong = {
        "version 0.0.1, and this process": replace(own, package="0.0.1"),
        "code ffffffffffff, and this process": replace(own, code="f" * 40),
        "Python 3.1, and this process": replace(own, python="3.1"),
    }
    for message, other in wrong.items():
        with pytest.raises(UserError, match=f"^node node-b of the Ray cluster .*{message}"):
            place.accept(other, own, sent=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"address": "127.0.0.1:1"}, "no Ray cluster answers at 127.0.0.1:1"),
        ({"address": "ray://127.0.0.1:1"}, "no Ray cluster answers at ray://127.0.0.1:1"),
        ({"address": "somewhere"}, "is not host:port"),
        ({"address": "127.0.0.1:99999"}, "no Ray cluster answers"),
        ({"cpus_per_cell": "0"}, "must be above 0"),
        ({"gpus_per_cel": "1"}, "did you mean 'gpus_per_cell'"),
        ({"gpus_per_cell": "many"}, "gpus_per_cell must be a number or none, not 'many'"),
    ],
)
def test_a_wrong_setting_is_said_within_seconds(settings: dict[str, str], message: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=message):
        engines.chosen("ray", settings)
    assert time.monotonic() - began < 30


def test_the_handler_of_sigterm_is_that_of_the_run() -> None:
    """With Ray's own, a run that is ended leaves without its report, with another exit code."""
    before = signal.getsignal(signal.SIGTERM)
    with ray_cluster.own_signals():
        signal.signal(signal.SIGTERM, lambda *_: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'data-weighting-bench\[ray\]'"):
        engines.chosen("ray")


@pytest.mark.parametrize(
    ("settings", "resources", "slots"),
    [
        ({}, {"CPU": 4.0}, 4),
        ({"cpus_per_cell": 2}, {"CPU": 5.0}, 2),
        ({}, {"CPU": 16.0, "GPU": 2.0}, 2),
        ({"gpus_per_cell": 0.25}, {"CPU": 16.0, "GPU": 2.0}, 8),
        ({"gpus_per_cell": 0.25}, {"CPU": 3.0, "GPU": 2.0}, 3),
        ({"gpus_per_cell": 0}, {"CPU": 3.0, "GPU": 2.0}, 3),
        ({"gpus_per_cell": 1}, {"CPU": 3.0}, 0),
    ],
)
def test_the_slots_of_a_node(settings: dict[str, float], resources: dict[str, float], slots: int) -> None:
    assert Ray(**settings).slots({"Resources": resources}) == slots  # type: ignore[arg-type]


def test_facts_are_those_of_the_process(tmp_path: Path) -> None:
    assert facts(tmp_path) == facts() == Facts(facts().package, facts().code, facts().python)
    assert not facts(tmp_path / "nothing").sees


def test_nodes_get_the_targets_of_trackers_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "WANDB_BASE_URL": "https://wandb.example",
        "WANDB_SWEEP_ID": "s",
        "MLFLOW_EXPERIMENT_NAME": "e",
        "MLFLOW_TRACKING_URI": "https://mlflow.example",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert values.items() <= environment().items()
    assert withheld() == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:word@mlflow.example")
    assert "MLFLOW_TRACKING_URI" not in environment()
    (line,) = withheld()
    assert line.startswith("MLFLOW_TRACKING_URI holds an @")
    assert "word@" not in line


@pytest.mark.parametrize(
    ("tracker", "variables", "notes", "lost"),
    [
        ("tensorboard", {}, [], True),
        ("mlflow", {}, [], True),
        ("mlflow", {"MLFLOW_TRACKING_URI": "sqlite:///x.db"}, [], True),
        ("mlflow", {"MLFLOW_TRACKING_URI": "http://host:5000"}, [], False),
        ("mlflow", {"MLFLOW_TRACKING_URI": "databricks"}, [], False),
        ("wandb", {"WANDB_MODE": "offline"}, [], True),
        ("wandb", {"WANDB_MODE": "online"}, [], False),
        ("wandb", {"WANDB_MODE": "online"}, ["W&B runs are kept in ./wandb; `wandb sync` sends them"], True),
        ("wandb", {"WANDB_MODE": "disabled"}, [], False),
    ],
)
def test_logging_to_files_of_a_node_without_the_store_is_a_failure(
    tracker: str,
    variables: dict[str, str],
    notes: list[str],
    lost: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = Outcome("m", State.DONE, {"notes": notes})
    monkeypatch.setattr(Slot, "run", lambda self, job: done)
    job = MirrorJob("m", tmp_path / "m", tmp_path, (), tracker, tmp_path / "cell", "twitter ce seed 0")
    outcome, written = Slot({}, tmp_path / "probe").run_apart(job, {})
    assert written == {}
    assert outcome == (done if not lost else replace(done, state=State.FAILED, summary={}, cause=outcome.cause))  # type: ignore[union-attr]
    if lost:
        assert "repeat the command with --engine local" in outcome.cause  # type: ignore[union-attr]


def test_what_a_dead_process_left_is_replaced_and_what_is_done_stays(tmp_path: Path) -> None:
    for name in ("given", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / DONE).write_text(name)
    here = tmp_path / "node"
    (here / "table").mkdir(parents=True)
    (here / "table" / "half.parquet").touch()
    for name in ("given", "other"):
        unpack(packed(tmp_path / name), here / "table", here)
        assert [path.name for path in (here / "table").iterdir()] == [DONE]
        assert (here / "table" / DONE).read_text() == "given"
    assert not list(here.glob(".part-*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_the_driver_cannot_write_ends_the_run(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = Job("a", tmp_path / "a", tmp_path, ())
    slots = Slots(Ray(), Queue({"a": job}, {"a": State.MISSING}, {}), Recorder(), Limits(), tmp_path / "probe")
    assert slots.sender.begin(job) is None

    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ray_cluster, "get", lambda reference: (Outcome("a", State.DONE), {"a": b""}))
    monkeypatch.setattr(ray_transfer, "place", refuse)
    place = Place(None, "node", "node-b", "answer", ready=True, apart=True, job=slots.queue.take())
    with pytest.raises(UserError) as caught:
        slots.take_in(place)
    assert isinstance(caught.value, StoreError) is (number != errno.EACCES)
    assert "node-b" not in str(caught.value)
    assert "finished cells are kept" in str(caught.value)
    assert slots.queue.states["a"] is State.RUNNING, "it has not failed"
    needy = Job("b", tmp_path / "b", tmp_path, ("a",))
    assert slots.sender.begin(needy) is None
    monkeypatch.setattr(ray_transfer, "packed", refuse)
    with pytest.raises(UserError):
        slots.sender.inputs(needy)
    assert slots.sender.leases == {}
    monkeypatch.setattr(ray_transfer, "acquire", refuse)
    with pytest.raises(UserError):
        Sender(slots.queue, bytes).begin(job)


def test_a_slot_that_ends_while_it_is_asked_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def get(reference: object) -> None:
        raise ray.exceptions.RayActorError

    job = Job("a", tmp_path / "a", tmp_path, ())
    monkeypatch.setattr(ray_cluster, "get", get)
    monkeypatch.setattr(ray_cluster, "nodes", lambda: {"node": {}})
    monkeypatch.setattr(ray_cluster, "answered", lambda references, seconds: references)
    place = Place(None, "node", "node-b", "answer", ready=True, job=job, began=-1e9, asked="asked")
    assert place.overdue(Limits()) == "died"


def test_the_silence_of_a_job_is_not_that_of_the_next(tmp_path: Path) -> None:
    job = Job("a", tmp_path / "a", tmp_path, ())
    slots = Slots(Ray(), Queue({"a": job}, {"a": State.MISSING}, {}), Recorder(), Limits(), tmp_path / "probe")
    actor = SimpleNamespace(run=SimpleNamespace(remote=lambda job: "answer"))
    place = Place(actor, "node", "node-b", None, ready=True, asked="asked of the job before")
    slots.give(place, job)
    assert place.asked is None


def test_cpus_are_rounded_up_and_cells_without_gpus_count_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, object] = {}
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: started.update(options))
    ray_cluster.connect("", cpus=2.5)
    assert started["num_cpus"] == 3
    monkeypatch.setattr("bench.execution.engines.ray.devices.gpus", lambda: ["0"])
    monkeypatch.setattr("bench.execution.engines.ray.cores", lambda: 8)
    assert Ray(gpus_per_cell=0).count(None) == 8
    assert Ray(gpus_per_cell=0.5).count(None) == 2
