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


def test_logits_that_are_not_numbers_in_any_batch_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first batch counted: in Python the largest of 0 and NaN is 0."""
    differences = iter([0.0, np.nan, 0.0])
    monkeypatch.setattr(onnx_file, "difference", lambda *_: next(differences))
    with pytest.raises(UserError, match="differ by nan"):
        onnx_file.agreement(None, Path("model.onnx"), [{}, {}, {}])


def test_the_message_of_a_library_is_one_line_without_colours() -> None:
    error = RuntimeError("Failed to decompose.\n\n\x1b[96mThis is step 2/3\x1b[0m of exporting " + "x" * 300)
    text = onnx_file.cause(error)
    assert text.startswith("RuntimeError: Failed to decompose. This is step 2/3 of exporting xxx")
    assert len(text) == len("RuntimeError: ") + 200


def test_missing_packages_are_named_before_anything_is_written(
    cell: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("onnx_of_another_world",))
    with pytest.raises(
        UserError, match=r"--onnx needs onnx_of_another_world: pip install 'data-weighting-bench\[onnx\]'"
    ):
        list(export(cell.root, cell.folder.name, tmp_path / "model", "mit", onnx=True))
    assert not (tmp_path / "model").exists()
