"""Profiles a cell: runs a plan's jobs in this process, the last training under torch's profiler.

    python -m tests.performance.profile FOLDER OPTIONS.json

prints JSON: the seconds of each group of operations. Options are the arguments of `bench.config.request.make_request`.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

# Parts of names of operations by purpose. An operation in no group counts as `other`.
GROUPS: dict[str, tuple[str, ...]] = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::linear"),
    "activations and norms": ("gelu", "tanh", "relu", "layer_norm", "softmax"),
    "dropout": ("bernoulli", "dropout", "aten::ge", "aten::to"),
    "optimiser and clipping": ("adamw", "vector_norm", "Optimizer", "zero_grad", "foreach"),
    "moving and filling": ("copy_", "fill_", "index", "cat", "zero_", "embedding", "contiguous", "empty"),
    "elementwise": ("aten::add", "aten::mul", "aten::sum", "aten::div", "aten::sub"),
}

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")  # beginnings of the names of events


def main() -> None:
    """Run the plan, and print the profile of its last cell."""
    from bench.config.request import make_request
    from bench.execution import worker  # limits torch to one thread before the first computation
    from bench.jobs import CellJob
    from bench.planning.planner import make_plan

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="the store that the jobs are run in")
    parser.add_argument("options", type=Path, help="JSON file with the arguments of `make_request`")
    arguments = parser.parse_args()
    plan = make_plan(make_request(**json.loads(arguments.options.read_text(encoding="utf-8"))), arguments.folder)
    *before, last = sorted(plan.jobs.values(), key=lambda job: isinstance(job, CellJob))
    for job in before:
        outcome = worker.run_job(job)
        assert outcome.state == "done", outcome.cause
    print(json.dumps(profiled(last)))


def profiled(job: Any) -> dict[str, Any]:
    """The seconds of a job by group of operations, all its seconds, its memory (bytes) and its title.

    Of a GPU also: the number of kernels and graphs that were launched, and the share of the job's wall-clock time in
    which the GPU computed; 0 without one.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    from bench.execution import worker

    devices = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    began, at = time.process_time(), time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU, *devices]) as profiler:
        outcome = worker.run_job(job)
    assert outcome.state == "done", outcome.cause
    taken, wall = time.process_time() - began, time.perf_counter() - at
    groups = dict.fromkeys([*GROUPS, "other"], 0.0)
    events = profiler.key_averages()
    for event in events:
        groups[group(event.key)] += event.self_cpu_time_total / 1e6
    return {
        "groups": groups,
        "seconds": taken,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cell": job.title,
        "launches": sum(event.count for event in events if event.key.startswith(LAUNCHES)),
        "busy": sum(event.self_device_time_total for event in events) / 1e6 / wall,
    }


def group(operation: str) -> str:
    """The group of an operation: the first group of which a part is in its name."""
    return next((name for name, parts in GROUPS.items() if any(part in operation for part in parts)), "other")


if __name__ == "__main__":
    main()
