"""Processes that do not run the caller's script again, and the GPUs that this process may use."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep multiprocessing from running the caller's script again in each process: nothing of it is needed there."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        if "__spec__" in kept:
            main.__spec__ = None
        if "__file__" in kept:
            del main.__file__
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


@contextlib.contextmanager
def pool(parts: int) -> Iterator[ProcessPoolExecutor]:
    """As many processes as there are cores, but not more than parts; they start as work is given to them."""
    most = min(len(os.sched_getaffinity(0)), parts)
    with (
        without_main(),
        ProcessPoolExecutor(most, mp_context=multiprocessing.get_context("forkserver")) as made,
    ):
        yield made


def devices() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them; found without torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [entry.strip() for entry in named.split(",") if entry.strip() not in ("", "-1")]
    return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
