"""Methods from a user's file and from installed packages, in this process and in workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import methods
from bench.commands.stores.list import methods as listed
from bench.config.request import load_plugins, make_request
from bench.errors import UserError
from bench.jobs import method_code
from bench.planning.planner import make_plan
from tests.conftest import ROOT
from tests.helpers.plugins import CODE, installed_package

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


def test_a_plugin_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.py: no such file"):
        make_request(methods="ce", plugins=[tmp_path / "none.py"])


@pytest.mark.parametrize("kind", [str, Path])
def test_a_plugin_may_stand_alone(kind: type, plugin: Path) -> None:
    """A text was read letter by letter, and a path was a TypeError."""
    (choice,) = make_request(methods="half", plugins=kind(plugin)).methods
    assert choice.label == "half"


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


def test_a_helper_that_was_edited_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook, its old cells were taken for those of the new code."""
    helper, path = tmp_path / "bends.py", tmp_path / "half.py"
    helper.write_text("bent = 1\n")
    path.write_text(f"import bends\n{CODE}")
    monkeypatch.syspath_prepend(str(tmp_path))
    (choice,) = make_request(methods="half", plugins=path).methods
    method_code(choice.cls)
    helper.write_text("bent = 1  # as before\n")
    make_request(methods="half", plugins=path)
    helper.write_text("bent = 2\n")
    with pytest.raises(UserError, match=r"'half': its code was edited after .* restart the kernel"):
        make_request(methods="ce,half", plugins=path)
    make_request(methods="ce", plugins=path)
    path.write_text(f"import bends\n{CODE}# another class, of the code that is there\n")
    make_request(methods="half", plugins=path)
    del sys.modules["bends"]


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
