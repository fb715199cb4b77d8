"""What the system refuses reaches the user by name: as the failure of a job, or as the one line that ends the run."""

from __future__ import annotations

import errno
import os
import pickle
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from bench.errors import UserError
from bench.execution import causes, limits, worker
from bench.execution.causes import StoreError
from bench.execution.engines import local
from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.store.files import read_json
from bench.store.folders import State, state


class Work(Job):
    """A job of a kind that only these tests have."""

    kind = "work"


@pytest.fixture
def job(tmp_path: Path) -> Work:
    root = tmp_path / "runs"
    return Work("work/1", root / ".artefacts" / "work" / "1", root, ())


def run(job: Job, error: BaseException) -> Outcome:
    """Run a job whose builder raises an error."""

    def build(_: Job) -> NoReturn:
        raise error

    return worker.run_job(job, {"work": build})


def refused(number: int, file: Path | None = None) -> OSError:
    """The error with which the system refuses something."""
    return OSError(number, os.strerror(number), *([str(file)] if file else []))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(errno.EMFILE), "Too many open files (ulimit -n allows "),
        (refused(errno.EFBIG), "File too large (ulimit -f limits"),
        (MemoryError(), "(out of memory: the worker had up to "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory\nat: f"), "memory (out of memory: the worker had up"),
        (RuntimeError("CUDA out of memory. Tried"), "Tried (fewer --workers or a smaller batch_size need less)"),
        (SystemExit(3), "SystemExit: 3"),
        (refused(errno.EACCES, Path("else/where")), "PermissionError: [Errno 13] Permission denied: 'else/where'"),
        (refused(errno.ENOSPC, Path("/another/disk")), "No space left on device: '/another/disk'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_names_its_cause(job: Work, error: BaseException, words: str) -> None:
    outcome = run(job, error)
    assert outcome.state is State.FAILED
    assert words in outcome.cause
    assert "\n" not in outcome.cause
    assert words.partition(": ")[2] in read_json(job.folder / "error.json")["message"]
    assert state(job.folder) is State.FAILED
    assert not (job.folder / "lease").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_store_that_cannot_be_written_ends_the_run(job: Work, number: int) -> None:
    with pytest.raises(StoreError, match=r"full|read-only") as caught:
        run(job, refused(number, job.folder / "metrics.json"))
    assert str(job.root) in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value), "it is sent to the parent"


def test_an_error_without_a_number_on_a_full_disk_ends_the_run(job: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 * 4096))
    with pytest.raises(StoreError, match="full"):
        run(job, OSError("800 requested and 300 written"))


@pytest.mark.parametrize("name", ["acquire", "log_to", "fail"])
def test_lease_log_and_error_file_are_inside_the_catch(job: Work, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise refused(errno.EACCES, job.folder / name)

    monkeypatch.setattr(worker, name, refuse)
    outcome = run(job, ValueError("the error of the job"))
    assert outcome.state is State.FAILED
    assert outcome.cause == ("ValueError: the error of the job" if name == "fail" else outcome.cause)
    assert "ValueError" in outcome.cause or "Permission denied" in outcome.cause


def test_a_revoked_permission_on_the_lease_is_a_failure(job: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise refused(errno.EACCES, job.folder / "lease")

    monkeypatch.setattr(Path, "unlink", refuse)
    outcome = worker.run_job(job, {"work": lambda _: {}})
    assert (outcome.state, "lease" in outcome.cause) == (State.FAILED, True)


def test_a_worker_sends_what_ends_the_run(job: Work) -> None:
    pool = local.Pool(Queue({}, {}, {}), SimpleNamespace(), limits.Limits())  # type: ignore[arg-type]
    here, there = local.CONTEXT.Pipe()
    own = local.Worker(SimpleNamespace(pid=None), here, None, job=job, silent=5.0)  # type: ignore[arg-type]
    there.send(None)
    pool.answer(own)
    assert (own.silent, own.job) == (0.0, job), "a heartbeat"
    there.send(StoreError("the disk is full"))
    with pytest.raises(StoreError, match="the disk is full"):
        pool.answer(own)


@pytest.mark.parametrize("error", [refused(errno.EMFILE), refused(errno.EAGAIN), EOFError()])
def test_a_worker_that_cannot_start_ends_the_run(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(local, "start_once", refuse)
    monkeypatch.setattr(local, "POLL", 0)
    with pytest.raises(UserError, match="a worker process cannot start: "):
        local.start(None)


Limit = tuple[int, int]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Limit, Limit], dict[int, Limit]]:
    """`shell(files, addresses)` sets the limits (soft, hard), of which -1 is none. They are returned as changed."""

    def set_limits(files: Limit, addresses: Limit) -> dict[int, Limit]:
        values = {resource.RLIMIT_NOFILE: files, resource.RLIMIT_AS: addresses}
        monkeypatch.setattr(resource, "getrlimit", values.__getitem__)
        monkeypatch.setattr(resource, "setrlimit", values.__setitem__)
        return values

    return set_limits


def test_limits_of_the_shell_are_raised_or_named(shell: Callable[[Limit, Limit], dict[int, Limit]]) -> None:
    none = (-1, -1)
    values = shell((12, 4096), none)
    limits.require_limits(2)
    assert values[resource.RLIMIT_NOFILE] == (20, 4096)
    shell(none, (4 << 30, 4 << 30))
    limits.require_limits(2)
    shell((12, 12), none)
    with pytest.raises(UserError, match=r"2 workers needs 20 open files, and the shell allows 12: see ulimit -n"):
        limits.require_limits(2)
    shell(none, (600 << 20, -1))
    with pytest.raises(UserError, match=r"needs 2\.0 GiB of memory, and the shell allows 0\.6 GiB: see ulimit -v"):
        limits.require_limits(2)


def test_memory_of_a_container_counts_where_it_is_smaller() -> None:
    free, total = causes.memory()
    assert 0 < free <= total
