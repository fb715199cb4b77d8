"""`--config grid.yaml`: the options of `bench run` in a file, which the command line overrules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.cli import commands
from bench.cli.argv import canonical
from bench.config.request import make_request
from bench.errors import UserError
from tasks import DataError
from tests.conftest import ROOT

GRID = """
methods: [ce, "dimp(clip=20)"]
tasks: "twitter[real=50]"
seeds: 3
dry_run: true
lr: 1e-4
dimp.gamma: 0.5
set: {updates: 96, train-layers: all}
encoder: null
"""


def arguments(path: Path, text: str, *typed: str) -> list[str]:
    """What the parser gets."""
    path.write_text(text, encoding="utf-8")
    return canonical(["run", "--config", str(path), *typed], commands())


def test_a_file_says_what_options_would(tmp_path: Path) -> None:
    assert arguments(tmp_path / "grid.yaml", GRID, "--workers=1") == [
        *("run", "--methods=ce,dimp(clip=20)", "--tasks=twitter[real=50]", "--seeds=3", "--dry-run"),
        *("--set=lr=1e-4", "--set=dimp.gamma=0.5", "--set=updates=96", "--set=train-layers=all"),
        "--workers=1",
    ]


@pytest.mark.parametrize(
    ("typed", "gone"),
    [
        (("--methods", "imp"), "--methods=ce,dimp(clip=20)"),
        (("--seed=7",), "--seeds=3"),  # the other word for the same axis
        (("--dry-run=False",), "--dry-run"),
        (("--lr=1e-3",), "--set=lr=1e-4"),
        (("--set", "lr=1e-3"), "--set=lr=1e-4"),
        (("--set=train_layers=2",), "--set=train-layers=all"),
        (("--dimp.gamma", "1"), "--set=dimp.gamma=0.5"),
    ],
)
def test_the_command_line_wins(tmp_path: Path, typed: tuple[str, ...], gone: str) -> None:
    assert gone in arguments(tmp_path / "grid.yaml", GRID)
    assert gone not in arguments(tmp_path / "grid.yaml", GRID, *typed)


@pytest.mark.parametrize("text", ["{time: 60, setup: 'a, b'}", "[time=60, 'setup=a, b']"])
def test_settings_of_the_engine_are_a_mapping_or_a_list(tmp_path: Path, text: str) -> None:
    result = arguments(tmp_path / "grid.yaml", f"engine: slurm\nengine_set: {text}\n")
    assert result == ["run", "--engine=slurm", "--engine-set=time=60", "--engine-set=setup=a, b"]


def test_plugins_are_given_one_by_one(tmp_path: Path) -> None:
    result = arguments(tmp_path / "grid.yaml", "plugin: [a.py, b.py]\nmethods: ce\n")
    assert result == ["run", "--plugin=a.py", "--plugin=b.py", "--methods=ce"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- ce\n- dimp\n", "not a list"),
        ("", "not nothing"),
        ("ce", "not 'ce'"),
        ("metods: ce", "did you mean 'methods'"),
        ("learning_rate: 1", "unknown key in"),
        ("config: other.yaml", "unknown key in"),
        ("methods: {ce: 1}", "takes a value or a list"),
        ("methods: [[ce]]", "takes a value or a list"),
        ("methods: []", "takes a value or a list"),
        ("set: [lr=1]", "set is a mapping"),
        ("methods: [ce", "line 1"),
        ("tasks: {{ task }}", "line 1: a key must be a word"),
        ("? [a, b]\n: 1", "line 1: a key must be a word"),
        ("[" * 5000, "nested too deeply"),
        ("seeds: 3\n  x: [", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises((UserError, DataError)) as caught:
        arguments(tmp_path / "grid.yaml", text)
    assert message in str(caught.value)
    assert "grid.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("")
    with pytest.raises(DataError, match=r"did you mean 'grid\.yaml'"):
        canonical(["run", f"--config={tmp_path / 'gird.yaml'}"], commands())


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps/grids").glob("*.yaml"), key=str), ids=lambda path: path.stem)
@pytest.mark.usefixtures("registry_as_it_was")
def test_the_committed_grids_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = canonical(["run", f"--config={path}"], commands())
    options = dict(entry[2:].split("=", 1) for entry in words if entry.startswith("--") and "=" in entry)
    given: dict[str, Any] = {name: options[name] for name in ("methods", "tasks", "preset") if name in options}
    request = make_request(**given, plugins=[Path(options["plugin"])] if "plugin" in options else [])
    assert request.methods
    assert request.tasks
