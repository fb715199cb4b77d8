"""A warm worker: one process of one thread that loads each model once and runs jobs one after the other.

The fork server imports this module, so it sets the number of threads before anything computes: with more threads than
cores every worker waits for the others.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import contextlib
import ctypes
import gc
import logging
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import psutil
import pyarrow.parquet  # noqa: F401 - imported before the fork, like modeling_utils: saves each worker two seconds
import torch
import transformers
import transformers.modeling_utils  # noqa: F401 - as above

from bench.devices import Environment, enter
from bench.encoders import matmul
from bench.errors import UserError
from bench.execution.causes import StoreError, explained, store_error
from bench.execution.limits import require_gpu
from bench.execution.queue import outcome_elsewhere
from bench.jobs import Job, Outcome
from bench.precomputed import (
    embeddings,
    encoder_check,
    external_scores,
    frozen_states,
    out_of_fold,
    row_columns,
    tokens,
)
from bench.processes import HEART
from bench.store.folders import State, acquire, fail
from bench.store.layout import LOG
from bench.store.leases import heartbeat
from bench.tracking import trackers
from bench.training import cell, dynamics, tuned
from tasks.errors import without_password

NO_GLIBC = (OSError, AttributeError, TypeError)  # what `ctypes.CDLL(None)` and its functions raise elsewhere
torch.set_num_threads(1)
torch.set_num_interop_threads(1)
transformers.logging.set_verbosity_error()
# Batches follow each other with tensors of similar sizes: glibc shall keep their memory instead of mapping it anew.
# (-3: M_MMAP_THRESHOLD at its highest, -1: M_TRIM_THRESHOLD; other C libraries have no mallopt.)
with contextlib.suppress(*NO_GLIBC):
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(-3, 32 << 20), mallopt(-1, 256 << 20)
LARGE = 2**30  # bytes resident from which a worker returns its free memory to the system between jobs
# All objects so far stay: collections between cells then skip them, and do not copy the fork server's pages.
gc.freeze()

BUILDERS: dict[str, Any] = {
    "encoder": encoder_check.build,
    "tokens": tokens.build,
    "states": frozen_states.build,
    "embeddings": embeddings.build,
    "folds": out_of_fold.build,
    "dynamics": dynamics.build,
    "scores": external_scores.build,
    "column": row_columns.build,
    "cell": cell.build,
    "tuned": tuned.build,
    "mirror": trackers.build,
}

TRAIN = ("cell", "dynamics", "tuned")  # the builders that take a function `training`


def main(connection: Connection, environment: Environment) -> None:
    """Run jobs from a pipe until it sends None, on the devices that the environment names.

    Ends when the parent process ends. Sends a heartbeat (None) while a job makes progress, its outcome, or the error
    that must stop the run.
    """
    enter(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        require_gpu()
    except UserError as error:
        connection.send(error)
        return
    HEART.call = partial(send_heartbeat, connection)
    matmul.use_fastest()
    with contextlib.suppress(EOFError):
        while (job := connection.recv()) is not None:
            try:
                connection.send(run_job(job))
            except StoreError as error:
                connection.send(error)
            if resident() > LARGE:
                return_memory()


def send_heartbeat(connection: Connection) -> None:
    """Tell the parent that the job makes progress. If the parent has ended, so does this process, see below."""
    with contextlib.suppress(OSError):
        connection.send(None)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(psutil.Process().memory_info().rss)


def return_memory() -> None:
    """Return free memory to the system: over many cells of different sizes the heap fragments and would only grow."""
    gc.collect()
    with contextlib.suppress(*NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)


def follow_parent() -> None:
    """End this process at once when its parent ends, for whatever reason."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by multiprocessing"
    parent.join()
    os._exit(1)


def run_job(job: Job, builders: Mapping[str, Any] = BUILDERS) -> Outcome:
    """Run one job under its lease. A failure is written to `error.json` and returned.

    Raises StoreError where no job can be finished, because the store's disk is full or read-only.
    """
    began = time.perf_counter()
    try:
        if not acquire(job.root, job.folder, job.other_folder, job.replaces):
            return outcome_elsewhere(job)
        with heartbeat(job.folder):
            outcome = logged(job, builders[job.kind])
    except (Exception, SystemExit) as error:
        if problem := store_error(error, job.root):
            raise problem from error
        cause = f"{type(error).__name__}: {message(job, error)}".split("\n")[0]
        outcome = Outcome(job.id, State.FAILED, cause=cause)
    lost = outcome.state is not State.DONE and gpu_lost()
    return replace(outcome, seconds=time.perf_counter() - began, gpu_lost=lost)


def gpu_lost() -> bool:
    """Whether an error of CUDA, such as a failed assertion on the device, left this process unable to use its GPU."""
    if torch.cuda.is_initialized():
        try:
            torch.cuda.synchronize()
        except RuntimeError:
            return True
    return False


def logged(job: Job, builder: Any) -> Outcome:
    """Run a job's builder; its output, warnings and traceback go to the job's log, an error to `error.json` too.

    Raises the builder's error, unless another process has taken the folder: then that one runs the job.
    """
    with log_to(job), contextlib.ExitStack() as output:
        log = output.enter_context((job.folder / LOG).open("a", encoding="utf-8"))
        output.enter_context(contextlib.redirect_stderr(log))
        output.enter_context(contextlib.redirect_stdout(log))
        try:
            return Outcome(job.id, State.DONE, builder(job))
        except (Exception, SystemExit) as error:
            with contextlib.suppress(OSError):  # the error itself is what counts
                trace = without_password(traceback.format_exc())
                log.write(trace)
                details = {"message": message(job, error), "traceback": trace, "job": job.title}
                if fail(job.folder, {"type": type(error).__name__, **details}) is State.RUNNING:
                    return Outcome(job.id, State.RUNNING)  # another process has taken the folder
            raise


def message(job: Job, error: BaseException) -> str:
    """An error's message with what the system refused. Reports quote it: it has neither local folders nor passwords."""
    first, newline, rest = without_password(str(error)).replace(f"{job.root}{os.sep}", "").partition("\n")
    return first + explained(error) + newline + rest


@contextlib.contextmanager
def log_to(job: Job) -> Any:
    """Write warnings and log messages of the job to its own `log.txt`."""
    handler = logging.FileHandler(job.folder / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
