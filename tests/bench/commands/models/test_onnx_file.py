"""`bench export --onnx`: the file gives the model's logits for batches of any shape, or there is no export."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.commands.models import export as export_module
from bench.commands.models import onnx_file
from bench.commands.models.export import export
from bench.errors import UserError
from bench.jobs import CellJob
from tests.bench.training.test_save_model import trained

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in onnx_file.PACKAGES), reason="the extra onnx is not installed"
)


@pytest.fixture(scope="module")
def cell(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> CellJob:
    """A cell with its whole model."""
    return trained(tmp_path_factory.mktemp("onnx") / "runs", "full", tiny_encoder)


@needs_onnx
def test_the_logits_are_those_of_the_model(cell: CellJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import onnxruntime
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path / "model"
    lines = list(export(cell.root, cell.folder.name, folder, "mit", onnx=True))
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", ""), "no warnings of libraries, no progress bars"
    assert lines[-1].startswith(f"ONNX: {folder / 'model.onnx'}; its logits agree with those of the model to ")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for texts in (["so happy"], ["so happy", "a bad day " * 9, "x"], ["word " * 100] * 5):
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        (found,) = session.run(["logits"], {name: value.numpy() for name, value in tokens.items()})
        expected = model(**tokens).logits.detach().numpy()
        assert found == pytest.approx(expected, abs=1e-5)

    with torch.no_grad():
        model.classifier.bias += 0.5  # as if the conversion were wrong
    with pytest.raises(UserError, match=r"differ by 5\.0e-01"):
        onnx_file.agreement(model, folder / "model.onnx", [tokens])


def test_without_agreement_there_is_no_export(cell: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differ(folder: Path, *, pairs: bool) -> float:
        return onnx_file.agreement(None, folder, [{}])

    monkeypatch.setattr(onnx_file, "PACKAGES", ())
    monkeypatch.setattr(onnx_file, "difference", lambda *_: np.nan)
    monkeypatch.setattr(export_module, "write_onnx", differ)
    with pytest.raises(UserError, match="differ by nan"):
        list(export(cell.root, cell.folder.name, tmp_path / "wrong", "mit", onnx=True))
    assert not (tmp_path / "wrong").exists()


def test_missing_packages_are_named_before_anything_is_written(
    cell: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("onnx_of_another_world",))
    with pytest.raises(
        UserError, match=r"--onnx needs onnx_of_another_world: pip install 'data-weighting-bench\[onnx\]'"
    ):
        list(export(cell.root, cell.folder.name, tmp_path / "model", "mit", onnx=True))
    assert not (tmp_path / "model").exists()
