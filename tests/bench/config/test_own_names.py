"""The name of a task of the user's files: given, or that of the generated rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from tasks import FILES

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
