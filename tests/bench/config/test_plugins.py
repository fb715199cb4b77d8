"""Methods from a user's file and from installed packages, in this process and in workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import methods
from bench.commands.stores.list import methods as listed
from bench.config.request import load_plugins, make_request
from bench.errors import UserError
from bench.planning.planner import make_plan
from methods import plugins
from tests.conftest import ROOT

CODE = '''
"""Half of every weight."""

from methods.base import WeightMethod
from methods.registry import register


@register("half")
class Half(WeightMethod):
    """Half."""

    def weights(self, batch):
        return batch.logp.detach() * 0 + 0.5
'''


pytestmark = pytest.mark.usefixtures("registry_as_it_was")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A file with one good method."""
    path = tmp_path / "half.py"
    path.write_text(CODE)
    return path


def test_a_plugin_is_listed_and_its_code_is_in_the_id(tmp_path: Path, plugin: Path, tiny_encoder: Path) -> None:
    request = make_request(methods="half,ce", plugins=[plugin], encoder=str(tiny_encoder), preset="smoke", seeds=1)
    load_plugins([plugin])  # again: nothing happens
    lines = list(listed())
    assert "half: Half." in lines
    without = {"half"}  # a plugin need not say when it fails
    assert sum(line.startswith("    fails: by its formula, ") for line in lines) == len(
        methods.METHODS.keys() - without
    )
    half, ce = (
        make_plan(request, tmp_path / "runs").jobs[identity] for identity in make_plan(request, tmp_path / "runs").cells
    )
    assert half.plugin == plugin
    assert ce.plugin is None
    other = tmp_path / "other" / "half.py"
    other.parent.mkdir()
    other.write_text(CODE.replace("0.5", "0.25"))
    del methods.METHODS["half"]
    load_plugins([other])
    again = make_plan(
        make_request(methods="half", encoder=str(tiny_encoder), preset="smoke", seeds=1), tmp_path / "runs"
    )
    assert next(iter(again.cells)) != half.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('no disk')", "line 1: OSError: no disk"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("x = 1", "registers no method"),
        (CODE.replace('"half"', '"ce"'), "registered twice"),
        (CODE.replace('"half"', '"Half"'), "lower case"),
        (CODE.replace("def weights", "def weight"), "lacks weights"),
        (CODE + "\n\nimport no_such_package", "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_raises_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        make_request(methods="ce", plugins=[path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "half" not in methods.METHODS, "nothing of it stays registered"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_plugin_may_stand_alone(kind: type, plugin: Path) -> None:
    """A text was read letter by letter, and a path was a TypeError."""
    (choice,) = make_request(methods="half", plugins=kind(plugin)).methods
    assert choice.label == "half"


@pytest.mark.parametrize(("name", "message"), [("none.py", "no such file"), (".", "not a .py file")])
def test_a_plugin_must_be_a_python_file(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_request(methods="ce", plugins=[tmp_path / name])


def test_code_that_changed_after_planning_is_refused(tmp_path: Path, plugin: Path, tiny_encoder: Path) -> None:
    from dataclasses import replace

    from bench.training.inputs import method_class

    plan = make_plan(
        make_request(methods="half", plugins=[plugin], encoder=str(tiny_encoder), preset="smoke"), tmp_path
    )
    job = plan.jobs[next(iter(plan.cells))]
    assert method_class(job).name == "half"  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="changed after the grid was planned"):
        method_class(replace(job, spec=replace(job.spec, code="1:old")))  # type: ignore[attr-defined, arg-type]


def installed_package(folder: Path, code: str, groups: Sequence[str] = plugins.GROUPS[:1]) -> None:
    """A distribution as pip leaves it, which offers the methods of one module in some entry-point groups."""
    (folder / "own_methods.py").write_text(code)
    info = folder / "own_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("".join(f"[{group}]\nown = own_methods\n" for group in groups))


def test_files_and_packages_reach_the_workers(tmp_path: Path, plugin: Path, tiny_encoder: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    installed_package(site, CODE.replace('"half"', '"third"').replace("0.5", "1 / 3"))
    options = ("--seeds", "1", "--preset", "smoke", "--workers", "1", "--no-figures", "--encoder", str(tiny_encoder))
    run = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--methods", "half,third", "--plugin", str(plugin), *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"},
        text=True,
        capture_output=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    weights = {path.parts[-3]: pd.read_parquet(path)["weight"] for path in tmp_path.glob("runs/*/*/*/weights.parquet")}
    assert weights["half"].unique().tolist() == [0.5]
    assert weights["third"].unique() == pytest.approx([1 / 3])


@pytest.mark.parametrize(
    "groups",
    [
        ["data_weighting_bench.methods"],
        ["counterweight.methods"],
        ["counterweight.methods", "data_weighting_bench.methods"],
    ],
    ids=["current", "former", "both"],
)
def test_the_entry_point_group_may_have_its_former_name(
    groups: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_package(tmp_path, CODE, groups)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    assert [entry.module for entry in plugins.installed()] == ["own_methods"], "in both groups, it still counts once"
    assert plugins.findable(methods.METHODS["half"])
    assert sum(line.startswith("half: ") for line in listed()) == 1


def test_a_package_that_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_package(tmp_path, "raise OSError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    with pytest.raises(UserError, match=r"package own-dist offers methods in own_methods: OSError: broken"):
        make_request(methods="ce")
