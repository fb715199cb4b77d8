"""Pickled weights: the same model as its safetensors, and only weights are ever loaded."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.commands.models.predict import predict
from bench.encoders.checkpoints import find
from bench.errors import UserError
from tests.bench.precomputed.test_external_scores import classifier


@pytest.fixture
def folder(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier as older versions saved it: pickled, with the trainer's other pickle in its folder."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    checkpoint = classifier(tmp_path / "pickled", tiny_encoder, ["negative", "positive"])
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "training_args.bin").write_bytes(b"no weights, and never read")
    return checkpoint


def test_it_predicts_as_its_safetensors_do(folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("so happy\nthis is awful\n")
    safe = classifier(tmp_path / "safe", tiny_encoder, ["negative", "positive"])
    one, other = (predict(model, tmp_path / "some.txt").frame for model in (folder, safe))
    np.testing.assert_array_equal(one["p_positive"], other["p_positive"])
    assert one["p_positive"].between(0.01, 0.99).all()


def test_it_is_named_by_content_and_converted_once(folder: Path, tmp_path: Path) -> None:
    first = find(str(folder))
    times = [path.stat().st_mtime_ns for path in sorted(first.path.iterdir())]
    again = find(str(folder.rename(tmp_path / "moved")))
    assert (first.hash, first.path) == (again.hash, again.path)
    assert times == [path.stat().st_mtime_ns for path in sorted(again.path.iterdir())]
    assert not (first.path / "training_args.bin").exists()
    moved = tmp_path / "moved"
    (moved / "chat_template.jinja").write_text("{{ messages }}")
    assert (find(str(moved)).path / "chat_template.jinja").exists()
    assert find(str(moved)).hash == first.hash


def test_weights_in_parts_that_share_memory(folder: Path) -> None:
    whole = torch.load(folder / "pytorch_model.bin", weights_only=True)
    (folder / "pytorch_model.bin").unlink()
    names = sorted(whole)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, own in parts.items():
        torch.save({**{name: whole[name] for name in own}, f"twin.{file[:19]}": whole[own[0]]}, folder / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    result = load_file(find(str(folder)).path / "model.safetensors")
    assert all(torch.equal(result[name], whole[name]) for name in names)
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(UserError, match=r"names pytorch_model-00002-of-00002\.bin, but the folder has no such file"):
        find(str(folder))


class Payload:
    """An object in a malicious checkpoint: unpickled without care, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_malicious_pickle_is_one_line(
    folder: Path, tmp_path: Path, bench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    torch.save({"weight": torch.zeros(2), "more": Payload(tmp_path / "run")}, folder / "pytorch_model.bin")
    (tmp_path / "some.txt").write_text("so happy\n")
    for command in (
        ("predict", str(folder), "some.txt"),
        ("run", "--methods", "ce", "--encoder", str(folder)),
        ("run", "--methods", "dimp", "--quality-checker", str(folder)),
    ):
        ran = bench(*command)
        assert ran.returncode == 2, ran.stdout
        assert "pytorch_model.bin is not loaded: it calls posix.mkdir" in ran.stderr
        assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists(), "the payload never ran"
    assert not (tmp_path / "predictions.csv").exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "run").exists(), "it would have"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged or cut off"),
        (lambda path: path.write_bytes(b""), "damaged or cut off"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "damaged or cut off"),
        (lambda path: torch.save([torch.zeros(2)], path), "has a list without weights"),
        (lambda path: torch.save({"state_dict": {"a": torch.zeros(2)}}, path), "state_dict is a dict, not a weight"),
    ],
)
def test_other_content_is_an_error(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=message):
        find(str(folder))
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
