"""An encoder trains from its own weights or not at all: what is absent, misnamed or of another shape is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.encoders.checkpoints import find
from bench.encoders.loading import load
from bench.errors import UserError
from tests.helpers import encoders
from tests.helpers.encoders import FAMILIES, make_encoder, prefixed


@pytest.fixture
def edited(tiny_encoder: Path, tmp_path: Path) -> Callable[..., str]:
    """`edited(weights=function, **config)`: a copy of the tiny encoder with other weights or another configuration."""
    return lambda *weights, **config: str(encoders.edited(tiny_encoder, tmp_path / "edited", *weights, **config))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_of_a_sound_encoder_only_the_head_is_new(tmp_path: Path, family: str) -> None:
    loaded = load(find(str(make_encoder(tmp_path / family, family))), 3)
    assert loaded.new, "an encoder has no head"
    base = f"{loaded.model.base_model_prefix}."
    assert not [name for name in loaded.new if name.startswith(base)]
    assert loaded.notes == ()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_the_prefix_of_a_wrapped_model_is_left_out_and_said(
    edited: Callable[..., str], tiny_encoder: Path, prefix: str
) -> None:
    loaded, plain = load(find(edited(prefixed(prefix))), 2), load(find(str(tiny_encoder)), 2)
    assert any(prefix in note for note in loaded.notes)
    assert loaded.new == plain.new
    for name, weight in plain.model.base_model.state_dict().items():
        assert torch.equal(weight, loaded.model.base_model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"weights": prefixed("mine.")}, "save them without the prefix 'mine.'"),
        ({"weights": lambda weights: {}}, "cut"),
        ({"weights": lambda weights: {"foreign.weight": torch.zeros(2)}}, "which is no bert model"),
        ({"weights": lambda weights: {k: v for k, v in weights.items() if "layer.1" not in k}}, "smaller model or cut"),
        ({"vocab_size": 9000}, "config.json asks for"),
        ({"intermediate_size": 96}, "config.json asks for"),
        ({"hidden_size": 64}, "config.json asks for"),
        ({"num_hidden_layers": 3}, "smaller model or cut"),
    ],
    ids=["prefix", "empty", "foreign", "block", "vocabulary", "width", "hidden", "deeper"],
)
def test_tensors_that_would_be_random_are_an_error(
    edited: Callable[..., str], change: dict[str, object], cause: str
) -> None:
    with pytest.raises(UserError, match="tensors are not in its weights") as error:
        load(find(edited(**change)), 2)
    assert cause in str(error.value)
    assert "bert." in str(error.value), "the first names are given"


def test_weights_without_a_pooler_get_one_from_the_seed(edited: Callable[..., str]) -> None:
    loaded = load(find(edited(lambda weights: {k: v for k, v in weights.items() if "pooler" not in k})), 2)
    assert set(loaded.new) == {"bert.pooler.dense", "classifier"}


def test_blocks_that_the_configuration_leaves_out_are_said(edited: Callable[..., str]) -> None:
    (note,) = load(find(edited(num_hidden_layers=1)), 2).notes
    assert "16 tensors" in note
    assert "layer.1." in note
