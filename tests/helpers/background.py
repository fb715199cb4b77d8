"""The command in the background, for tests that signal or kill it, and what it leaves in a store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.conftest import ROOT


def metrics(root: Path) -> dict[str, int]:
    """Every finished cell or precomputed table of a store, with the time of its end."""
    return {str(path.parent): path.stat().st_mtime_ns for path in root.glob("runs/**/metrics.json")}


def start(tmp_path: Path, tiny_encoder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A run in the background, in a session of its own."""
    own = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--no-figures")
    command = [sys.executable, "-m", "bench", *arguments, *own]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with default_interrupts():
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


@contextmanager
def default_interrupts() -> Iterator[None]:
    """Children started in the body have the usual handlers of Ctrl-C and of a closed terminal.

    A process inherits that a signal is ignored: tests that run in the background of a shell ignore Ctrl-C, and those
    under `nohup` ignore SIGHUP.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """A script that somebody wrote without a main guard, run in a folder."""
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def wait_for(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def working(process: psutil.Process) -> bool:
    """Whether a process still runs; one that nobody has waited for does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False
