"""Times a grid on a GPU, with an encoder of bert-base size and random weights in bf16, against `Trainer`.

The roofline of an update is the time of its arithmetic at the measured bf16 peak, or the time to move its weights at
the measured bandwidth, whichever is longer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.devices import gpus
from bench.errors import UserError
from tasks.errors import plural
from tests.performance import machine, page
from tests.performance.cpu import Sizes, job, options, process, whole
from tests.performance.encoders import BASE, make
from tests.performance.flops import Shape, counted
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
    walls: dict[str, float] = {}
    total = 0
    ideal = 0.0
    for count in slots:
        run = grid(folder / f"slots-{count}", *grid_options, "--workers", str(count))
        if not total:
            total, ideal = bound(folder / f"slots-{count}" / "runs", material, Shape.of(encoder), machine_rates)
        walls[f"this project, {plural(count, 'worker')}"] = run.wall
        say(f"{plural(count, 'worker')}: {run.wall:.0f} s")
    best = min(walls.values())
    naive_job = replace(job(sizes, material, "dimp", None), bf16=bf16)
    number = max(1, round(total / len(trained)))
    alone = whole(process(naive_job)[0], number, material)
    walls["one Trainer process per cell, dynamic padding"] = alone * len(trained)
    warm = process(replace(job(sizes, material, "ce", None, count=3), bf16=bf16))[-1]
    walls["one warm Trainer loop, scores cached"] = whole(warm, number, material) * len(trained)
    table = [
        [title, f"{wall:.0f}", f"{3600 * len(trained) / wall:.0f}", f"{wall / best:.1f}", f"{ideal / wall:.0%}"]
        for title, wall in walls.items()
    ]
    return [
        f"{material.described()} {len(trained)} trainings of about {number} updates, random weights. The Trainer ways "
        f"were timed for {updates} updates and multiplied.",
        page.table(["way", "seconds", "trainings an hour", "times ours", "share of the roofline"], table),
    ]


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
