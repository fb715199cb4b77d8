"""Process pools that do not run the caller's script again, and the GPUs that this process may use."""

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
    """Keep multiprocessing from running the caller's script in each new process, where it is not needed."""
    main = sys.modules["__main__"]
    saved = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        if "__spec__" in saved:
            main.__spec__ = None
        if "__file__" in saved:
            del main.__file__
        yield
    finally:
        for name, value in saved.items():
            setattr(main, name, value)


@contextlib.contextmanager
def pool(parts: int) -> Iterator[ProcessPoolExecutor]:
    """A pool with a process per core, but at most `parts`. They start when work is submitted."""
    count = min(len(os.sched_getaffinity(0)), parts)
    with (
        without_main(),
        ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("forkserver")) as executor,
    ):
        yield executor


def devices() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them. Works without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [entry.strip() for entry in visible.split(",") if entry.strip() not in ("", "-1")]
    return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
