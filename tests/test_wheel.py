"""The wheel holds everything that a user without the repository needs, and works from an empty folder."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

import bench
from tests.conftest import ROOT
from tests.helpers.in_process import command
from tests.helpers.stopped import half_copied
from tests.lowest import lowest

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
SHIPPED = ("bench/sweeps", "tasks/bundled")  # folders whose files all belong in the wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the editable wheel, built from a copy: no test writes into the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "source"
    for name in ("bench", "methods", "tasks", "sweeps"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    (source / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "test_wheel.py", source / "tests")
    for kind in ("wheel", "editable", "sdist"):
        code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder / kind)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return {kind: next((folder / kind).glob("data*")) for kind in ("wheel", "editable", "sdist")}


@pytest.fixture(scope="module")
def site(wheels: dict[str, Path]) -> Path:
    """A folder with what pip unpacks from the wheel."""
    folder = wheels["wheel"].parent / "site"
    zipfile.ZipFile(wheels["wheel"]).extractall(folder)
    return folder


def installed(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder with the unpacked wheel in place of the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, text=True, capture_output=True)


def test_every_file_is_in_the_wheel(site: Path) -> None:
    for package in ("bench", "methods", "tasks"):
        assert (site / package / "py.typed").is_file()
    code = {path for name in ("bench", "methods", "tasks") for path in (ROOT / name).rglob("*.py")}
    data = {path for name in SHIPPED for path in (ROOT / name).rglob("*.*") if path.name != "README.md"}
    data |= {*(ROOT / "tasks").glob("*.yaml"), *(ROOT / "bench").rglob("*.j2")}
    assert data
    assert not [path for path in code | data if not (site / path.relative_to(ROOT)).is_file()]


def test_the_source_distribution_has_no_part_of_the_tests(wheels: dict[str, Path]) -> None:
    """It had three files of them, without the helpers that they import."""
    with tarfile.open(wheels["sdist"]) as archive:
        folders = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 2}
    assert {"bench", "methods", "tasks"} <= folders
    assert "tests" not in folders


def test_the_metadata_are_those_of_the_citation(site: Path) -> None:
    (info,) = site.glob("*.dist-info")
    metadata = email.message_from_string((info / "METADATA").read_text("utf-8"))
    assert metadata["Name"] == "data-weighting-bench"
    assert metadata["Version"] == bench.__version__ == CITATION["version"]
    assert metadata["Author"] == CITATION["authors"][0]["name"]
    assert metadata["License-Expression"] == CITATION["license"]
    assert "](" not in metadata.get_payload(), "a link to a file of the repository breaks on the package index"
    scripts = [line.partition(" = ")[0] for line in (info / "entry_points.txt").read_text("utf-8").split("\n")]
    assert {"bench", "data-weighting-bench"} <= set(scripts)


def test_init_copies_the_sweeps_from_the_wheel(site: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    where = installed(site, tmp_path, "-c", "import bench; print(bench.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(site)
    copied = installed(site, tmp_path, "-m", "bench", "init", "sweeps")
    assert copied.returncode == 0, copied.stderr
    own = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    of_the_checkout = {f"sweeps/grids/{name}.yaml" for name in ("confirmation", "recommended")}
    assert own == {str(path.relative_to(ROOT)) for path in (ROOT / "sweeps").rglob("*.*")} - of_the_checkout
    recipe = tmp_path / "sweeps" / "recipes" / "twitter_val.json"
    assert f'"train_file": "{site.as_posix()}/tasks/bundled/twitter/' in recipe.read_text("utf-8")
    recipe.write_text(recipe.read_text("utf-8").replace("sentence-transformers/all-MiniLM-L6-v2", str(tiny_encoder)))
    planned = installed(site, tmp_path, "-m", "bench", "train", str(recipe), "--dry-run")
    assert planned.returncode == 0, planned.stderr

    again = installed(site, tmp_path, "-m", "bench", "init", "sweeps")
    assert again.returncode == 2
    assert again.stderr.startswith("error: sweeps exists already")


def test_an_editable_installation_is_the_checkout(wheels: dict[str, Path]) -> None:
    """Python finds the checkout's own `bench`, so what `test_init_in_a_checkout` shows holds for it."""
    folder = wheels["editable"].parent
    zipfile.ZipFile(wheels["editable"]).extractall(folder)
    find = "from importlib.util import find_spec; print(find_spec('bench').origin)"
    code = f"import site; site.addsitedir({str(folder)!r}); {find}"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd="/", text=True, capture_output=True, check=True
    )
    package = Path(result.stdout.strip()).parent
    assert package == folder.parent / "source" / "bench"
    assert (package / "sweeps" / "methods.yaml").is_file()


def test_init_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.commands.data.init import sweeps

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", half_copied)
        with pytest.raises(KeyboardInterrupt):
            list(sweeps())
    assert list(tmp_path.iterdir()) == [], "what was stopped can be repeated"
    lines = list(sweeps())
    assert sum("python -m bench" in line for line in lines) == 3
    assert lines[-1].startswith("left out: grids confirmation.yaml, recommended.yaml, ")
    assert (tmp_path / "sweeps" / "methods.yaml").read_bytes() == (ROOT / "sweeps" / "methods.yaml").read_bytes()
    grids = sorted(Path("sweeps/grids").glob("*.yaml"))
    assert len(grids) >= 5
    for grid in grids:  # two named a plugin that only a checkout has
        code, _, error = command(capsys, "run", "--config", str(grid), "--tasks", "twitter", "--dry-run")
        assert code == 0, error


def test_the_lowest_versions_are_not_above_those_that_are_tested() -> None:
    tested = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    versions = {canonicalize_name(name): Version(version) for name, version in tested.items()}
    bounds = dict(line.split("==") for line in lowest())
    assert len(bounds) >= 20
    for name, bound in bounds.items():
        assert Version(bound) <= versions[canonicalize_name(name)], name
