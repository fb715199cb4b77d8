"""Times a grid on a GPU, with an encoder of bert-base size and random weights in bf16, against `Trainer`.

It also prices each method, counts the kernels that an update launches, and fails if the last cell was not in bf16.
The roofline of an update is the time of its arithmetic at the measured bf16 peak, or the time to move its weights at
the measured bandwidth, whichever is longer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.devices import gpus
from bench.errors import UserError
from bench.leaderboard.read.scores import read_predictions
from tasks.errors import plural
from tests.performance import machine, page
from tests.performance.cpu import Sizes, job, options, process, whole
from tests.performance.encoders import BASE, make
from tests.performance.flops import Shape, counted
from tests.performance.main_job import profile
from tests.performance.work import Material, cells, grid, trainings

BYTES_PER_WEIGHT = 28  # AdamW in float32: reads weight, gradient and two moments; writes all but the gradient
SIDE = 8192  # of the square matrices whose product gives the peak


def measure(slots: Sequence[int], methods: tuple[str, ...], seeds: int, path: Path, say: Callable[[str], None]) -> None:
    """Measure, and write the section of the page at `path`. Raises UserError without a GPU."""
    if not gpus():
        raise UserError(
            "no GPU here (no NVIDIA device that this process may use); `python -m tests.performance cpu` needs none"
        )
    import torch

    flops, traffic = rates("cuda", torch.bfloat16, SIDE)
    name = torch.cuda.get_device_name()
    say(f"{name}: bf16 {flops / 1e12:.0f} TFLOP/s, {traffic / 1e12:.2f} TB/s")
    with tempfile.TemporaryDirectory() as scratch:
        encoder = make(Path(scratch) / "encoder", BASE)
        blocks = compared(Path(scratch), encoder, slots, methods, seeds, (flops, traffic), say, bf16=True)
    page.put(
        path, f"The grid on {name}", [f"bf16 peak {flops / 1e12:.0f} TFLOP/s, {traffic / 1e12:.2f} TB/s.", *blocks]
    )


def compared(
    folder: Path,
    encoder: Path,
    slots: Sequence[int],
    methods: tuple[str, ...],
    seeds: int,
    machine_rates: tuple[float, float],
    say: Callable[[str], None],
    *,
    bf16: bool,
    preset: str = "full",
    updates: int = 32,
) -> list[str]:
    """Time our grid with each number of workers on the device, and the Trainer ways; returns blocks of the page."""
    sizes = Sizes(seeds=seeds, updates=updates, methods=methods, encoder=str(encoder), preset=preset)
    material = Material.of(str(encoder), 128, sizes.test_rows)
    trained = cells(methods, seeds)
    grid_options = [*options(sizes, material), *(["--precision=bf16"] if bf16 else [])]
    walls: dict[int, float] = {}
    total = 0
    ideal = 0.0
    for count in slots:
        run = grid(folder / f"slots-{count}", *grid_options, "--workers", str(count))
        if not total:
            total, ideal = bound(folder / f"slots-{count}" / "runs", material, Shape.of(encoder), machine_rates)
        walls[count] = run.wall
        say(f"{plural(count, 'worker')}: {run.wall:.0f} s")
        if bf16:
            require_bf16(folder / f"slots-{count}" / "runs")
    fastest = min(walls, key=walls.__getitem__)
    ways = {f"this project, {plural(count, 'worker')}": wall for count, wall in walls.items()}
    naive_job = replace(job(sizes, material, "dimp", None), bf16=bf16)
    number = max(1, round(total / len(trained)))
    alone = whole(process(naive_job)[0], number, material)
    ways["one Trainer process per cell, dynamic padding"] = alone * len(trained)
    warm = process(replace(job(sizes, material, "ce", None, count=3), bf16=bf16))[-1]
    ways["one warm Trainer loop, scores cached"] = whole(warm, number, material) * len(trained)
    table = [
        [
            title,
            f"{wall:.0f}",
            f"{3600 * len(trained) / wall:.0f}",
            f"{wall / walls[fastest]:.1f}",
            f"{ideal / wall:.0%}",
        ]
        for title, wall in ways.items()
    ]
    request = {"methods": methods[-1], "seeds": 1, "preset": preset, "tasks": "twitter", "encoder": str(encoder)}
    cell = profile(folder, {**request, **({"precision": "bf16"} if bf16 else {})})
    return [
        f"{material.described()} {len(trained)} trainings of about {number} updates, random weights. The Trainer ways "
        f"were timed for {updates} updates and multiplied.",
        page.table(["way", "seconds", "trainings an hour", "times ours", "share of the roofline"], table),
        f"Each kind of training with {plural(fastest, 'worker')}, by its own seconds in a worker, without start-up:",
        page.table(
            ["method", "trainings", "seconds of one", "trainings an hour"],
            priced(folder / f"slots-{fastest}" / "runs", fastest),
        ),
        f"A cell `{cell['cell']}` under torch's profiler, alone: {cell['launches'] / number:,.0f} launches an update "
        f"(scoring included), the GPU computes in {cell['busy']:.0%} of its time.",
    ]


def priced(store: Path, workers: int) -> list[list[str]]:
    """For each method of a store: its trainings, their mean seconds, and as many an hour as all workers do."""
    seconds: dict[str, list[float]] = {}
    for spec, timing in trainings(store):
        seconds.setdefault(spec["method"], []).append(timing["seconds"])
    return [
        [name, str(len(own)), f"{fmean(own):.2f}", f"{3600 * workers / fmean(own):.0f}"]
        for name, own in sorted(seconds.items())
    ]


def require_bf16(store: Path) -> None:
    """Raise RuntimeError unless the logits of the cell that was trained last are numbers of bf16."""
    import torch

    last = max(store.glob("[!.]*/*/*/metrics.json"), key=lambda path: path.stat().st_mtime_ns).parent
    _, logits = read_predictions(last, last.name)
    if not np.array_equal(torch.from_numpy(logits).bfloat16().double().numpy(), logits):
        raise RuntimeError(f"{last} was not computed in bf16")


def bound(store: Path, material: Material, shape: Shape, machine_rates: tuple[float, float]) -> tuple[int, float]:
    """The number of updates of all trainings in a store, and the seconds of their roofline and their evaluations."""
    flops, traffic = machine_rates
    updates, seconds = 0, 0.0
    mean = counted(shape, material.lengths["generated"]) / len(material.lengths["generated"])
    for _, timing in trainings(store):
        arithmetic = 3 * timing["passes"]["train_rows"] * mean / flops
        seconds += max(arithmetic, timing["updates"] * BYTES_PER_WEIGHT * shape.parameters / traffic)
        seconds += timing["passes"]["score_rows"] * mean / flops
        updates += timing["updates"]
    return updates, seconds


def rates(device: str, dtype: object, side: int) -> tuple[float, float]:
    """FLOP/s of a product of square matrices, and bytes per second of a copy."""
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))  # type: ignore[call-overload]
    flops = 2 * side**3 / machine.seconds(lambda: a @ b, wait)
    size = int(np.prod(a.shape)) * a.element_size()
    return flops, 2 * size / machine.seconds(lambda: b.copy_(a), wait)
