"""Shortcuts through encoders: the same logits and gradients as the whole model, in every family or not taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.checkpoint import find
from bench.classifier import Classifier, block_path, load
from bench.first_token import use_first_token
from bench.jobs import StatesJob, TokensJob
from bench.plan import Plan
from bench.store import read_json
from tests.encoders import FAMILIES, make_encoder

SHORTENED = {"bert", "roberta", "electra"}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of each family, dropout off."""
    return make_encoder(tmp_path_factory.mktemp("family") / request.param, request.param, dropout=0.0)


def gradients(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits, and the gradient of a loss in them with respect to each weight."""
    model.train()
    model.zero_grad()
    logits = model(**inputs).logits
    (logits.log_softmax(-1)[:, 0].exp() * torch.arange(1, len(logits) + 1)).sum().backward()
    return logits.detach(), {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


def test_the_first_token_alone_gives_logits_and_gradients_of_the_whole_block(encoder: Path) -> None:
    model, _ = load(find(str(encoder)), 3)
    inputs = {"input_ids": torch.randint(5, 60, (4, 9)), "attention_mask": torch.ones(4, 9, dtype=torch.long)}
    inputs["attention_mask"][1, 5:] = 0
    logits, slopes = gradients(model, inputs)
    base = getattr(model, model.base_model_prefix)
    last = base.get_submodule(block_path(base))[-1]
    assert use_first_token(model, last) is (encoder.name in SHORTENED)
    shortened, found = gradients(model, inputs)
    assert torch.allclose(shortened, logits, atol=1e-6)
    assert found.keys() == slopes.keys()
    assert all(torch.allclose(found[name], slopes[name], atol=1e-5) for name in slopes)


def test_states_of_frozen_blocks_give_the_plain_logits_or_are_not_used(encoder: Path, tmp_path: Path) -> None:
    from bench.worker import run

    checkpoint = find(str(encoder))
    texts = ["a good day", "what a very long and rather bad day this was", "so so"]
    tokens = TokensJob("t", tmp_path / "t", tmp_path, (), texts, None, checkpoint, 32)
    states = StatesJob("s", tmp_path / "s", tmp_path, ("t",), tmp_path / "t", checkpoint, 1)
    assert [run(tokens).state, run(states).state] == ["done", "done"]
    told = read_json(tmp_path / "s" / "metrics.json")
    assert told["supported"] is (told["difference"] <= 1e-5)
    if told["supported"]:
        from bench import tokens as arrays

        whole, short = Classifier(checkpoint, 2, 1), Classifier(checkpoint, 2, 1)
        short.use_states(1)
        out = []
        for classifier, folder in ((whole, None), (short, tmp_path / "s")):
            classifier.start(0)
            classifier.eval()
            inputs = arrays.load(tmp_path / "t", folder).inputs(np.arange(3))
            out.append(classifier.model(**inputs).logits)
        assert torch.allclose(*out, atol=1e-5)


def test_a_grid_runs_with_every_family(encoder: Path, run_here: Callable[..., Plan]) -> None:
    for layers in ("1", "all"):
        made = run_here(methods="dimp", encoder=str(encoder), settings={"train_layers": layers})
        assert len(made.cells) == 1
