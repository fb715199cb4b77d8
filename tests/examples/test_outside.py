"""The examples of `bench.outside` run as their pages say, here on a tiny encoder for a few updates."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.in_fork import workers_by_fork

ROOT = Path(__file__).parents[2]


def example(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_trainer(tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = example("weighted_trainer").main(
        str(tiny_encoder), max_steps=3, per_device_train_batch_size=8, use_cpu=True, disable_tqdm=True
    )
    printed = capsys.readouterr().out
    assert f"test accuracy {score:.4f}" in printed
    assert len(re.findall(r"^(smallest|largest) mean weight \d+\.\d+: (negative|positive): ", printed, re.M)) == 2


def test_the_classifier(
    tiny_encoder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers_by_fork(monkeypatch)
    (score,) = example("text_classifier").main(str(tiny_encoder), "smoke", ("dimp",))
    assert f"dimp: test accuracy {score:.4f}" in capsys.readouterr().out
