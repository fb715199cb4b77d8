"""Scaled losses, as in fp16: the same training, and updates whose gradient overflows.

fp16 itself needs a GPU. The scale is a power of two, so float32 on a CPU has the same numbers with it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.execution.worker import run_job
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.store.folders import forget
from bench.training.network import Network
from bench.training.trainer import Trainer
from tests.bench.training.test_trainer import cells

Run = Callable[..., Plan]


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, trainers scale their losses."""
    begin = Trainer.__init__

    def scaled(trainer: Trainer, *given: Any, **named: Any) -> None:
        begin(trainer, *given, **named)
        trainer.accelerator.scaler = torch.amp.GradScaler("cpu")

    return lambda: monkeypatch.setattr(Trainer, "__init__", scaled)


def history(job: CellJob) -> list[dict[str, Any]]:
    """An entry per update."""
    return [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["ce", "co-teaching", "sungen(rounds=2)", "real-finetune"])
def test_two_networks_and_several_phases_unscale_each_gradient_once(
    method: str, run_here: Run, scale: Callable[[], None]
) -> None:
    """Accelerate divided it once for each optimiser that there had ever been."""
    job = cells(run_here(methods=method))[method]
    plain = history(job)
    scale()
    forget(job.folder)
    assert run_job(job).state == "done"
    for key in ("loss", "grad_norm"):
        assert [update[key] for update in history(job)] == pytest.approx([update[key] for update in plain], rel=1e-4)


def overflow(monkeypatch: pytest.MonkeyPatch, updates: int) -> list[torch.Tensor]:
    """Make the gradients of the first updates infinite. Returns a list that gets the weights after each update."""
    clip, step, after = Network.clip, Network.step, []

    def overflown(network: Network, clip_norm: float | None) -> torch.Tensor:
        if len(after) < updates:
            next(weight for weight in network.classifier.trained.values()).grad.fill_(torch.inf)  # type: ignore[union-attr]
        return clip(network, clip_norm)

    def stepped(network: Network) -> None:
        step(network)
        after.append(torch.cat([weight.detach().flatten().clone() for weight in network.classifier.trained.values()]))

    monkeypatch.setattr(Network, "clip", overflown)
    monkeypatch.setattr(Network, "step", stepped)
    return after


def test_an_update_that_overflows_is_skipped_and_said(
    run_here: Run, scale: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = cells(run_here(methods="ce"))["ce"]
    forget(job.folder)
    scale()
    after = overflow(monkeypatch, 2)
    outcome = run_job(job)
    assert outcome.state == "done", outcome.cause
    updates = history(job)
    assert [update.get("skipped", False) for update in updates] == [True, True, *[False] * (len(updates) - 2)]
    assert updates[0]["grad_norm"] is None
    assert torch.equal(after[0], after[1])
    assert not torch.equal(after[1], after[2])
    (note,) = outcome.summary["notes"]
    assert note.startswith("fp16: gradients overflowed in some updates")


def test_a_training_that_skips_every_update_fails(
    run_here: Run, scale: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = cells(run_here(methods="ce"))["ce"]
    forget(job.folder)
    scale()
    overflow(monkeypatch, 100)
    outcome = run_job(job)
    assert outcome.state == "failed"
    assert "the gradients of all updates overflowed" in outcome.cause


def test_an_infinite_gradient_without_a_scale_is_a_failure(
    run_here: Run, scale: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 16 skipped updates the scale is 1: the gradient itself is infinite."""
    job = cells(run_here(methods="ce", settings={"updates": 20}))["ce"]
    forget(job.folder)
    scale()
    overflow(monkeypatch, 100)
    outcome = run_job(job)
    assert outcome.state == "failed"
    assert "loss or gradient not finite at update 17" in outcome.cause


@pytest.mark.parametrize(("method", "networks"), [("co-teaching", 2), ("sungen(rounds=2)", 1), ("fusegen", 1)])
def test_the_optimisers_of_earlier_phases_are_not_kept(
    method: str, networks: int, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds two numbers for each weight that trains."""
    kept: list[int] = []
    logits = Trainer.logits

    def counted(trainer: Trainer, *given: Any) -> Any:
        gc.collect()
        own = {id(weight) for network in trainer.networks for weight in network.classifier.trained.values()}
        optimisers = [one for one in gc.get_objects() if isinstance(one, torch.optim.AdamW)]
        kept.append(sum(id(one.param_groups[0]["params"][0]) in own for one in optimisers))
        return logits(trainer, *given)

    monkeypatch.setattr(Trainer, "logits", counted)
    run_here(methods=method)
    assert kept[-1] == networks
