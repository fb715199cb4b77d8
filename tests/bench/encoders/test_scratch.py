"""The encoder `scratch`: written once, to the same cache as downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.encoders.checkpoints import find
from bench.wandb_artifacts import cache


def test_it_is_written_to_the_cache_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "one"))
    first = find("scratch")
    assert first.path.parent == cache() == tmp_path / "one"
    times = [path.stat().st_mtime_ns for path in sorted(first.path.iterdir())]
    assert find("scratch") == first
    assert times == [path.stat().st_mtime_ns for path in sorted(first.path.iterdir())]
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "other"))
    assert find("scratch").hash == first.hash, "the same bytes wherever it is written"
