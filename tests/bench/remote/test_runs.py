"""Runs of two machines on one remote store: who computes what, whose death is noticed, and what is left at the end."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.remote.job_leases import LEASES
from bench.remote.lives import living_runs
from bench.remote.local_copy import LocalCopy
from bench.remote.runs import BACKGROUND, RemoteRun
from bench.store import leases
from bench.store.folders import State, result_of, state
from bench.store.layout import RUNNING
from tests.bench.remote.folders import CELL, done, failed, grid

Copy = Callable[[str], LocalCopy]
JOB = CELL.rpartition("/")[2]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked again at once about what another run computes, and hears from each run often."""
    monkeypatch.setattr(leases, "HEARTBEAT", 0.05)
    for module in ("runs", "job_leases"):
        monkeypatch.setattr(f"bench.remote.{module}.ASK_AGAIN", 0.0)


def left(copy: LocalCopy) -> list[str]:
    """Leases, heartbeats and probes in a store."""
    return sorted(copy.objects.listing([LEASES, RUNNING, ".probe"]))


def no_answer(path: str, *how: object, **more: object) -> None:
    """What a network that is down does to each request."""
    raise ConnectionError("network down")


def begun(copy: LocalCopy) -> RemoteRun:
    """A run that is registered and then silent, as one whose machine was lost."""
    run = RemoteRun(copy)
    run.require_writable()
    run.beat(0)
    return run


def test_of_two_runs_one_computes_and_the_other_gets_the_result(copy: Copy, at_once: None) -> None:
    a, b = copy("a"), copy("b")
    with ExitStack() as stack:
        one, other = RemoteRun(a), RemoteRun(b)
        stack.enter_context(one.registered()), stack.enter_context(other.registered())
        ours, theirs = a.root / CELL, b.root / CELL
        assert one.take(ours, None)
        assert one.take(ours, None), "its own lease"
        assert not other.take(theirs, None)
        assert other.state_elsewhere(theirs, None) is State.RUNNING
        one.ended([done(a.root)])
        one.send_rest()
        assert other.state_elsewhere(theirs, None) is State.DONE
        assert not other.take(theirs, None)
        assert state(theirs) is State.DONE
        assert [*one.summary()] == [f"{a.objects.url}: 1 folder sent"]
        assert other.unsent == one.unsent == {}
    assert left(a) == []


def test_a_result_in_the_other_folder_of_a_job_is_taken_over(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    checker = f".artefacts/checker/{JOB}"
    done(a.root, checker)
    a.send()
    run = begun(b)
    assert not run.take(b.root / CELL, b.root / checker)
    assert state(b.root / CELL) is State.DONE
    run.send_rest()
    assert f"{CELL}.tar" in a.objects.listing(["twitter/ce"])


def test_a_result_to_be_replaced_stays_in_the_store_until_its_job_is_taken(copy: Copy, at_once: None) -> None:
    a, b = copy("a"), copy("b")
    done(a.root), a.send(), b.fetch([CELL])
    old = (result_of(a.root / CELL),)
    one, other = begun(a), begun(b)
    one.send_rest()
    assert f"{CELL}.tar" in a.objects.listing(["twitter/ce"])
    assert one.take(a.root / CELL, None, old)
    assert f"{CELL}.tar" not in a.objects.listing(["twitter/ce"])
    assert not other.take(b.root / CELL, None, old)
    assert other.state_elsewhere(b.root / CELL, None) is State.RUNNING
    one.ended([done(a.root, content="new")])
    one.send_rest()
    assert not other.take(b.root / CELL, None, old), "the new result is not replaced once more"
    assert (b.root / CELL / "predictions.parquet").read_text() == "new"


def test_a_result_to_be_replaced_does_not_return_after_an_outage(
    copy: Copy, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = copy("a")
    done(a.root), a.send()
    run, old = begun(a), (result_of(a.root / CELL),)
    monkeypatch.setattr("bench.remote.outage.AGAIN", 0.0)
    with monkeypatch.context() as patch:
        for method in ("pipe_file", "cat_file", "find"):
            patch.setattr(a.objects.system, method, no_answer)
        assert not run.take(a.root / CELL, None, old)
    assert run.state_elsewhere(a.root / CELL, None) is State.STALE
    assert run.take(a.root / CELL, None, old)


def test_a_failure_is_not_tried_again_by_others(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    one, other = begun(a), begun(b)
    assert one.take(a.root / CELL, None)
    one.ended([failed(a.root)])
    one.send_rest()
    assert not other.take(b.root / CELL, None)
    assert other.state_elsewhere(b.root / CELL, None) is State.FAILED


def test_asking_for_a_job_does_not_delay_the_queue(copy: Copy, at_once: None) -> None:
    a, b = copy("a"), copy("b")
    one, other = begun(a), begun(b)
    assert one.take(a.root / CELL, None)
    assert other.last_state(b.root / CELL, None) is State.RUNNING
    one.leases.give_back(JOB)
    states = []
    while not states or states[-1] is State.RUNNING:
        states.append(other.last_state(b.root / CELL, None))
        time.sleep(0.01)
    assert states[-1] is State.STALE


def test_a_damaged_result_is_computed_again(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    a.objects.write(f"{CELL}.tar", b"no archive")
    one = begun(b)
    b.fetch()
    assert one.take(b.root / CELL, None)
    one.ended([done(b.root, content="again")])
    one.send_rest()
    a.fetch()
    assert (a.root / CELL / "predictions.parquet").read_text() == "again"


def test_a_silent_run_is_dead_for_whoever_watched_it(
    copy: Copy, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = copy("a"), copy("b"), copy("c")
    monkeypatch.setattr(leases, "EXPIRY", 60.0)
    silent, other = begun(a), begun(b)
    assert silent.take(a.root / CELL, None)
    assert not other.take(b.root / CELL, None)
    assert other.state_elsewhere(b.root / CELL, None) is State.RUNNING
    with monkeypatch.context() as patch:
        patch.setattr(leases, "EXPIRY", 0.0)  # as if it had been silent for so long
        assert other.state_elsewhere(b.root / CELL, None) is State.STALE
        assert other.take(b.root / CELL, None)
    assert not begun(c).take(c.root / CELL, None)
    # The silent one wakes and finishes, too late to be the first.
    other.ended([done(b.root, content="theirs")])
    other.send_rest()
    silent.ended([done(a.root, content="late")])
    silent.send_rest()
    assert (a.root / CELL / "predictions.parquet").read_text() == "theirs"
    assert [name for name in left(a) if name.startswith(LEASES)] == []


def test_a_chain_of_deaths_ends_with_one_owner(copy: Copy, at_once: None) -> None:
    runs = [begun(copy(name)) for name in "abc"]
    for run in runs:
        assert run.take(run.copy.root / CELL, None)
        run.objects.remove(f"{RUNNING}/{run.token}")  # its machine was lost, and somebody has noticed
    last = begun(copy("d"))
    assert last.take(last.copy.root / CELL, None)
    assert len(left(last.copy)) == 5
    last.leases.give_back(JOB)
    assert left(last.copy) == [f"{RUNNING}/{last.token}"]


def test_the_next_run_of_a_machine_knows_at_once_that_the_last_one_died(copy: Copy) -> None:
    a = copy("a")
    dead = begun(a)
    assert dead.take(a.root / CELL, None)
    (a.root / ".remote" / "runs").mkdir(parents=True)
    (a.root / ".remote" / "runs" / dead.token).write_text(json.dumps({"pid": 1, "machine": leases.machine()}))
    again = RemoteRun(copy("a"))
    with again.registered():
        assert again.take(a.root / CELL, None)
        again.ended([done(a.root)])
        again.send_rest()
    assert left(a) == []


def test_what_dead_runs_left_is_swept_and_a_chain_with_a_living_owner_is_not(copy: Copy) -> None:
    a = copy("a")
    a.objects.write(f"{LEASES}/broken", b"not even JSON")
    a.objects.write(f"{LEASES}/{JOB}", json.dumps({"run": "gone", "id": "1"}).encode())
    chain = [f"{LEASES}/{JOB}", f"{LEASES}/{JOB}.1"]  # the first is dead, its successor is not
    b = copy("b")
    assert begun(b).take(b.root / CELL, None)
    with RemoteRun(a).registered():
        pass
    assert [name for name in left(a) if name.startswith(LEASES)] == chain


def test_a_store_without_conditional_writes_bears_one_run(
    copy: Copy, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = copy("a")
    plain = a.objects.system.pipe_file
    monkeypatch.setattr(a.objects.system, "pipe_file", lambda path, content, mode="": plain(path, content))
    with RemoteRun(a).registered() as lines:
        assert "only one run at a time is safe" in lines[0]
        with pytest.raises(UserError, match=r"has no conditional writes, and a run uses it: process \d+ of "):
            RemoteRun(copy("b")).registered().__enter__()
    assert living_runs(copy("c")) == []


def test_what_cannot_be_sent_is_said_and_sent_by_the_next_command(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a = copy("a")
    run = begun(a)
    assert run.take(a.root / CELL, None)
    with monkeypatch.context() as patch:

        def refuse(path: Path, content: bytes, **how: object) -> None:
            raise PermissionError("Access Denied")

        patch.setattr(a.objects.system, "pipe_file", refuse)
        run.ended([done(a.root)])
        run.send_rest()
    assert list(run.unsent) == [CELL, ""]
    assert "not everything could be sent (cannot write" in [*run.summary()][-1]
    assert copy("a").send() == [CELL]


def test_each_folder_that_a_thread_sends_is_counted(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number from before a request was added to, so of 8 that were sent at a time 1 was counted."""
    a = copy("a")
    run = begun(a)
    names = [f"twitter/ce/{number:020}" for number in range(BACKGROUND)]
    run.leases.held = dict.fromkeys((name.rpartition("/")[2] for name in names), "")
    together, send_one = threading.Barrier(len(names), timeout=60), a.send_one
    monkeypatch.setattr(a, "send_one", lambda name: together.wait() >= 0 and send_one(name))
    for name in names:
        run.ended([done(a.root, name)])
    for one in run.sending:
        one.result()
    assert f"{a.objects.url}: {BACKGROUND} folders sent" in [*run.summary()]


def test_an_outage_is_waited_out_and_said_once(copy: Copy, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    a, second = copy("a"), "twitter/ce/fedcba98765432100123"
    run = begun(a)
    monkeypatch.setattr("bench.remote.outage.AGAIN", 0.0)
    assert run.take(a.root / CELL, None)
    with monkeypatch.context() as patch:
        for method in ("pipe_file", "cat_file", "find"):
            patch.setattr(a.objects.system, method, no_answer)
        assert not run.take(a.root / second, None)
        assert run.last_state(a.root / second, None) is State.RUNNING
        run.asked[second.rpartition("/")[2]][1].result()
        run.ended([done(a.root)])
        run.sending[0].result()
        assert [*run.unsent] == [CELL]
        assert len(run.notes) == 1
        assert "does not answer: the run goes on with what it has, and waits (cannot write " in run.notes[0]
    run.asked.clear()
    while run.last_state(a.root / second, None) is not State.STALE:
        time.sleep(0.01)
    assert run.take(a.root / second, None)
    run.ended([done(a.root, second)])
    for one in run.sending:
        one.result()
    assert {f"{CELL}.tar", f"{second}.tar"} <= {*a.objects.listing(["twitter"])}, "what was late is sent by now"
    run.send_rest()
    assert (run.unsent, run.leases.held, len(run.notes)) == ({}, {}, 1)


def test_a_lease_whose_answer_was_lost_is_taken_again(
    copy: Copy, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = copy("a")
    run = begun(a)
    monkeypatch.setattr("bench.remote.outage.AGAIN", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(a.objects.system, "find", no_answer)
        assert not run.take(a.root / CELL, None)
    assert run.state_elsewhere(a.root / CELL, None) is State.STALE
    assert run.take(a.root / CELL, None)
    run.leases.give_back(JOB)
    assert left(a) == [f"{RUNNING}/{run.token}"]


def test_a_refusal_ends_a_run(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a = copy("a")
    run = begun(a)

    def refuse(path: str, *how: object, **more: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(a.objects.system, "pipe_file", refuse)
    with pytest.raises(UserError, match="access denied"):
        run.take(a.root / CELL, None)


def test_a_run_removes_nothing_that_vanished_from_its_copy(copy: Copy) -> None:
    a = copy("a")
    done(a.root), grid(a.root), a.send()
    run = begun(a)
    a.fetch([CELL])
    shutil.rmtree(a.root)
    run.send_rest()
    assert {f"{CELL}.tar", ".grids/empty.json"} <= {*a.objects.listing([""])}


def test_a_run_that_computes_a_damaged_result_again_sends_it(copy: Copy) -> None:
    a = copy("a")
    done(a.root), a.send()
    (a.root / CELL / "predictions.parquet").write_text("rowz")
    a.objects.remove(f"{CELL}.tar")  # another run forgot it
    run = begun(a)
    assert run.take(a.root / CELL, None)
    run.ended([done(a.root)])
    run.send_rest()
    assert f"{CELL}.tar" in a.objects.listing([""])
