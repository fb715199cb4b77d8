"""The name of a task of the user's files: given, or that of the generated rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.commands.arguments import request_and_options, run_arguments
from bench.config.request import make_request
from bench.config.stress_axis import along
from bench.errors import UserError
from tasks import FILES
from tests.tasks.task_files import write_json_lines, write_task

FRAME = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})


@pytest.mark.parametrize(
    ("generated", "name"),
    [
        ("out/tweets.v2.jsonl", "tweets.v2"),
        ("my set, new.csv", "my_set_new"),
        ("data/folder", "folder"),
        ("org/reviews:config@abc", "reviews"),
        ("twitter.csv", "twitter_rows"),
        ("[].csv", FILES),
        (FRAME, "rows"),
    ],
)
def test_the_name_of_the_generated_rows(generated: Any, name: str) -> None:
    (task,) = make_request(methods="ce", generated=generated, real="r.csv").tasks
    assert (task.name, task.label, task.spec.name) == (name, name, FILES)
    (task,) = make_request(methods="ce", generated=generated, real="r.csv", name="mine").tasks
    assert (task.label, task.spec.title, task.spec.name) == ("mine", "mine", FILES)


@pytest.mark.parametrize(
    ("place", "name"), [("my[1].csv", "my_1"), ("d (2)", "d_2"), ("a[b,c.jsonl", "a_b_c"), ("[1]", "1")]
)
def test_a_file_or_folder_whose_name_has_brackets(
    place: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exists is a place; options follow it in brackets of their own."""
    monkeypatch.chdir(tmp_path)
    write_json_lines(Path(place) if "." in place else Path(place, "generated.jsonl"), [])
    for tasks in (place, [f"./{place}"], str(tmp_path / place)):
        (task,) = make_request(methods="ce", tasks=tasks).tasks
        assert (task.label, task.spec.title, task.filters, task.stress) == (name, name, {}, {})
    if "," not in place:
        (task,) = make_request(methods="ce", tasks=f"./{place}[noise=0.2]").tasks
        assert (task.label, task.expression) == (f"{name}[noise=0.2]", f"./{place}[noise=0.2]")
        assert along(f"./{place}[real=100]", "noise=0,0.2").startswith(f"./{place}[real=100,noise=0],")


def test_a_task_file_whose_name_has_brackets(tmp_path: Path) -> None:
    path = write_task(tmp_path).rename(tmp_path / "a[b].yaml")
    (task,) = make_request(methods="ce", tasks=f"{path}[real=20]").tasks
    assert (task.spec.name, task.stress) == ("made", {"real": 20})


def test_stress_is_in_the_label() -> None:
    (task,) = make_request(methods="ce", tasks="files[noise=0.2]", generated="g.csv", real="r.csv").tasks
    assert (task.name, task.label) == ("g", "g[noise=0.2]")
    assert task.expression == "files[noise=0.2]", "what --tasks takes"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tasks": "twitter", "name": "mine"}, "--name is for your own files; task twitter has a name"),
        ({"generated": "g.csv", "real": "r.csv", "name": "a[b]"}, r"--name 'a\[b\]': a name has letters, digits"),
        ({"generated": "g.csv", "real": "r.csv", "name": "x" * 61}, "at most 60"),
        ({"generated": "g.csv", "real": "r.csv", "name": "news"}, "a task that comes with the package has this name"),
        ({"generated": "g.csv", "real": "r.csv", "name": " "}, "--name is empty"),
    ],
)
def test_names_that_cannot_be_used(changes: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        make_request(methods="ce", **changes)


def test_paths_are_names(tmp_path: Path) -> None:
    """Where `bench run` takes the path of a folder, `bench.run` takes a `Path`; it was a TypeError."""
    task, encoder = write_task(tmp_path), tmp_path / "my,encoder"
    given = {"methods": "ce", "tasks": task, "encoder": encoder}
    checkers = {"quality_checker": Path("q"), "diversity_checker": Path("d"), "checker_encoder": Path("c")}
    request, _ = request_and_options(run_arguments({**given, **checkers}), "")
    assert [task.spec.name for task in request.tasks] == ["made"]
    assert (request.encoders, request.checker_encoder) == ((str(encoder),), "c")
    assert request.checkers == {"quality": "q", "diversity": "d"}
    several = make_request(methods="ce", tasks=[task, "twitter"], encoder=[encoder, "other"])
    assert [task.spec.name for task in several.tasks] == ["made", "twitter"]
    assert several.encoders == (str(encoder), "other")
