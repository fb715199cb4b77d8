"""Where a cell's time goes: one worker's jobs in this process, the last training under torch's profiler.

    python -m tests.performance.profile FOLDER OPTIONS.json

prints seconds by group of operations as JSON. Options are those of `bench.request.request`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

# What the operations of a profile are for; what is in no group is `other`.
GROUPS: dict[str, tuple[str, ...]] = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::linear"),
    "activations and norms": ("gelu", "tanh", "relu", "layer_norm", "softmax"),
    "dropout": ("bernoulli", "dropout", "aten::ge", "aten::to"),
    "optimiser and clipping": ("adamw", "vector_norm", "Optimizer", "zero_grad", "foreach"),
    "moving and filling": ("copy_", "fill_", "index", "cat", "zero_", "embedding", "contiguous", "empty"),
    "elementwise": ("aten::add", "aten::mul", "aten::sum", "aten::div", "aten::sub"),
}


def main() -> None:
    """Run the plan; the last cell is profiled."""
    from bench.config.request import make_request
    from bench.execution import worker  # sets one thread before anything computes
    from bench.jobs import CellJob
    from bench.planning.planner import make_plan

    made = make_plan(make_request(**json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))), Path(sys.argv[1]))
    *before, last = sorted(made.jobs.values(), key=lambda job: isinstance(job, CellJob))
    for job in before:
        outcome = worker.run(job)
        assert outcome.state == "done", outcome.cause
    print(json.dumps(profiled(last)))


def profiled(job: Any) -> dict[str, Any]:
    """Seconds of a job by group, and all of them."""
    from torch.profiler import ProfilerActivity, profile

    from bench.execution import worker

    began = time.process_time()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        outcome = worker.run(job)
    assert outcome.state == "done", outcome.cause
    taken = time.process_time() - began
    groups = dict.fromkeys([*GROUPS, "other"], 0.0)
    for event in found.key_averages():
        groups[group(event.key)] += event.self_cpu_time_total / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"groups": groups, "seconds": taken, "memory": peak, "cell": job.title}


def group(operation: str) -> str:
    """The group of an operation, by the first part of its name that is known."""
    return next((name for name, parts in GROUPS.items() if any(part in operation for part in parts)), "other")


if __name__ == "__main__":
    main()
