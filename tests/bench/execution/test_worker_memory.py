"""A worker's memory: the free parts of a fragmented heap are returned to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Every other block is freed, so that the end of the heap stays in use.
FRAGMENTED = """
import torch
from bench.execution import worker
blocks = [torch.ones(250_000) for _ in range(400)]
full = worker.resident()
last = blocks[-1]
del blocks[::2]
kept = worker.resident()
worker.return_memory()
print(full, kept, worker.resident(), len(blocks), float(last[0]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc and /proc")
def test_free_memory_is_returned_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, check=True)
    full, remaining, after, *_ = (float(part) for part in done.stdout.split())
    half = 200 * 250_000 * 4
    assert remaining > full - half / 2, "freed blocks are kept for the next ones"
    assert after < remaining - half / 2
