"""A link that leads nowhere, or to itself, wherever a path is read: one line that says so, and exit code 2."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = {
    "generated rows": ("run", "--generated", "link.csv", "--real", "real.csv", "--methods", "ce"),
    "real rows": ("run", "--generated", "real.csv", "--real", "link.csv", "--methods", "ce"),
    "rows in a folder": ("run", "--generated", "link/rows.csv", "--real", "real.csv", "--methods", "ce"),
    "task": ("run", "--tasks", "link.yaml", "--methods", "ce"),
    "grid": ("run", "--config", "link.yaml"),
    "sweep": ("sweep", "link.yaml"),
    "recipe": ("train", "link.json"),
    "validate": ("validate", "link.yaml"),
}


def linked(folder: Path, target: str | None) -> None:
    """Links to a target, or each to itself."""
    for name in ("link", "link.csv", "link.yaml", "link.json", "link.py"):
        (folder / name).symlink_to(target or name)
    (folder / "real.csv").write_text("text,label\na,x\nb,y\n")


@pytest.mark.parametrize("target", ["nowhere/at-all", None], ids=["nowhere", "itself"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_is_a_broken_link(bench: Command, tmp_path: Path, name: str, target: str | None) -> None:
    linked(tmp_path, target)
    done = bench(*COMMANDS[name])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "is a link to " in done.stderr
    assert ", which does not exist; make the link anew" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "link"), "cannot write to "),
        (("--reports", "link"), "cannot write to link: link is a link to link, which does not exist"),
        (("--plugin", "link.py"), "link.py: no such file"),
        (("--encoder", "link"), "encoder 'link'"),
    ],
)
def test_an_option_of_a_run_is_a_link_to_itself(
    bench: Command, tmp_path: Path, tiny_encoder: Path, arguments: tuple[str, ...], words: str
) -> None:
    linked(tmp_path, None)
    own = () if "--encoder" in arguments else ("--encoder", str(tiny_encoder))
    done = bench("run", "--methods", "ce", "--seeds", "1", "--preset", "smoke", *own, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("metrics.json"))
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
