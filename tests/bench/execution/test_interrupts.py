"""Signals: the first Ctrl-C finishes running jobs and reports, the second stops; SIGTERM and SIGHUP stop and report."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.execution.queue import Queue
from bench.execution.signals import (
    Stopped,
    ending_signals,
    first_interrupt,
    leave_closed,
    report_first,
    until_the_end,
)
from bench.system import ENDING
from tests.helpers.background import default_interrupts, metrics, start, wait_for

Command = Callable[..., "subprocess.CompletedProcess[str]"]
GRID = ("run", "--methods", "ce,dimp,real-only", "--seeds", "4")


@pytest.fixture(autouse=True)
def same_handlers() -> Iterator[None]:
    """Handlers are as before after each test: processes that later tests start would inherit an ignored signal."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def leases(root: Path) -> list[Path]:
    """Leases of cells and precomputed tables."""
    return list(root.rglob("lease"))


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_loses_nothing(bench: Command, tmp_path: Path, tiny_encoder: Path, times: int) -> None:
    process = start(tmp_path, tiny_encoder, *GRID, "--workers", "1")
    assert wait_for(
        lambda: list(tmp_path.glob("runs/twitter/**/metrics.json")) and leases(tmp_path / "runs" / "twitter")
    )
    os.killpg(process.pid, signal.SIGINT)
    if times == 2:
        assert process.stdout is not None
        assert any(b"Ctrl-C again stops now" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert b"Traceback" not in err
    assert b"the same command continues" in err
    assert leases(tmp_path) == [], "all leases are removed"
    finished = metrics(tmp_path)
    if times == 1:
        assert b"running job" in out
        assert b"cells not trained yet; the same command continues: " in out
        assert b"--retry-failed" not in out, "nothing failed"
        assert (tmp_path / "reports" / "leaderboard.md").exists()
        started = [path for path in tmp_path.glob("runs/twitter/*/*") if path.is_dir()]
        assert all((path / "metrics.json").exists() for path in started), "running cells were finished"
    else:
        assert not (tmp_path / "reports" / "leaderboard.md").exists()
    again = bench(*GRID, tiny=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(metrics(tmp_path)[path] == stamp for path, stamp in finished.items())
    assert len(finished) < len(metrics(tmp_path)), "the signal came before the grid was done"


def test_an_interrupt_while_the_grid_is_planned_is_no_traceback(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start(tmp_path, tiny_encoder, *GRID, "--workers", "1")
    assert wait_for(lambda: (tmp_path / "runs").exists())
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_signal_that_ends_the_run_leaves_a_report_and_no_lease(
    tmp_path: Path, tiny_encoder: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, tiny_encoder, *GRID, "--workers", "1")
    cells = tmp_path / "runs" / "twitter"
    assert wait_for(lambda: list(cells.glob("*/*/metrics.json")) and list(cells.glob("*/*/lease")))
    for _ in range(2):  # a terminal that closes sends SIGHUP more than once
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, out + err
    assert f"stopped by {number.name}".encode() in out
    assert b"Traceback" not in err
    assert leases(tmp_path) == []
    assert (tmp_path / "reports" / "leaderboard.md").exists()
    assert f"{len(list(cells.glob('*/*/metrics.json')))}/12 cells done" in out.decode(), "as many as have a result"


def raised_and_checked(number: signal.Signals) -> None:
    """A signal within the body of `ending_signals`, and a check after it."""
    with ending_signals() as check:
        signal.raise_signal(number)
        check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_at_the_next_check(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with ending_signals() as check:
            check()
        assert signal.getsignal(number) is signal.SIG_DFL
        with pytest.raises(Stopped) as caught:
            raised_and_checked(number)
        assert (caught.value.code, caught.value.name) == (128 + number, number.name)
        assert signal.getsignal(number) is signal.SIG_IGN, "the report is still to be written"
        signal.signal(number, signal.SIG_IGN)
        raised_and_checked(number)  # nohup stays in force
    finally:
        signal.signal(number, before)


def test_a_ctrl_c_during_the_last_report_lets_it_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    """Some of its files were those of the former report."""
    own, done = Queue({}, {}, {}), list[str]()
    with default_interrupts():
        with report_first(own):
            signal.raise_signal(signal.SIGINT)
            done.append("report")
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert (own.closed, done) == (True, ["report"]), "no further round begins"
        assert "finishing the report; Ctrl-C again stops now" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt), report_first(own):
            signal.raise_signal(signal.SIGINT)  # the second one of a run


def reported(number: signal.Signals, done: list[str]) -> None:
    """A signal that comes after the queue has ended, and before the report is written."""
    with until_the_end():
        with ending_signals() as check:
            check()
        signal.raise_signal(number)
        done.append("report")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_last_report_ends_the_run_after_it(number: signal.Signals) -> None:
    """It killed the process, and the early report stayed."""
    before, done = signal.signal(number, signal.SIG_DFL), list[str]()
    try:
        with pytest.raises(Stopped) as caught:
            reported(number, done)
        assert (caught.value.code, done) == (128 + number, ["report"])
        signal.signal(number, signal.SIG_DFL)
        with until_the_end(), ending_signals():
            pass
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_the_output_of_a_closed_terminal_goes_nowhere() -> None:
    master, terminal = os.openpty()
    os.close(master)
    with pytest.raises(OSError, match="Input/output error"):
        os.write(terminal, b"x")
    leave_closed([terminal])
    os.write(terminal, b"x")
    os.close(terminal)


@default_interrupts()
def test_the_first_interrupt_calls_and_the_second_raises() -> None:
    called: list[int] = []
    with first_interrupt(lambda: called.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert called == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert called == [1]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with first_interrupt(lambda: pytest.fail("never called")):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_signals_alone() -> None:
    handlers: list[object] = []

    def body() -> None:
        with first_interrupt(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
