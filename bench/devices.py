"""Devices: NVIDIA's GPUs, Apple's MPS and the CPU, and how `--device` chooses among them.

The choice is in two variables of the environment that torch and Accelerate read, so that it reaches every library.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda", "mps"]
GPUS, CPU_ONLY = "CUDA_VISIBLE_DEVICES", "ACCELERATE_USE_CPU"
Environment = Mapping[str, str | None]  # the two variables; None: not set


def gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get(GPUS)
    if visible is not None:
        return [entry.strip() for entry in visible.split(",") if entry.strip() not in ("", "-1")]
    return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def has_mps() -> bool:
    """Whether this machine has Apple's GPU."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def cpu_only() -> bool:
    """Whether the environment rules out everything but the CPU."""
    return os.environ.get(CPU_ONLY, "").lower() in ("1", "true", "yes", "on")


def on_mps() -> bool:
    """Whether this process computes on Apple's GPU."""
    return has_mps() and not cpu_only()


def on_gpu() -> bool:
    """Whether this process shall compute on a GPU. Torch may be unable to, see `unusable`."""
    return not cpu_only() and (bool(gpus()) or has_mps())


def missing(choice: Device) -> str | None:
    """Why this machine lacks a kind of device; None if it has it."""
    if choice == "cuda" and not gpus():
        return "there is no NVIDIA GPU that this process may use (on Windows, CUDA_VISIBLE_DEVICES=0 names one)"
    if choice == "mps" and not has_mps():
        return "only Macs with Apple silicon have it"
    return None


def unusable() -> str | None:
    """Why torch cannot use the GPU on which this process shall compute; None if it can, or shall use the CPU.

    Without CUDA, with an old driver, or with a number that no GPU has, torch computes on the CPU and does not say so.
    """
    if not on_gpu() or available().type != "cpu":
        return None
    import torch

    what, why = f"GPU {', '.join(gpus())}", "torch finds none"
    if has_mps():
        what, why = "the GPU of this Mac", "torch finds no MPS, which needs macOS 14 or later"
    else:
        try:
            torch.cuda.init()
        except (AssertionError, RuntimeError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
    return f"{what} cannot be used by torch {torch.__version__} ({why})"


@contextlib.contextmanager
def using(choice: Device) -> Iterator[None]:
    """Let the body use the chosen kind of device, which `missing` says is there.

    `auto` is CUDA where there is a GPU, else the CPU. On a Mac it is the CPU too: MPS must be asked for.
    """
    before = current()
    if choice == "cpu":
        enter({GPUS: "", CPU_ONLY: "true"})
    elif choice == "auto" and has_mps():
        enter({CPU_ONLY: "true"})
    elif choice != "auto":
        enter({CPU_ONLY: None})
    try:
        yield
    finally:
        enter(before)


def current() -> Environment:
    """The two variables as they are."""
    return {name: os.environ.get(name) for name in (GPUS, CPU_ONLY)}


def only(gpu: str | None) -> Environment:
    """The environment of a worker that has one of the GPUs, or what this process has where `gpu` is None."""
    return current() if gpu is None else {**current(), GPUS: gpu}


def enter(environment: Environment) -> None:
    """Set the two variables of this process, before torch reads them."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def available() -> torch.device:
    """The device on which this process computes: that of Accelerate, or the CPU."""
    import torch

    if cpu_only() or not torch.accelerator.is_available():
        return torch.device("cpu")
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def name() -> str:
    """The device's name for the environment of a cell: a GPU's model, `mps`, or `cpu`."""
    import torch

    device = available()
    return torch.cuda.get_device_name() if device.type == "cuda" else device.type
