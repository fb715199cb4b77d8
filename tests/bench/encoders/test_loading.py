"""An encoder trains from its own weights or not at all: what is absent, misnamed or of another shape is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from bench.commands.models.predict import predict
from bench.encoders.checkpoints import find, positions
from bench.encoders.loading import check_tokenizer, load, load_tokenizer
from bench.errors import UserError
from bench.jobs import EncoderJob, TokensJob
from bench.precomputed import encoder_check, tokens
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


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names that layer norms have in old models of BERT's family."""
    ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {next((k.replace(a, b) for a, b in ends.items() if k.endswith(a)), k): v for k, v in weights.items()}


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, "old names"])
def test_other_precisions_and_old_names_are_loaded(
    edited: Callable[..., str], tiny_encoder: Path, kind: object
) -> None:
    change = renamed if kind == "old names" else lambda weights: {k: v.to(kind) for k, v in weights.items()}
    loaded, plain = load(find(edited(change)), 2), load(find(str(tiny_encoder)), 2)
    assert (loaded.new, loaded.notes) == (plain.new, plain.notes)
    for name, weight in plain.model.base_model.state_dict().items():
        other = loaded.model.base_model.state_dict()[name]
        assert other.dtype == weight.dtype, name
        assert torch.allclose(weight, other, atol=1e-2), name


def test_weights_in_parts_are_loaded_and_a_part_that_lacks_a_tensor_is_an_error(
    edited: Callable[..., str], tiny_encoder: Path
) -> None:
    folder = Path(edited())
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {f"model-{part}.safetensors": sorted(weights)[part::2] for part in range(2)}
    index = {"weight_map": {name: file for file, names in files.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, **index}))
    for file, names in files.items():
        save_file({name: weights[name] for name in names}, folder / file, {"format": "pt"})
    loaded, plain = load(find(str(folder)), 2), load(find(str(tiny_encoder)), 2)
    for name, weight in plain.model.base_model.state_dict().items():
        assert torch.equal(weight, loaded.model.base_model.state_dict()[name]), name
    file, names = next(iter(files.items()))
    save_file({name: weights[name] for name in names[1:]}, folder / file, {"format": "pt"})
    with pytest.raises(UserError, match=f"1 of its .* tensors are not in its weights .*{names[0]}"):
        load(find(str(folder)), 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_diverged_training_are_an_error(edited: Callable[..., str], value: float) -> None:
    name = "encoder.layer.0.output.dense.bias"
    with pytest.raises(UserError, match=rf"NaN or infinite in bert\.{name}"):
        load(find(edited(lambda weights: {**weights, name: weights[name] + value})), 2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_hidden_layers": "2"}, "config.json has num_hidden_layers='2', which must be a whole number"),
        ({"max_position_embeddings": "128"}, "config.json has max_position_embeddings='128'"),
        ({"hidden_size": "32"}, "hidden_size='32', which must be a whole number"),
        ({"num_attention_heads": 3}, "cannot be loaded .*not a multiple of the number of attention heads"),
        ({"model_type": "nonsense"}, "cannot be loaded .*nonsense"),
        ({"model_type": None}, "cannot be loaded .*model_type"),
        ({"hidden_act": "nonsense"}, "cannot be loaded .*nonsense"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(
    edited: Callable[..., str], config: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        load(find(edited(**config)), 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["[]", "{", "", "<!DOCTYPE html>"])
def test_files_that_are_no_json_are_named(edited: Callable[..., str], content: str) -> None:
    folder = Path(edited())
    checkpoint = find(str(folder))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        whole = (folder / file).read_text()
        (folder / file).write_text(content)
        with pytest.raises(UserError, match=r"the tokenizer in .* cannot be read"):
            load_tokenizer(checkpoint)
        (folder / file).write_text(whole)
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json is no JSON object"):
        find(str(folder))


@pytest.mark.parametrize("family", ["roberta", "gpt2"])
def test_another_padding_token_than_the_tokenizers_is_an_error_where_the_model_looks_for_it(
    tmp_path: Path, family: str
) -> None:
    """RoBERTa counts positions from it, and GPT-2's head reads the last token before it."""
    if family == "roberta":
        folder = make_encoder(tmp_path / family, family)
    else:
        folder = encoders.make_gpt2(tmp_path / family, tokenizer_pads=True, pads=True)
    sound = find(str(folder))
    check_tokenizer(family, load(sound, 2).model, load_tokenizer(sound))
    other = find(str(encoders.edited(folder, tmp_path / "other", pad_token_id=7)))
    with pytest.raises(UserError, match=r"padding token is 1 in its tokenizer and 7 in config\.json"):
        check_tokenizer(family, load(other, 2).model, load_tokenizer(other))


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        ("config.json", "hidden_act", "nonsense", "cannot be loaded"),
        ("config.json", "pad_token_id", None, "no padding token"),
        ("tokenizer.json", "model", [], "the tokenizer in .* cannot be read"),
        ("vocabulary", "", "", "its tokenizer knows no word"),
    ],
)
def test_what_is_read_to_predict_with_is_called_a_model(
    tiny_encoder: Path, tmp_path: Path, file: str, key: str, value: object, message: str
) -> None:
    """It was called an encoder, which `predict`, `export` and a given checker have no option for."""
    folder = Path(encoders.edited(tiny_encoder, tmp_path / "model"))
    AutoModelForSequenceClassification.from_pretrained(tiny_encoder).save_pretrained(folder)
    if file == "vocabulary":
        (folder / "tokenizer.json").unlink(), (folder / "vocab.txt").unlink()
    else:
        (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), key: value}))
    (folder / "texts.csv").write_text("text\nfine\n")
    with pytest.raises(UserError, match=rf"^model '.*{message}") as error:
        predict(folder, folder / "texts.csv")
    assert "encoder '" not in str(error.value)


def test_of_a_bert_the_padding_token_may_be_another(edited: Callable[..., str]) -> None:
    checkpoint = find(edited(pad_token_id=7))
    check_tokenizer("bert", load(checkpoint, 2).model, load_tokenizer(checkpoint))


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_an_encoder_that_reads_one_way_is_refused(tmp_path: Path, family: str) -> None:
    """All texts had the same logits, and batches without padding others than the saved model."""
    folder = make_encoder(tmp_path / "encoder", family)
    with pytest.raises(UserError, match="set is_decoder to false"):
        load(find(str(encoders.edited(folder, tmp_path / "edited", is_decoder=True))), 2)


def test_relative_positions_that_are_not_computed_are_refused(edited: Callable[..., str]) -> None:
    def with_distances(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = "encoder.layer.0.attention.self.distance_embedding.weight"
        start = "bert." if any(one.startswith("bert.") for one in weights) else ""
        return {**weights, start + name: torch.zeros(3, 16)}

    with pytest.raises(UserError, match=r"its positions are relative .position_embedding_type: relative_key"):
        load(find(edited(with_distances, position_embedding_type="relative_key_query")), 2)


def test_sparse_attention_is_computed_in_full(tmp_path: Path) -> None:
    """The prediction of a text depended on the other texts of its batch, and on those of earlier batches."""
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sparse = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1}
    folder = encoders.make_model(tmp_path, "big_bird", max_position_embeddings=128, **shape, **sparse)
    loaded = load(find(str(folder)), 2)
    assert any("computed in full" in note for note in loaded.notes)
    assert loaded.model.config.attention_type == "original_full"
    ids = torch.randint(5, 100, (1, 64), generator=torch.Generator().manual_seed(0))
    padded = torch.cat([ids, torch.zeros(1, 16, dtype=torch.long)], dim=1)
    with torch.inference_mode():
        alone = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        beside = loaded.model(input_ids=padded, attention_mask=(torch.arange(80) < 64).long()[None]).logits
    assert torch.allclose(alone, beside, atol=1e-5)


@pytest.mark.parametrize("family", ["ctrl", "gpt2", "gptj", "openai-gpt"])
def test_positions_of_families_that_call_them_otherwise(family: str) -> None:
    assert positions({"model_type": family, "n_positions": 64}) == 64


def test_an_error_of_the_check_names_the_encoder(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise NotImplementedError("`get_input_embeddings` not auto-handled")

    monkeypatch.setattr(encoder_check, "check_padding", fails)
    job = EncoderJob("encoder", tmp_path, tmp_path, (), find(str(tiny_encoder)), 2, False, 0)
    with pytest.raises(UserError, match=r"encoder '.*' cannot be used \(NotImplementedError: .*; use another encoder"):
        encoder_check.build(job)


@pytest.mark.parametrize("make", [encoders.make_t5, encoders.make_bart], ids=["t5", "bart"])
def test_texts_with_the_end_token_are_refused_before_anything_trains(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    checkpoint = find(str(make(tmp_path / "encoder")))
    texts = ["a good day", "a bad day", "an end [SEP] and more"]
    with pytest.raises(
        UserError,
        match=r"token \d+ for the end of a text, but it is within 1 of 3 generated texts",
    ):
        tokens.build(TokensJob("tokens", tmp_path, tmp_path, (), "generated", texts, None, checkpoint, 32))
