"""Headers of safetensors files: what they hold, and every kind of file that is none."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bench.encoders.checkpoints import check_size, configuration
from bench.encoders.weight_files import header, tensors, wrapper
from bench.errors import UserError

WEIGHTS = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(3), "scale": torch.tensor(1.0)}


def test_names_and_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "model-1.safetensors", metadata={"format": "pt"})
    save_file({"b": torch.zeros(0, 4)}, tmp_path / "model-2.safetensors")
    assert tensors(tmp_path) == {**{name: tuple(value.shape) for name, value in WEIGHTS.items()}, "b": (0, 4)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"12345", "it has only 5 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 43215\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (struct.pack("<Q", 2**60) + b"{}", "announce a header of"),
        (struct.pack("<Q", 4) + b"{}{}", "header cannot be read"),
        (struct.pack("<Q", 2) + b"[]", "header cannot be read"),
        (struct.pack("<Q", 17) + b'{"a": {"b": "c"}}', "an entry is malformed"),
        (struct.pack("<Q", 100_000) + b"[" * 100_000, "header cannot be read"),
    ],
)
def test_a_file_that_is_no_safetensors_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        header(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 400


def test_a_cut_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="cut or damaged"):
        header(path)


def write_parts(folder: Path) -> Path:
    """Weights in two files, and the index that names them."""
    names = {"model-1.safetensors": ["a.weight"], "model-2.safetensors": ["a.bias", "scale"]}
    for file, own in names.items():
        save_file({name: WEIGHTS[name] for name in own}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, own in names.items() for name in own}}))
    return index


def test_an_index_names_files_that_are_there(tmp_path: Path) -> None:
    write_parts(tmp_path)
    assert set(tensors(tmp_path)) == set(WEIGHTS)
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(UserError, match=r"index\.json names model-2\.safetensors, but the folder has no such file"):
        tensors(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', pytest.param("[" * 10**5, id="deep")],
)
def test_an_index_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    write_parts(tmp_path).write_text(content)
    with pytest.raises(UserError, match="is no index: it has no mapping weight_map"):
        tensors(tmp_path)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused_and_other_whole_numbers_are_not(tmp_path: Path, kind: torch.dtype) -> None:
    path = tmp_path / "model.safetensors"
    save_file({**WEIGHTS, "position_ids": torch.arange(4)}, path)
    assert header(path)["position_ids"] == (4,)
    save_file({**WEIGHTS, "a.weight": torch.zeros(2, 3).to(kind)}, path)
    with pytest.raises(UserError, match=r"a\.weight is stored as .*; quantised weights are not supported"):
        header(path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_are_a_traceback(tmp_path: Path, content: bytes, framed: bool) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content if framed else content)
    try:
        header(path)
    except UserError:
        return
    assert json.loads(content) is not None, "only a real header is accepted"


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_fsdp_wrapped_module."])
def test_a_wrapper_is_a_prefix_of_every_name(prefix: str) -> None:
    assert wrapper(prefix + name for name in WEIGHTS) == prefix
    assert wrapper([*(prefix + name for name in WEIGHTS), "other"]) == ""
    assert wrapper(WEIGHTS) == wrapper([]) == ""


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_hidden_layers": 10**6}, "num_hidden_layers=1000000, but the weights have 3 tensors"),
        ({"hidden_size": 10**7}, "hidden_size=10000000, but the weights have 3 tensors with sides of up to 3"),
        ({"vocab_size": 10**9}, "vocab_size=1000000000"),
    ],
)
def test_a_configuration_far_larger_than_the_weights_is_refused(config: dict[str, int], message: str) -> None:
    shapes = {name: tuple(value.shape) for name, value in WEIGHTS.items()}
    check_size({"num_hidden_layers": 2, "hidden_size": 3}, shapes, "encoder 'x'")
    with pytest.raises(UserError, match=message):
        check_size(config, shapes, "encoder 'x'")


@pytest.mark.parametrize("value", ["2", 2.0, True, [2]])
def test_a_configuration_has_whole_numbers(tmp_path: Path, value: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": value}))
    with pytest.raises(UserError, match=r"hidden_size=.*, which must be a whole number"):
        configuration(tmp_path, "x", "encoder")
