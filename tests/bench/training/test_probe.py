"""Derivatives with respect to the weights, compared with autograd and with the optimiser itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bench.encoders.checkpoints import find
from bench.encoders.classifier import Classifier
from bench.planning.plan import Plan
from bench.precomputed.tokens import TokenTable
from bench.training.history import Passes
from bench.training.probe import LookAhead
from bench.training.rows import ProbedRows
from tests.helpers.encoders import FAMILIES, bart_sizes, make_encoder, make_model, make_t5

IDS = torch.tensor([40, 12, 7, 33, 5])


def rows(ids: list[int], seed: int) -> ProbedRows:
    """Rows of 4 to 9 random tokens with labels of two classes."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 10, size=len(ids))
    part = {"input_ids": rng.integers(5, 90, size=lengths.sum()).astype(np.int32)}
    start = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    table = TokenTable((part,), np.zeros(len(ids), np.int64), start, lengths, {"input_ids": 0})
    return ProbedRows(table, rng.integers(2, size=len(ids)), np.array(ids))


def make_probe(encoder: Path, train_layers: int = 1, real: bool = True) -> LookAhead:
    """A probe of a classifier in training mode, whose AdamW has made two steps."""
    classifier = Classifier(find(str(encoder)), 2, train_layers)
    classifier.start(0)
    classifier.train()
    optimizer = torch.optim.AdamW(classifier.trained.values(), lr=1e-2, weight_decay=0.0)
    generated = rows([5, 7, 12, 33, 40], 1)
    probe = LookAhead(classifier, optimizer, generated, rows([0, 1, 2], 2) if real else None, Passes())
    for _ in range(2):
        for weight, slope in zip(classifier.trained.values(), probe.gradient(IDS), strict=True):
            weight.grad = slope
        optimizer.step()
        optimizer.zero_grad()
    probe.passes.forward = probe.passes.backward = 0
    return probe


def losses(probe: LookAhead, ids: torch.Tensor, chosen: ProbedRows) -> torch.Tensor:
    """(n,) cross-entropy with dropout off, by the model's own forward pass."""
    probe.classifier.eval()
    at = chosen.rows(ids)
    log_probs = probe.classifier.model(**chosen.table.inputs(at)).logits.log_softmax(1)
    probe.classifier.train()
    return torch.nn.functional.nll_loss(log_probs, torch.from_numpy(chosen.labels[at]), reduction="none")


def moved(probe: LookAhead, direction: list[torch.Tensor], size: float) -> None:
    """Move the model's weights along a direction."""
    with torch.no_grad():
        for weight, step in zip(probe.classifier.trained.values(), direction, strict=True):
            weight.add_(step, alpha=size)


def flat(direction: list[torch.Tensor]) -> torch.Tensor:
    """One long vector."""
    return torch.cat([part.flatten() for part in direction])


def test_gradients_are_those_of_the_model(tiny_encoder: Path) -> None:
    """Of weighted generated rows, and of real rows at a shifted point."""
    probe = make_probe(tiny_encoder)
    weights = torch.tensor([0.0, 1.0, 2.0, 3.0, 0.5])
    trained = list(probe.classifier.trained.values())
    expected = torch.autograd.grad((weights * losses(probe, IDS, probe.generated)).mean(), trained)
    torch.testing.assert_close(flat(probe.gradient(IDS, weights=weights)), flat(expected), atol=1e-6, rtol=1e-4)
    shift = [torch.randn_like(weight) / 10 for weight in trained]
    result = probe.gradient(torch.arange(3), real=True, shift=shift)
    moved(probe, shift, 1.0)
    assert probe.real is not None
    expected = torch.autograd.grad(losses(probe, torch.arange(3), probe.real).mean(), trained)
    torch.testing.assert_close(flat(result), flat(expected), atol=1e-6, rtol=1e-4)
    assert probe.passes.forward == probe.passes.backward == 5 + 3


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_slopes_are_inner_products_with_each_rows_gradient(family: str, tmp_path: Path) -> None:
    """One derivative along a direction against the rows' gradients one by one, for every family of encoders."""
    probe = make_probe(make_encoder(tmp_path / family, family))
    along = [torch.randn_like(weight) for weight in probe.classifier.trained.values()]
    result = probe.slopes(IDS, along)
    assert (probe.passes.forward, probe.passes.backward) == (2 * 5, 0)
    expected = torch.stack([flat(probe.gradient(row[None])) @ flat(along) for row in IDS])
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-3)


def test_moves_are_the_steps_that_the_optimiser_makes(tiny_encoder: Path) -> None:
    """AdamW itself, given one row's gradient."""
    probe = make_probe(tiny_encoder)
    result = flat(probe.moves(IDS[:2])[1])
    trained = list(probe.classifier.trained.values())
    before = flat(trained).detach().clone()
    for weight, slope in zip(trained, probe.gradient(IDS[1:2]), strict=True):
        weight.grad = slope
    probe.optimizer.step()
    torch.testing.assert_close(result, flat(trained).detach() - before, atol=1e-6, rtol=1e-3)


def test_a_probe_changes_nothing(tiny_encoder: Path) -> None:
    """Weights, gradients, random numbers and the training mode are as before."""
    probe = make_probe(tiny_encoder)
    trained = list(probe.classifier.trained.values())
    before, state = flat(trained).detach().clone(), torch.random.get_rng_state()
    first = probe.slopes(IDS, probe.gradient(IDS))
    probe.moves(IDS)
    assert torch.equal(probe.slopes(IDS, probe.gradient(IDS)), first)
    assert torch.equal(flat(trained), before)
    assert all(weight.grad is None and weight.requires_grad for weight in trained)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert probe.classifier.base.encoder.layer[1].training
    assert not probe.classifier.base.encoder.layer[0].training


def test_only_a_method_that_declares_it_reads_real_rows(tiny_encoder: Path) -> None:
    probe = make_probe(tiny_encoder, real=False)
    with pytest.raises(LookupError, match="real_use = GRADIENT"):
        probe.gradient(torch.arange(3), real=True)
    with pytest.raises(LookupError, match="real_use = GRADIENT"):
        _ = probe.real_rows


def test_networks_share_frozen_weights(tiny_encoder: Path) -> None:
    """A second network has its own copy of the weights that train, and of no others."""
    classifier = Classifier(find(str(tiny_encoder)), 2, 1)
    peer = classifier.peer()
    own = dict(classifier.model.named_parameters())
    for name, weight in peer.model.named_parameters():
        assert (weight is own[name]) == (not weight.requires_grad)
    assert all(peer.trained[name] is dict(peer.model.named_parameters())[name] for name in peer.trained)
    assert peer.pretrained is classifier.pretrained
    classifier.start(1)
    peer.start(2)
    differs = [name for name in peer.trained if not torch.equal(peer.trained[name], classifier.trained[name])]
    assert differs == ["classifier.weight"]


@pytest.mark.parametrize("method", ["l2rw", "sungen(rounds=1)"])
def test_probes_are_in_float32_whatever_the_precision(
    method: str, run_here: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_probs, dtypes = LookAhead._log_probs, set[torch.dtype]()

    def watched(probe: LookAhead, *given: Any) -> torch.Tensor:
        layer = next(module for module in probe.classifier.model.modules() if isinstance(module, torch.nn.Linear))
        handle = layer.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
        try:
            return log_probs(probe, *given)
        finally:
            handle.remove()

    monkeypatch.setattr(LookAhead, "_log_probs", watched)
    run_here(methods=method, settings={"precision": "bf16"})
    assert dtypes == {torch.float32}


@pytest.mark.parametrize("family", ["mvp", "t5"])
def test_a_probe_leaves_the_embedding_of_occurring_tokens_in_the_model(family: str, tmp_path: Path) -> None:
    """Encoder and decoder have one module as embedding. The model kept the given weights, and they never trained."""
    own = {} if family == "t5" else {"eos_token_id": 3, "decoder_start_token_id": 3, **bart_sizes()}
    encoder = make_t5(tmp_path / family) if family == "t5" else make_model(tmp_path / family, family, **own)
    checkpoint, seen = find(str(encoder)), []
    for vocabulary in (None, np.array([0, 3, *range(5, 90)])):
        classifier = Classifier(checkpoint, 2, "all", vocabulary=vocabulary)
        assert (classifier.embedding is None) == (vocabulary is None)
        classifier.start(0)
        optimizer = torch.optim.AdamW(classifier.trained.values())
        table = rows([5, 7, 12, 33, 40], 1)
        (part,) = table.table.parts
        part["input_ids"][table.table.start + table.table.length - 1] = 3  # both families read the last token
        probe = LookAhead(classifier, optimizer, table, None, Passes())
        gradient = probe.gradient(IDS)
        seen.append([*probe.slopes(IDS, gradient), *[slope.square().sum() for slope in gradient]])
        own = {id(weight) for weight in classifier.model.parameters()}
        assert {id(weight) for weight in classifier.trained.values()} <= own
        assert classifier.weights().keys() == classifier.trained.keys()
        expected = torch.autograd.grad(losses(probe, IDS, probe.generated).mean(), [*classifier.trained.values()])
        for slope, direct in zip(gradient, expected, strict=True):
            torch.testing.assert_close(slope, direct, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(torch.stack(seen[0]), torch.stack(seen[1]), atol=1e-5, rtol=1e-3)


def test_a_t5_trains_alike_with_and_without_the_embeddings_of_other_tokens(
    run_here: Callable[..., Plan], tmp_path: Path
) -> None:
    """A weight decay of 1e-12 changes nothing but that all embeddings train."""
    encoder, logits = make_t5(tmp_path / "t5"), []
    for decay in (0.0, 1e-12):
        settings = {"train_layers": "all", "weight_decay": decay, "updates": 6, "lr": "3e-3"}
        plan = run_here(methods="l2rw", encoder=str(encoder), settings=settings)
        (cell,) = (plan.jobs[identity] for identity in plan.cells)
        frame = pd.read_parquet(cell.folder / "predictions.parquet")
        logits.append(frame[["logit_0", "logit_1"]].to_numpy())
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)
