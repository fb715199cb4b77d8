"""Rules that keep the layout readable. Where one is broken, move or rename code rather than add an exception."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer
from importlinter.cli import lint_imports

from bench.cli import app
from bench.store import layout
from tests import architecture
from tests.architecture import PACKAGES, PAGE, ROOT, first_line, packages

MAX_LINES, MAX_MODULES = 320, 15
LIGHT = ("cli", "commands", "config", "planning", "store", "leaderboard")
FILES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
# Commands that run a grid need no file: `bench.cli.grids` calls `bench.execution.grid`.
GRIDS = {"run", "stress", "sweep"}
# Names that several modules of a package may define.
INTERFACES = {
    "build": "a builder of jobs, called by its kind in `BUILDERS`",
    "part": "an extra table of a report, called through a list",
    "draw": "a figure, or all of them",
    "read": "what a module of the store or of `config` is about, called with the module's name",
    "save": "its counterpart",
    **dict.fromkeys(("count", "execute", "follow", "follows", "launched"), "the functions of an `Engine`"),
}
ALTERNATIVES = {ROOT / "bench" / "system"}  # its modules have the same names, and a system has one of them
KNOWN = {  # (package, name) of two functions each that ought to have names of their own; no new ones
    ("tasks", "load"),
}


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_folder_is_crowded() -> None:
    counts = {folder: sum(path.stem != "__init__" for path in folder.glob("*.py")) for folder in packages()}
    del counts[ROOT / "methods"]  # a file per method
    assert {folder: count for folder, count in counts.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_package_says_in_a_line_what_it_is(folder: Path) -> None:
    assert re.fullmatch(r".{10,}[.?]", first_line(folder / "__init__.py"))


def test_a_command_has_its_file() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert commands > GRIDS
    assert commands - GRIDS <= {path.stem.rstrip("_") for path in (ROOT / "bench" / "commands").glob("*/*.py")}


@pytest.mark.parametrize(
    "folder", sorted({*packages()} - ALTERNATIVES), ids=lambda folder: str(folder.relative_to(ROOT))
)
def test_a_name_has_one_meaning_in_a_package(folder: Path) -> None:
    """Of functions and classes; constants are mostly used in their own module."""
    modules = defaultdict(list)
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(path.stem)
    package = str(folder.relative_to(ROOT))
    allowed = {*INTERFACES, *(name for place, name in KNOWN if place == package)}
    assert {name: paths for name, paths in modules.items() if len(paths) > 1 and name not in allowed} == {}


def test_names_of_files_of_a_store_are_written_in_one_place() -> None:
    constants = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    names = {value for value in constants if "." in value}
    assert {"metrics.json", ".artefacts", ".running"} <= names
    written = [
        (path.relative_to(ROOT).as_posix(), node.value)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value
        if names & {*node.value.split("/")}
    ]
    assert [place for place in written if place[0] != "bench/store/layout.py"] == []


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers in pyproject.toml, and no circle; `make lint` shows which import breaks them."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_planning_and_reports_load_no_framework() -> None:
    """Importing these packages takes a fraction of a second because nothing in them imports torch and the like."""
    folders = [f"bench/{name}" for name in LIGHT] + ["methods", "tasks"]
    paths = [
        path.relative_to(ROOT).with_suffix("")
        for path in FILES
        if str(path.relative_to(ROOT)).startswith(tuple(folders))
    ]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    code = (
        "import importlib, sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'datasets', 'wandb')));"
        f"[importlib.import_module(name) for name in {names}]"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_current() -> None:
    text = PAGE.read_text("utf-8")
    assert architecture.current(text) == text, "python -m tests.architecture --write"


def test_what_the_page_names_is_there() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`((?:bench|methods|tasks|tests|sweeps|docs)/[\w/.-]*)`", text)) - {
        "methods/x.py",
        "tasks/x.yaml",
        "bench/commands/reports/x.py",
        "bench/execution/engines/x.py",
    }
    assert {path for path in named if not (ROOT / path).exists()} == set()
    for name, path in re.findall(r"`([A-Z_]+)` in `([\w/]+\.py)`", text):
        assert re.search(rf"^{name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE), (name, path)
    for walk in text.partition("## Three walks")[2].partition("## Words")[0].split("###")[1:]:
        assert len(set(re.findall(r"`[\w/]+\.py`", walk))) <= 10
