"""W&B artifacts as models and data: the real client downloads them from a server on the loopback interface."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.checkpoint import find
from bench.errors import UserError
from bench.references import local
from tests.wandb_stub import ENTITY, PROJECT, Stub, logged_in

pytestmark = pytest.mark.wandb_agent
NAME = f"wandb:{ENTITY}/{PROJECT}/checker:v0"


@pytest.fixture
def server(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server that has the tiny encoder as an artifact, and a client that is logged in to it."""
    with logged_in(tmp_path, monkeypatch) as stub:
        stub.artifacts.folders["checker:v0"] = tiny_encoder
        yield stub


def test_downloaded_once_then_kept(server: Stub, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(NAME).hash == find(str(tiny_encoder)).hash
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert find(NAME).hash == find(str(tiny_encoder)).hash, "a numbered version is not asked for again"
    assert local(f"{NAME}/config.json").name == "config.json"
    with pytest.raises(UserError, match=r"no such file; it holds .*config\.json"):
        local(f"{NAME}/train.json")


def test_what_cannot_be_had(server: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="not wandb:entity/project/name:version"):
        local("wandb:checker")
    with pytest.raises(UserError, match="cannot be had"):
        local(NAME.replace("checker", "chequer"))
    server.artifacts.damaged.add("config.json")
    with pytest.raises(UserError, match=r"cannot be had: .*[Dd]igest"):
        local(NAME)
    assert not list((tmp_path / "kept").rglob("config.json")) or not list((tmp_path / "kept").glob("**/checker:v0"))
    server.artifacts.damaged.clear()
    shutil.rmtree(tmp_path / "wandb_cache_dir", ignore_errors=True)
    assert find(NAME)
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(UserError, match="WANDB_MODE is offline"):
        local(NAME.replace("v0", "v1"))
