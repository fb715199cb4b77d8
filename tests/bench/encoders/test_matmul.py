"""The route of matrix products: exact or refused, faster or refused, the same for all processes, and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.encoders import matmul
from bench.encoders.matmul import DEFAULT, WORST, Choice, Operands
from bench.store.files import write_json
from bench.training.outputs import environment


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache and the default route, restored at the end."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(matmul, "SHAPES", ((40, 24, 24), (40, 24, 96)))
    monkeypatch.setattr(matmul, "HEADS", (4, 6, 8))
    monkeypatch.setattr(matmul, "_chosen", Choice())
    yield
    matmul.use(DEFAULT)


def faster(times: float):  # type: ignore[no-untyped-def]
    """Measurements by which another route is so many times as fast as the default, in most turns."""
    return lambda *_: [times / 3, *[times] * 7, 3 * times]


def route_of_torch() -> str:
    """The route that torch's setting stands for."""
    backend: Any = torch.backends.mkldnn
    return next(name for name, value in matmul.ROUTES.items() if value == backend.matmul.fp32_precision)


def simulate(monkeypatch: pytest.MonkeyPatch, rounded: str) -> None:
    """Products on a processor whose routes compute in float32 in another order, but `rounded` in bf16."""
    plain = Operands.products

    def products(self: Operands) -> list[Tensor]:
        route = route_of_torch()
        matmul.use(DEFAULT)
        if route == rounded and self.inputs.dtype == torch.float32:
            self = Operands(*(part.bfloat16().float() for part in (self.inputs, self.weight, self.gradient)))
        results = plain(self)
        matmul.use(route)
        return results if route == DEFAULT else [result * (1 + 1e-7) for result in results]

    monkeypatch.setattr(Operands, "products", products)


def test_a_route_that_rounds_is_refused_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, rounded="oneDNN")
    assert matmul.errors(matmul.operands())["oneDNN"] > 100 * WORST
    assert matmul.choose(faster(10)) == Choice()


def test_a_route_is_refused_that_is_faster_in_half_of_the_turns_only(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, rounded="")
    assert matmul.choose(lambda *_: [1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 9.0]) == Choice()


def test_a_route_with_the_same_kernels_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then only noise could make it faster, and cells would not be paired for nothing."""
    monkeypatch.setattr(matmul, "ROUTES", {DEFAULT: "none", "oneDNN": "ieee"})
    assert matmul.choose(faster(10)) == Choice()


def test_an_exact_route_is_taken_if_it_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, rounded="")
    assert matmul.choose(faster(1.11)) == Choice(), "machines of one kind measure 1.06 to 1.12 and must choose alike"
    choice = matmul.choose(faster(2))
    assert choice.route == "oneDNN"
    assert choice.error < WORST
    assert str(choice).startswith("oneDNN (2.0 times as fast as the default, error ")
    assert route_of_torch() == DEFAULT, "measuring leaves no route behind"


def test_no_route_of_this_machine_is_taken_if_it_rounds() -> None:
    """The real products: whatever is chosen multiplies within 1e-5 of float64."""
    matmul.use_fastest(lambda: matmul.choose(faster(10)))
    for each in matmul.operands():
        for result, right in zip(each.products(), each.exact(), strict=True):
            assert (result - right).norm() / right.norm() < WORST


def test_the_first_process_decides_for_all() -> None:
    first = matmul.kept_choice(lambda: Choice(route="oneDNN", error=6e-7, faster=1.9))
    assert matmul.kept_choice(lambda: pytest.fail("measured twice")) == first


@pytest.mark.parametrize("content", ["", '{"route": 3}', "[]"])
def test_a_damaged_choice_is_measured_again(content: str, tmp_path: Path) -> None:
    """Every worker ended: it stopped each run until somebody removed the file."""
    first = matmul.kept_choice(Choice)
    (file,) = (tmp_path / "cache" / "matmul").glob(f"*/{matmul.FILE}")
    file.write_text(content)
    again = matmul.kept_choice(lambda: Choice(route="oneDNN", error=6e-7, faster=1.9))
    assert again != first
    assert matmul.kept_choice(lambda: pytest.fail("measured again")) == again


def test_of_two_that_measure_at_a_time_the_first_to_finish_decides() -> None:
    def slow() -> Choice:
        matmul.kept_choice(lambda: Choice(route="oneDNN", faster=1.9))
        return Choice()

    assert matmul.kept_choice(slow).route == "oneDNN"


def test_without_a_writable_cache_the_default_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "file", {})
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    assert matmul.kept_choice(lambda: Choice(route="oneDNN", faster=1.9)) == Choice()


def test_a_kept_choice_that_rounds_now_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable like ONEDNN_MAX_CPU_ISA may have kept AMX from oneDNN when the choice was made."""
    simulate(monkeypatch, rounded="oneDNN")
    matmul.use_fastest(lambda: Choice(route="oneDNN", error=6e-7, faster=1.9))
    assert matmul.chosen() == Choice()
    assert route_of_torch() == DEFAULT


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes")
def test_the_route_is_recorded_and_part_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells on other devices are not paired (`bench.store.layout.ENVIRONMENT`)."""
    assert environment()["device"] == "cpu"
    assert environment()["matmul"] == DEFAULT
    simulate(monkeypatch, rounded="")
    matmul.use_fastest(lambda: Choice(route="oneDNN", error=6e-7, faster=1.9))
    assert route_of_torch() == "oneDNN"
    assert environment()["device"] == "cpu, products by oneDNN"
    assert environment()["matmul"] == "oneDNN (1.9 times as fast as the default, error 6e-07)"
