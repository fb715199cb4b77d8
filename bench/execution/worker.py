"""A warm worker: one process, one thread, the models loaded once, jobs one after the other.

This module is preloaded by the fork server, so it sets the number of threads before anything computes: with more
threads than cores every worker waits for the others.
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow.parquet  # noqa: F401 - before the fork, as modeling_utils: else each worker spends two seconds on them
import torch
import transformers
import transformers.modeling_utils

from bench.jobs import Job, Outcome
from bench.precomputed import embeddings, tokens
from bench.precomputed import external_scores as scores
from bench.precomputed import frozen_states as states
from bench.precomputed import out_of_fold as folds
from bench.store.files import read_json, write_json
from bench.store.folders import State, acquire, adopt, failure, state
from bench.store.layout import DONE, ERROR, LOG
from bench.store.leases import heartbeat
from bench.tracking import trackers as tracking
from bench.training import cell, dynamics, tuned

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
# Tensors of one batch after the other are of like sizes: glibc is to keep their memory, not to map and clear it anew.
# (-3: M_MMAP_THRESHOLD at its highest, -1: M_TRIM_THRESHOLD; other C libraries have no mallopt.)
with contextlib.suppress(OSError, AttributeError):
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(-3, 32 << 20), mallopt(-1, 256 << 20)
LARGE = 2**30  # bytes resident from which a worker gives back between jobs what lies free among its memory
# What is imported by now stays: collections between cells need not look at it, nor copy the fork server's pages.
gc.collect()
gc.freeze()

BUILDERS: dict[str, Any] = {
    "tokens": tokens.build,
    "states": states.build,
    "embeddings": embeddings.build,
    "folds": folds.build,
    "dynamics": dynamics.build,
    "scores": scores.build,
    "cell": cell.build,
    "tuned": tuned.build,
    "mirror": tracking.build,
}

TRAIN = ("cell", "dynamics", "tuned")  # the builders that are told how to train


def main(connection: Connection, device: str | None) -> None:
    """Serve jobs until told to stop with None, on one GPU if one is named. Dies with the process that started it."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to decide on
    threading.Thread(target=follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError):
        while (job := connection.recv()) is not None:
            connection.send(run(job))
            if resident() > LARGE:
                give_back()


def resident() -> int:
    """Bytes of this process in memory, 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def give_back() -> None:
    """Return free memory to the system: over many cells of other sizes the heap breaks up and would only grow."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def follow_parent() -> None:
    """End at once when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by multiprocessing"
    parent.join()
    os._exit(1)


def run(job: Job, builders: Mapping[str, Any] = BUILDERS) -> Outcome:
    """Build one job under its lease. A failure is written down and returned, never raised."""
    if not acquire(job.root, job.folder, job.other_folder):
        found = made_elsewhere(job)
        if found is State.DONE:
            return Outcome(job.id, found, read_json(job.folder / DONE))
        return Outcome(job.id, found, cause=failure(job.folder) if found is State.FAILED else "")
    began = time.perf_counter()
    with heartbeat(job.folder), log_to(job), contextlib.ExitStack() as output:
        log = output.enter_context((job.folder / LOG).open("a", encoding="utf-8"))
        output.enter_context(contextlib.redirect_stderr(log))
        output.enter_context(contextlib.redirect_stdout(log))
        try:
            summary = builders[job.kind](job)
        except Exception as error:
            traceback.print_exc(file=log)
            message = str(error).replace(f"{job.root}/", "")  # reports travel, and name folders below the store
            cause = f"{type(error).__name__}: {message}".split("\n")[0]
            told = {"type": type(error).__name__, "message": message, "traceback": traceback.format_exc()}
            write_json(job.folder / ERROR, {**told, "job": job.title})
            return Outcome(job.id, State.FAILED, cause=cause, seconds=time.perf_counter() - began)
    return Outcome(job.id, State.DONE, summary, seconds=time.perf_counter() - began)


def made_elsewhere(job: Job) -> State:
    """The state of a job that is not this worker's to build; what is done under its other name is taken over."""
    found = state(job.folder)
    if job.other_folder is None or found in (State.RUNNING, State.DONE, State.FAILED):
        return found
    return State.DONE if adopt(job.other_folder, job.folder, job.root) else State.RUNNING


@contextlib.contextmanager
def log_to(job: Job) -> Any:
    """Warnings and log records of the job go to its own `log.txt`."""
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
