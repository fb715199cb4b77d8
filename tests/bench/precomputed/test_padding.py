"""Padding after a text changes neither its logits, nor those from frozen states, nor its embedding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.encoders.checkpoints import find
from bench.encoders.loading import load, load_tokenizer
from bench.errors import UserError
from bench.jobs import StatesJob
from bench.planning.plan import Plan
from bench.precomputed.encoder_check import check_padding
from bench.precomputed.frozen_states import TOLERANCE, fresh, self_test
from bench.precomputed.tokens import TokenTable
from tests.helpers.encoders import (
    FAMILIES,
    make_bart,
    make_encoder,
    make_gpt2,
    make_llama,
    make_model,
    make_t5,
)

Run = Callable[..., Plan]
PADDED: dict[str, Callable[[Path], Path]] = {
    "bart": make_bart,
    "gpt2": lambda folder: make_gpt2(folder, tokenizer_pads=True, pads=True),
    "llama": make_llama,
    "t5": make_t5,
    **{name: lambda folder, name=name: make_encoder(folder, name) for name in FAMILIES},  # type: ignore[misc]
}


def check(folder: Path) -> None:
    """The check of an encoder's padding."""
    checkpoint = find(str(folder))
    check_padding(checkpoint, load(checkpoint, 2).model, load_tokenizer(checkpoint))


@pytest.mark.parametrize("family", sorted(PADDED))
def test_predictions_do_not_depend_on_padding(family: str, tmp_path: Path) -> None:
    check(PADDED[family](tmp_path / family))


def test_an_encoder_whose_predictions_do_is_refused(tmp_path: Path) -> None:
    """XLNet's head reads the last position, and texts are padded at their end."""
    xlnet = make_model(tmp_path / "xlnet", "xlnet", d_model=32, n_layer=2, n_head=2, d_inner=64)
    with pytest.raises(UserError, match=r"change with the padding after it.*\(model_type xlnet\); use another encoder"):
        check(xlnet)


def rows(lengths: list[int]) -> TokenTable:
    """Random tokens."""
    length = np.array(lengths)
    part = {"input_ids": np.random.default_rng(0).integers(5, 60, length.sum()).astype(np.int32)}
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    return TokenTable((part,), np.zeros(len(length), np.int64), start, length, {"input_ids": 1})


@pytest.mark.parametrize("lengths", [[12] * 10, [12] * 8 + [3, 4], [1, 1], [128] * 8])
def test_the_self_test_of_frozen_states_has_padding(lengths: list[int], tmp_path: Path) -> None:
    """A Llama finds the last token by its id, which states do not have: without padding the logits are equal."""
    for folder, supported in ((make_llama(tmp_path / "llama"), False), (make_encoder(tmp_path / "bert", "bert"), True)):
        job = StatesJob("states", tmp_path, tmp_path, (), tmp_path, find(str(folder)), 1)
        difference = self_test(job, fresh(job, plain=True), rows(lengths))
        assert (difference <= TOLERANCE) is supported


@pytest.mark.parametrize("family", ["bart", "t5"])
@pytest.mark.parametrize(("method", "layers"), [("kmm", "all"), ("ce", 0)])
def test_embeddings_are_those_of_the_encoder(
    family: str, method: str, layers: object, run_here: Run, tmp_path: Path
) -> None:
    """T5 asked for the decoder's input, and BART gave the decoder's last states."""
    from transformers import AutoModel

    from bench.jobs import EmbeddingsJob, TokensJob

    encoder = PADDED[family](tmp_path / family)
    plan = run_here(methods=method, encoder=str(encoder), settings={"train_layers": layers, "updates": 2})
    job = next(job for job in plan.jobs.values() if isinstance(job, EmbeddingsJob))
    (tokens,) = (one for one in plan.jobs.values() if isinstance(one, TokensJob) and one.folder == job.tokens)
    tokenizer = load_tokenizer(job.checkpoint)
    model = AutoModel.from_pretrained(encoder).get_encoder().eval()
    with torch.no_grad():
        ids = torch.tensor([tokenizer(tokens.texts[0], truncation=True, max_length=32)["input_ids"]])
        expected = model(input_ids=ids).last_hidden_state.mean(1)[0]
    table = np.load(job.folder / "embeddings.npy")
    assert table[0] == pytest.approx(expected.numpy(), abs=1e-5)
    (cell,) = (plan.jobs[identity] for identity in plan.cells)
    assert "encoder's embeddings" in cell.spec.marks  # type: ignore[attr-defined]
