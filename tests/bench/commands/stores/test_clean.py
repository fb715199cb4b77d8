"""`bench clean` removes what is not needed and, above all, keeps the rest."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from bench.commands.stores.clean import clean, entries, size
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution import grid
from bench.execution.grid import Options
from bench.hashing import digest
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.store.files import write_json
from bench.store.folders import State, acquire, finish, state
from bench.store.layout import DONE, ERROR, LEASE, RUNNING
from bench.store.leases import exclusive
from bench.store.manifest import save
from tests.bench.store.test_leases import Clock, dead_owner, other_machines

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def trained(run_once: Callable[..., Plan]) -> Path:
    """The store with which each test begins."""
    return run_once(methods="dimp").root


@pytest.fixture
def store(run_here: Callable[..., Plan], trained: Path, tmp_path: Path) -> Plan:
    """A finished grid of `dimp` with its checker, and its manifest."""
    shutil.copytree(trained, tmp_path / "runs")
    plan = run_here(methods="dimp")  # all of it is there
    save(describe(plan, "python -m bench run"), plan.root)
    return plan


def removable(root: Path, failed: bool = False) -> dict[str, str]:
    """The names of removable folders, with the reason."""
    return {entry.path.name: entry.why for entry in entries(root, failed=failed) if entry.why}


def test_a_finished_grid_is_kept_whole(store: Plan) -> None:
    assert removable(store.root) == {}
    assert list(clean(store.root, failed=True, remove=True))[-1] == "nothing to remove"
    assert all(state(job.folder) is State.DONE for job in store.jobs.values())


def test_the_remains_of_dead_and_failed_attempts_are_removed(store: Plan) -> None:
    root = store.root
    (cell,) = (store.jobs[identity].folder for identity in store.cells)
    stale, half, failed, damaged = map(digest, ("stale", "half", "failed", "damaged"))
    write_json(root / "twitter" / "ce" / stale / LEASE, dead_owner())
    write_json(root / "twitter" / "ce" / half / "spec.json", {})
    write_json(root / "twitter" / "ce" / failed / ERROR, {"type": "X", "message": "y"})
    write_json(root / "twitter" / "ce" / damaged / DONE, {"files": {"predictions.parquet": 5}})
    (cell / "metrics.json.77.part").write_text("")
    (root / "twitter" / "ce" / ".adopted.77.part").mkdir()
    expected = dict.fromkeys((stale, half, "metrics.json.77.part", ".adopted.77.part"), "half-written")
    assert removable(root) == expected
    assert removable(root, failed=True) == {**expected, failed: "failed"}
    before = sorted(root.rglob("*"))
    lines = list(clean(root, failed=True, remove=False))
    assert sorted(root.rglob("*")) == before, "nothing is removed without --yes"
    assert lines[-1].startswith("5 of these can be removed")
    assert any(line.split()[:3] == ["cell", "damaged", "1"] for line in lines)
    list(clean(root, failed=True, remove=True))
    assert {path.name for path in root.glob("twitter/ce/*")} == {damaged}
    assert state(cell) is State.DONE


def test_precomputed_tables_of_no_grid_are_removable(store: Plan) -> None:
    orphan = store.root / ".artefacts" / "tokens" / digest("orphan")
    write_json(orphan / DONE, {})
    assert removable(store.root) == {orphan.name: "no grid with cells in this store needs it"}
    for identity in store.cells:
        for path in store.jobs[identity].folder.iterdir():
            path.unlink()
        store.jobs[identity].folder.rmdir()
    shared = {job.folder.name for identity, job in store.jobs.items() if identity not in store.cells}
    assert set(removable(store.root)) == {*shared, orphan.name}, "tables of a grid without cells are needed by nobody"


def test_a_removal_that_was_stopped_goes_on(store: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table without one of its files counted as damaged, which clean does not remove."""
    orphan = store.root / ".artefacts" / "tokens" / digest("orphan")
    orphan.mkdir()
    (orphan / "tokens.npy").touch()
    (orphan / "lengths.npy").touch()
    finish(orphan, {})

    def half(folder: Path) -> NoReturn:
        (folder / "tokens.npy").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", half)
        with pytest.raises(KeyboardInterrupt):
            list(clean(store.root, failed=False, remove=True))
    assert removable(store.root) == {orphan.name: "half-written"}
    list(clean(store.root, failed=False, remove=True))
    assert not orphan.exists()


def test_nothing_is_removed_while_a_run_uses_the_store(store: Plan) -> None:
    assert acquire(store.root, store.root / "twitter" / "ce" / digest("now"))
    with pytest.raises(UserError, match="a run uses"):
        list(clean(store.root, failed=False, remove=True))


def test_a_run_uses_its_store_from_its_start(
    store: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder: Path
) -> None:
    """Before its first cell has a folder, nothing but the run's own lease says that it needs the encoder's check."""
    seen: list[str] = []

    def check(plan: Plan) -> dict[str, list[str]]:
        with pytest.raises(UserError) as refusal:
            list(clean(plan.root, failed=False, remove=True))
        seen.append(str(refusal.value))
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.execution.grid.check_encoders", check)
    request = make_request(methods="dimp", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    with pytest.raises(KeyboardInterrupt):
        grid.run(request, Options(out=store.root, reports=tmp_path / "reports"), say=lambda _: None)
    assert seen == [f"a run uses {store.root} (process {os.getpid()} of {socket.gethostname()}); clean when it is done"]
    assert list(clean(store.root, failed=False, remove=True))[-1] == "nothing to remove"


def test_silent_runs_of_other_machines_are_waited_for(store: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = other_machines(store.root / "twitter" / "ce" / digest("stale"), 86_400)
    other_machines(store.root / RUNNING, 0)
    clock = Clock()
    monkeypatch.setattr("bench.store.leases.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("bench.store.leases.time.sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))
    list(clean(store.root, failed=False, remove=True))
    assert 60 <= clock.now <= 62
    assert not stale.exists()


def test_a_folder_that_a_run_takes_meanwhile_stays(store: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision to remove a folder is made under the lock that a run needs to take it."""
    stale = store.root / "twitter" / "ce" / digest("stale")
    write_json(stale / LEASE, dead_owner())

    @contextlib.contextmanager
    def late(root: Path) -> Iterator[None]:
        assert acquire(root, stale), "another run was a moment faster"
        with exclusive(root):
            yield

    monkeypatch.setattr("bench.commands.stores.clean.exclusive", late)
    with pytest.raises(UserError, match="a run uses"):
        list(clean(store.root, failed=False, remove=True))
    assert state(stale) is State.RUNNING


def test_a_hard_link_takes_no_space(store: Plan) -> None:
    before = size(entries(store.root, failed=False))
    (cell,) = (store.jobs[identity].folder for identity in store.cells)
    (cell / "again.parquet").hardlink_to(cell / "predictions.parquet")
    assert before == size(entries(store.root, failed=False)) > 0


def test_folders_that_are_not_the_stores_stay(store: Plan) -> None:
    mine = store.root / "papers" / "2026" / "draft"
    mine.mkdir(parents=True)
    (mine / "text.tex").write_text("text")
    list(clean(store.root, failed=True, remove=True))
    assert (mine / "text.tex").exists()


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    draft = tmp_path / "papers" / "2026" / digest("draft")
    draft.mkdir(parents=True)
    with pytest.raises(UserError, match="no results in"):
        list(clean(tmp_path, failed=True, remove=True))
    assert [path.name for path in tmp_path.rglob("*")] == ["papers", "2026", draft.name]


def test_the_command_needs_a_store(bench: Command) -> None:
    run = bench("clean")
    assert run.returncode == 2
    assert "/runs; type the command in the folder that holds runs, or" in run.stderr
