"""The route of float32 matrix products on the CPU: torch's default, or oneDNN where it is faster and as exact.

By default torch multiplies with its BLAS, which is MKL on x86; on some AMD processors that one leaves half of the
vector units idle. torch asks oneDNN instead if oneDNN is allowed to round to bf16. Processors without units for
bf16 products do not round, and compute in float32 with AVX-512. Those with such units (AMX) do round, and cells would
differ. So no processor is looked up by its name: error and time are measured on the shapes of a MiniLM, once
per processor and version of torch, and kept in the cache, so that all cells of a machine take the same route.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from bench.errors import UserError
from bench.hashing import digest
from bench.store.files import read_json, whole_folder, write_json
from bench.wandb_artifacts import cache

DEFAULT = "default"
ROUTES = {DEFAULT: "none", "oneDNN": "bf16"}  # -> what oneDNN may round to, see `use`
WORST = 1e-5  # largest relative error (Frobenius norm) against float64
# Times as fast as the default: below, nothing is gained that is worth another route. Processors were seen at 1.0 to 1.1
# and at 1.9 or more. A limit at 1.1 let machines of one kind choose unlike, and their cells are not compared.
FASTER = 1.3
SHAPES = ((700, 384, 384), (700, 384, 1536), (700, 1536, 384))  # (tokens, in, out) of MiniLM's linear layers
HEADS = (384, 24, 32)  # (rows times heads, tokens, width) of its attention
TURNS = 9  # each measures every route once
FILE = "choice.json"
VERSION = 3  # raised when choices are made in another way


class Choice(BaseModel):
    """A route, its relative error, and how many times as fast as the default it was."""

    route: str = DEFAULT
    error: float = 0.0
    faster: float = 1.0

    def __str__(self) -> str:
        """`oneDNN (1.9 times as fast as the default, error 6e-07)`."""
        if self.route == DEFAULT:
            return DEFAULT
        return f"{self.route} ({self.faster:.1f} times as fast as the default, error {self.error:.0e})"


@dataclass(frozen=True)
class Operands:
    """The matrices of a linear layer (tokens T, inputs I, outputs O), or a batch of them (B, T, I)."""

    inputs: Tensor  # (T, I) or (B, T, I)
    weight: Tensor  # (O, I) or (B, O, I)
    gradient: Tensor  # (T, O) or (B, T, O)

    def products(self) -> list[Tensor]:
        """The forward product and the two of the backward pass."""
        return [
            self.inputs @ self.weight.mT,
            self.gradient @ self.weight,
            self.gradient.mT @ self.inputs,
        ]

    def exact(self) -> list[Tensor]:
        """The same products in float64."""
        return Operands(self.inputs.double(), self.weight.double(), self.gradient.double()).products()


def operands() -> list[Operands]:
    """Random matrices in the shapes of a training's products."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    batch, tokens, width = HEADS
    attention = Operands(normal(batch, tokens, width), normal(batch, tokens, width), normal(batch, tokens, tokens))
    return [*(Operands(normal(t, i), normal(o, i), normal(t, o)) for t, i, o in SHAPES), attention]


def use(route: str) -> None:
    """Take a route in this process. The setting is torch's: to what oneDNN *may* round inputs of float32 products."""
    backend: Any = torch.backends.mkldnn
    backend.matmul.fp32_precision = ROUTES[route]


def errors(matrices: list[Operands]) -> dict[str, float]:
    """The largest relative error of any product, for each route, without those that are the default to the bit."""
    exact = [product for each in matrices for product in each.exact()]
    worst: dict[str, float] = {}
    for route in ROUTES:
        use(route)
        products = [product for each in matrices for product in each.products()]
        use(DEFAULT)
        if route == DEFAULT:
            own = products
        elif all(map(torch.equal, products, own)):
            continue
        worst[route] = max(
            float((product - right).norm() / right.norm()) for product, right in zip(products, exact, strict=True)
        )
    return worst


def ratios(matrices: list[Operands], route: str) -> list[float]:
    """How many times as fast as the default a route is, in each turn: processor seconds, so that others count less."""
    found = []
    for _ in range(TURNS):
        seconds = {}
        for one in (DEFAULT, route):
            use(one)
            began = time.thread_time()
            for each in matrices:
                each.products()
            seconds[one] = time.thread_time() - began
        # The clock of Windows moves in steps of 1/64 s.
        found.append(seconds[DEFAULT] / seconds[route] if seconds[route] else 1.0)
    use(DEFAULT)
    return found


def choose(measure: Callable[[list[Operands], str], list[float]] = ratios) -> Choice:
    """The fastest route among those that are exact; the default unless another one is clearly faster.

    It must be faster by `FASTER` in three of four turns, because a busy machine makes some turns slow.
    """
    matrices = operands()
    exact = {route: error for route, error in errors(matrices).items() if route != DEFAULT and error < WORST}
    found = {route: sorted(measure(matrices, route)) for route in exact}
    clear = {route: median(turns) for route, turns in found.items() if turns[len(turns) // 4] >= FASTER}
    if not clear:
        return Choice()
    best = max(clear, key=lambda route: clear[route])
    return Choice(route=best, error=exact[best], faster=clear[best])


def kept_choice(make: Callable[[], Choice] = choose) -> Choice:
    """The choice in the cache; measured and kept if there is none. The first of several processes decides for all.

    A damaged one is measured again. Without a cache that can be written, every process takes the default.
    """
    folder = cache() / "matmul" / digest([VERSION, processor(), torch.__version__])
    try:
        if not readable(folder / FILE):
            choice = make()
            if not readable(folder / FILE):  # another process may have been faster
                shutil.rmtree(folder, ignore_errors=True)
            with whole_folder(folder) as part:
                write_json(part / FILE, choice.model_dump())
        return Choice(**read_json(folder / FILE, Choice))
    except OSError:
        return Choice()


def readable(file: Path) -> bool:
    """Whether a file holds a choice."""
    try:
        read_json(file, Choice)
    except (FileNotFoundError, UserError):
        return False
    return True


def processor() -> list[str]:
    """The processor's name and its instructions, of which Windows and macOS tell the name alone."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return sorted(told) or [platform.processor()]


_chosen = Choice()


def use_fastest(choice: Callable[[], Choice] = kept_choice) -> None:
    """Take the chosen route in this process, for as long as it lives. Nothing changes where a GPU computes.

    The error of another route than the default is measured again: environment variables of oneDNN can change it.
    """
    global _chosen
    if torch.cuda.is_available() or not hasattr(torch.backends.mkldnn, "matmul"):
        return
    wanted = choice()
    exact = wanted.route == DEFAULT or errors(operands()).get(wanted.route, WORST) < WORST
    _chosen = wanted if exact else Choice()
    use(_chosen.route)


def chosen() -> Choice:
    """The route that this process takes."""
    return _chosen


def one_dnn() -> bool:
    """Whether oneDNN computes the products here: by the chosen route, or in bf16. It compiles a kernel per shape."""
    return _chosen.route != DEFAULT or torch.is_autocast_enabled("cpu")
