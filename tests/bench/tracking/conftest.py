"""A W&B server on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.tracking import wandb_runs
from tests.helpers.wandb_stub import PROJECT, Stub, logged_in


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server, and a client in this process that is logged in to it."""
    monkeypatch.setattr(wandb_runs, "_unreachable", [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_PROJECT", PROJECT)
    with logged_in(tmp_path, monkeypatch) as stub:
        yield stub
