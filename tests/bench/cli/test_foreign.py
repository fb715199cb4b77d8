"""Another package `bench` in the same folder, which pip allows, is one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli.foreign import foreign_package
from tests.conftest import ROOT

FRAPPE = {
    "__init__.py": 'VERSION = "5.0.0-dev"\nPROJECT_NAME = "frappe-bench"\n',
    "config/__init__.py": '"""Module for setting up system and respective bench configurations"""\n',
    "commands/__init__.py": "from bench.utils.cli import MultiCommandGroup\n",
    "app.py": "",
    "cli.py": "def cli(): ...\n",
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which this project is installed."""
    for name in ("bench", "methods", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    return tmp_path


def start(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Start the command of an installation from another folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    (folder / "elsewhere").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *command], cwd=folder / "elsewhere", env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "command", [("-m", "bench"), ("-c", "from bench.cli import main; main()")], ids=["module", "console script"]
)
@pytest.mark.parametrize("names", [tuple(FRAPPE), ("__init__.py",), ("app.py",)], ids=["after", "init", "before"])
def test_a_foreign_package_is_one_line(installed: Path, names: tuple[str, ...], command: tuple[str, ...]) -> None:
    for name in names:
        (installed / "bench" / name).write_text(FRAPPE[name])
    run = start(installed, *command, "--help")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "virtual environment of its own" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_clean_installation_starts(installed: Path) -> None:
    run = start(installed, "-m", "bench", "--help")
    assert run.returncode == 0, run.stderr
    assert foreign_package() == ""
