"""Faults of clusters on real runs: `python -m tests.faults [ray|slurm|s3]...` (all by default).

A grid runs on an engine, or from two machines on one S3 store, while nodes, processes and the command are lost.
Afterwards each cell must be there once and whole, no lease may be left, and each result must be that of an undisturbed
run of the local engine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.faults import ray_nodes, s3_runs, slurm_node
from tests.faults.grid import Grid

FAULTS = {"ray": ray_nodes.run, "slurm": slurm_node.run, "s3": s3_runs.run}


def main(names: list[str]) -> int:
    """Run the faults of some engines, print what they found, and return the exit code."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        grid = Grid(Path(folder))
        grid.undisturbed()
        for name in names or list(FAULTS):
            reason = FAULTS[name](grid)
            if reason:
                print(f"{name}: skipped: {reason}", flush=True)
                continue
            problems = grid.problems(name)
            wrong += len(problems)
            print(*[f"{name}: {line}" for line in problems or [grid.summary(name)]], sep="\n", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
