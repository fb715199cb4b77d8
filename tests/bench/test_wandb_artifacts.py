"""W&B artifacts as models and data: the real client downloads them from a server on the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.encoders.checkpoints import find
from bench.errors import UserError
from bench.wandb_artifacts import cache, local
from tests.helpers.wandb_stub import ENTITY, PROJECT, Stub, logged_in

pytestmark = pytest.mark.wandb_agent
NAME = f"wandb:{ENTITY}/{PROJECT}/checker:v0"


@pytest.fixture
def server(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server that has the tiny encoder as an artifact, and a client that is logged in to it."""
    with logged_in(tmp_path, monkeypatch) as stub:
        stub.artifacts.folders["checker:v0"] = tiny_encoder
        yield stub


def test_an_artifact_is_downloaded_once(server: Stub, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(NAME).hash == find(str(tiny_encoder)).hash
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert find(NAME).hash == find(str(tiny_encoder)).hash, "a numbered version is downloaded once"
    assert local(f"{NAME}/config.json").name == "config.json"
    assert local(f"{NAME}/absent.json|config.json").name == "config.json", "the first that is there"
    with pytest.raises(UserError, match=r"no such file; it has .*config\.json"):
        local(f"{NAME}/train.json")


@pytest.mark.parametrize(("listens", "message"), [(False, "cannot be reached"), (True, "does not answer within 1 s")])
def test_a_server_that_does_not_answer_is_one_line(
    listens: bool, message: str, server: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.wandb_artifacts.PATIENCE", 1)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://alice:s3cret@127.0.0.1:{place.getsockname()[1]}")
        if listens:
            place.listen(5)
        with pytest.raises(UserError, match=message) as caught:
            local(NAME)
    assert "s3cret" not in str(caught.value)
    assert not list((tmp_path / "kept").rglob("*"))


def test_malformed_unknown_and_damaged_artifacts_are_refused(
    server: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="not of the form wandb:entity/project/name:version"):
        local("wandb:checker")
    with pytest.raises(UserError, match="is not available"):
        local(NAME.replace("checker", "chequer"))
    server.artifacts.damaged.add("config.json")
    with pytest.raises(UserError, match=r"is not available: .*[Dd]igest"):
        local(NAME)
    assert not list((tmp_path / "kept").rglob("config.json"))
    server.artifacts.damaged.clear()
    shutil.rmtree(tmp_path / "wandb_cache_dir", ignore_errors=True)
    assert find(NAME)
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(UserError, match="WANDB_MODE=offline"):
        local(NAME.replace("v0", "v1"))


def test_a_download_of_the_former_cache_folder_is_found(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.environ["HOME"])
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache() == home / ".cache" / "data-weighting-bench"
    assert local(NAME).is_relative_to(cache())
    cache().rename(home / ".cache" / "counterweight")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert local(NAME).is_relative_to(home / ".cache" / "counterweight"), "it is not downloaded again"
    cache().with_name("data-weighting-bench").mkdir()
    assert cache().name == "data-weighting-bench"
