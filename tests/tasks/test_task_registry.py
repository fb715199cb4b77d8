"""Descriptions of tasks: every registered YAML is complete, a wrong one gives a clear error, importing stays light."""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import tasks
from tasks import SOURCES, DataError, load_spec, task_names
from tasks.roles import ROLES
from tests.tasks.task_files import write_task

PACKAGE = Path(tasks.__file__).parent
ROOT = PACKAGE.parent
DATA = (".jsonl", ".parquet")  # suffixes of data files, beside cards and licences
BUNDLED = sorted(path.parent.name for path in PACKAGE.glob("bundled/*/dataset.json"))


def test_the_tasks_are_registered():
    assert task_names() == ["financial", "mrpc", "news", "news-noisy", "oracle", "twitter", "twitter-irony"]


@pytest.mark.parametrize("name", task_names())
def test_spec_is_complete(name):
    spec = load_spec(name)
    assert spec.name == name
    assert spec.pair == (name == "mrpc")
    assert set(spec.sources) <= set(SOURCES)
    assert bool(spec.complete_sources()) == (spec.process is None)
    assert spec.sizes.real["default"] == 300
    assert spec.sizes.test == (2500 if name == "financial" else 2000)
    for source, block in spec.sources.items():
        assert all((block.about, block.licence or spec.licence, block.citation or spec.citation)), source


@pytest.mark.parametrize("name", task_names())
def test_bundled_files_exist_and_all_are_used(name):
    block = load_spec(name).sources.get("bundled")
    named = set() if block is None else {place for role in ROLES if (place := block.place(role))}
    present = {str(path.relative_to(PACKAGE)) for path in (PACKAGE / "bundled" / name).glob("*") if path.suffix in DATA}
    for_defaults = {f"bundled/{name}/validation.parquet"} & present  # no role: for --test, see the data card
    assert named | for_defaults == present


@pytest.mark.parametrize("name", BUNDLED)
def test_the_card_of_a_folder_has_the_digest_of_each_data_file(name):
    folder = PACKAGE / "bundled" / name
    card = json.loads((folder / "dataset.json").read_text("utf-8"))
    files = [path for path in folder.glob("*") if path.suffix in DATA]
    assert card["sha256"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert card["label_names"] == list(load_spec(name).labels)


@pytest.mark.parametrize("name", ["twitter", "financial"])
def test_human_rows_come_with_the_text_of_their_licence(name):
    licence = (PACKAGE / "bundled" / name / "LICENSE.txt").read_text("utf-8")
    for part in ("real.parquet, test.parquet and validation.parquet", "The MIT License", "The above copyright notice"):
        assert part in licence
    assert ("Copyright (c) 2016 C.J. Hutto" in licence) == (name == "twitter")
    assert "MIT" in load_spec(name).sources["bundled"].licence


@pytest.mark.shared
@pytest.mark.parametrize(("name", "folder"), [("twitter", "twitter_rated"), ("financial", "financial_tweets")])
def test_human_rows_are_those_of_the_source(name, folder, shared_data):
    for role, split in (("real", "train"), ("validation", "validation"), ("test", "test")):
        ours, source = PACKAGE / "bundled" / name / f"{role}.parquet", shared_data / folder / f"{split}.parquet"
        assert ours.read_bytes() == source.read_bytes()


def test_the_data_card_names_every_bundled_file():
    card = (PACKAGE / "bundled" / "README.md").read_text("utf-8")
    for path in (PACKAGE / "bundled").glob("*/*"):
        name = path.name if path.name == "dataset.json" else f"{path.parent.name}/{path.name}"
        assert f"`{name}`" in card
    for word in ("Claude (Anthropic)", "November 2026", "Apache-2.0", "not human text", "Hutto", "Ricky Costa"):
        assert word in card


def test_the_package_is_under_4_megabytes_and_its_data_under_2():
    files = (path for top in ("bench", "methods", "tasks") for path in (ROOT / top).rglob("*") if path.is_file())
    sizes = {path: path.stat().st_size for path in files if path.suffix != ".pyc"}
    assert sum(sizes.values()) < 4e6
    assert sum(size for path, size in sizes.items() if "bundled" in path.parts) < 2e6


def test_a_path_is_accepted_as_a_task(tmp_path):
    assert load_spec(write_task(tmp_path)).name == "made"
    assert load_spec(str(tmp_path / "made.yaml")).labels == ("negative", "positive")


def test_spec_is_immutable():
    with pytest.raises(ValueError, match="frozen"):
        load_spec("twitter").version = 2


LOCAL = {"generated": "g.jsonl", "real": "r.jsonl", "test": "t.jsonl"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence": None}, "licence: this key is required"),
        ({"licens": "none"}, "unknown key 'licens'; did you mean 'licence'?"),
        ({"labels": [True, False]}, "labels.0: must be text, not True; .*quotation marks"),
        ({"labels": ["one"]}, "labels: .*at least 2"),
        ({"labels": ["one", "one"]}, "labels: the names must differ"),
        ({"name": "a,b"}, "name: "),
        ({"version": 0}, "version: "),
        ({"sources": {}}, "sources: "),
        ({"sources": {"locl": LOCAL}}, "sources: no source 'locl'; did you mean 'local'?"),
        ({"sources": {"local": LOCAL | {"tset": "x"}}}, "sources: local: unknown key 'tset'; did you mean 'test'?"),
        (
            {"sources": {"local": LOCAL | {"validation": "v.jsonl"}}},
            "local: validation: no run reads .* remove",
        ),
        ({"sources": {"local": LOCAL | {"real": 3}}}, "sources: local: real: "),
        ({"sources": {"local": {"real": "r.jsonl"}}}, "sources: local: real rows need either test or split"),
        ({"sources": {"local": LOCAL | {"split": {"test": 4}}}}, "sources: local: real rows need either test or split"),
        ({"sources": {"local": {"generated": "g.jsonl", "test": "t.jsonl"}}}, "sources: local: test.* need real"),
        ({"sizes": {"real": {"default": 6}}}, "sizes.test: this key is required"),
        ({"sizes": {"real": {}, "test": 5}}, "sizes: real needs a default"),
        ({"sizes": {"real": {"default": 6, "budled": 1}, "test": 5}}, "no source 'budled'; did you mean 'bundled'?"),
        ({"filters": {"agreement": {"colum": "a", "meaning": "b"}}}, "filters.agreement."),
    ],
)
def test_wrong_description(tmp_path, changes, message):
    path = write_task(tmp_path, **changes)
    with pytest.raises(DataError, match=message) as caught:
        load_spec(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: made\nlabels: [a, b\n", r"made\.yaml, line 3: not valid YAML"),
        (b"name: a: b\n", r"made\.yaml, line 1: not valid YAML"),
        (b"- a\n", r"made\.yaml: a task is a mapping"),
        (b"", r"made\.yaml: a task is a mapping"),
        (b"name: \xff\n", r"made\.yaml: not valid YAML"),
        (b"name: 2026-13-45\n", r"made\.yaml: not valid YAML"),
    ],
)
def test_malformed_yaml(tmp_path, content, message):
    path = tmp_path / "made.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)


def test_missing_yaml_names_what_is_there(tmp_path):
    write_task(tmp_path)
    with pytest.raises(DataError, match=r"mode\.yaml: no such file; .* holds made\.yaml; did you mean 'made\.yaml'\?"):
        load_spec(tmp_path / "mode.yaml")


def test_unknown_task_names_the_nearest():
    with pytest.raises(DataError, match=r"no task 'twiter'; did you mean 'twitter'\? \(known: financial, mrpc"):
        load_spec("twiter")


def test_listing_imports_nothing_heavy():
    heavy = ["torch", "transformers", "datasets", "wandb", "pandas", "pyarrow", "numpy", "bench", "methods"]
    code = f"""
import sys, tasks
[tasks.load_spec(name).title for name in tasks.task_names()]
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_holds_descriptions_and_bundled_data(tmp_path):
    """Build into a folder, as a wheel would be filled, from a copy: no test writes into the checkout."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, source / "tasks", ignore=ignore)
    setup = "import setuptools as s\ns.setup(packages=s.find_packages(), package_data={'tasks': PATTERNS})\n"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    (source / "setup.py").write_text(setup.replace("PATTERNS", repr(settings["package-data"]["tasks"])), "utf-8")
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "built")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    expected = {path.relative_to(source) for path in (source / "tasks").rglob("*") if path.is_file()}
    assert {
        path.relative_to(tmp_path / "built") for path in (tmp_path / "built").rglob("*") if path.is_file()
    } == expected
    assert "tasks*" in settings["packages"]["find"]["include"]


@pytest.mark.parametrize(
    ("knobs", "labels"),
    [({}, 2), ({"conditional": 1.0}, 2), ({"conditional": 1.0, "covariate": 1.0}, 3)],
)
def test_a_process_needs_its_knobs_and_two_labels(tmp_path: Path, knobs: dict[str, float], labels: int) -> None:
    task = {
        "name": "own",
        "version": 1,
        "title": "Own",
        "labels": list("abc"[:labels]),
        "citation": "none",
        "licence": "none",
        "process": "oracle",
        "sizes": {"real": {"default": 100}, "test": 100},
        "knobs": {name: {"default": value, "meaning": "m"} for name, value in knobs.items()},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(task))
    with pytest.raises(DataError, match="process oracle needs the knobs conditional, covariate and 2 labels"):
        load_spec(tmp_path / "own.yaml")
