"""Averages of weights: their formulas, the model that is evaluated, and cells without an average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.training.network import Averaging
from methods import discover
from methods.base import hyperparameters

Run = Callable[..., Plan]


def path(kind: str, updates: int) -> tuple[Averaging, np.ndarray]:
    """An averaging after all updates of a weight that takes random values, and these values (updates + 1,)."""
    values = np.random.default_rng(0).normal(size=updates + 1)
    weights = {"w": torch.tensor([values[0]])}
    average = Averaging(kind, weights, updates)
    for value in values[1:]:
        weights["w"].fill_(value)
        average.update()
    return average, values


@pytest.mark.parametrize(("updates", "count"), [(48, 12), (10, 2), (2, 1), (1, 1)])
def test_tail_is_the_mean_of_the_last_quarter(updates: int, count: int) -> None:
    average, values = path("tail", updates)
    average.apply()
    assert float(average.weights["w"]) == pytest.approx(values[-count:].mean())


@pytest.mark.parametrize("updates", [1, 48, 300])
def test_ema_is_its_recursion(updates: int) -> None:
    """From the weights before the first update."""
    average, values = path("ema", updates)
    mean = values[0]
    for t, value in enumerate(values[1:], start=1):
        decay = min(0.999, (1 + t) / (10 + t))
        mean = decay * mean + (1 - decay) * value
    average.apply()
    assert float(average.weights["w"]) == pytest.approx(mean)


@pytest.mark.parametrize("kind", ["ema", "tail"])
def test_what_is_watched_leaves_the_training_as_it_is(kind: str) -> None:
    """The mean is applied for a while; before a tail begins there is none."""
    average, values = path(kind, 8)
    with average.applied():
        assert float(average.weights["w"]) != pytest.approx(values[-1])
    assert float(average.weights["w"]) == values[-1]
    early = Averaging("tail", {"w": torch.tensor([3.0])}, 8)
    early.update()
    with early.applied():
        assert float(early.weights["w"]) == 3


def jobs(plan: Plan) -> dict[str, CellJob]:
    """Cells by label."""
    return {plan.cells[job.id]: job for job in plan.jobs.values() if isinstance(job, CellJob) and job.id in plan.cells}


def test_a_cell_with_an_average_trains_as_without(run_here: Run) -> None:
    """The same history and weights of rows; another model is evaluated, for each kind."""
    found = jobs(run_here(methods="ce,ce(average=ema),ce(average=tail),real-finetune(average=tail)"))
    plain, ema, tail = (found[label] for label in ("ce", "ce(average=ema)", "ce(average=tail)"))
    logits = [pd.read_parquet(job.folder / "predictions.parquet").to_numpy() for job in (plain, ema, tail)]
    for job in (ema, tail):
        for name in ("history.jsonl", "weights.parquet"):
            assert (job.folder / name).read_bytes() == (plain.folder / name).read_bytes()
    assert all(np.abs(a - b).max() > 1e-6 for a, b in ((logits[0], logits[1]), (logits[0], logits[2]), logits[1:]))


def test_a_selected_checkpoint_is_an_average(run_here: Run) -> None:
    """A protocol that selects evaluates the mean at the end of each epoch."""
    found = jobs(run_here(methods="ce,ce(average=ema)", protocol="held-out(share=0.5)", settings={"updates": 16}))
    plain, ema = ([float(row) for row in losses(job)] for job in (found["ce"], found["ce(average=ema)"]))
    assert len(plain) == len(ema) > 1
    assert plain != pytest.approx(ema, abs=1e-6)


def losses(job: CellJob) -> list[float]:
    """The log-loss of the selection rows at each evaluation."""
    history = pd.read_json(job.folder / "history.jsonl", lines=True)
    return list(history["select_log_loss"].dropna())


def test_without_an_average_nothing_is_stored() -> None:
    """Ids of older cells stay."""
    for cls in discover().values():
        assert "average" not in hyperparameters(cls.Config())
        assert hyperparameters(cls.Config(average="ema"))["average"] == "ema"
