"""What `make` says before it downloads anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PRETENDS = """#!/bin/sh
echo "$@" >> calls
[ "$1" = -c ] && exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"
exit 9
"""


@pytest.mark.parametrize(("version", "code"), [((3, 10, 13), 1), ((3, 11, 0), 9)])
def test_an_older_python_stops_before_an_environment_is_made(
    version: tuple[int, int, int], code: int, tmp_path: Path
) -> None:
    """`.venv` of Python 3.10 got torch, then no package, and stayed where `make` was called with a newer one."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python3.x"
    python.write_text(PRETENDS.format(python=sys.executable, version=version))
    python.chmod(0o755)
    done = subprocess.run(["make", "setup", f"PYTHON={python}"], cwd=tmp_path, text=True, capture_output=True)
    made = "-m venv .venv" in (tmp_path / "calls").read_text()
    assert (f"Error {code}" in done.stderr, made) == (True, code == 9)
    line = f"error: {python} is Python 3.10, and 3.11 or newer is needed: make ... PYTHON=python3.12"
    assert (line in done.stderr.splitlines()) == (code == 1)
