"""The grammar of method and task expressions, the typing of their options, and wrong requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config.expressions import Expression, parse
from bench.config.request import make_request
from bench.config.typed import build, label
from bench.errors import UserError
from tests.conftest import ROOT


@dataclass(frozen=True)
class Config:
    """Every kind of field that configs use."""

    number: float = 1.0
    bound: float | None = None
    count: int = 3
    flag: bool = False
    shuffle: Literal["none", "class"] = "none"
    layers: int | Literal["all"] = 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ce", [Expression("ce")]),
        ("ce,focal", [Expression("ce"), Expression("focal")]),
        (" dimp( clip = 20 , gamma=1 ) , ce ", [Expression("dimp", {"clip": "20", "gamma": "1"}), Expression("ce")]),
        ("ce()", [Expression("ce")]),
        (["ce", "imp(clip=2),dimp"], [Expression("ce"), Expression("imp", {"clip": "2"}), Expression("dimp")]),
        ("ce(train-on=both)", [Expression("ce", {"train_on": "both"})]),
        ("ce(train_on='both')", [Expression("ce", {"train_on": "both"})]),
    ],
)
def test_expressions_are_parsed(text: str | list[str], expected: list[Expression]) -> None:
    assert parse(text, "()") == expected


@pytest.mark.parametrize(
    "text",
    ["", " , ", "dimp(clip=20", "dimp)clip=20(", "dimp(clip)", "dimp(=20)", "dimp(clip=)", "dimp[clip=20]", "(clip=2)",
     "ce(train_on=both,train-on=generated)", "ce(train_on='both)",
     "dimp(clip=1,clip=2)", "dimp(clip=20)x", "ce,,focal", "dimp clip=20"],
)  # fmt: skip
def test_malformed_expressions_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse(text, "()")


def test_files_whose_names_have_brackets_and_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first was malformed, and of the last two the quote made one name."""
    monkeypatch.chdir(tmp_path)
    names = ["my data (1).csv", "x=[2].csv", "a, b.csv", "it's.csv", "b.csv"]
    for name in names:
        Path(name).touch()
        assert parse(name, "[]") == [Expression(name)]
    assert parse(f"{names[0]}[real=50],{names[1]}", "[]") == [
        Expression(names[0], {"real": "50"}),
        Expression(names[1]),
    ]
    assert [one.name for one in parse("it's.csv,b.csv", "[]")] == ["it's.csv", "b.csv"]
    with pytest.raises(UserError, match=r"write options as twitter\[key=value\]"):
        parse("twitter(real=50)", "[]")


@given(st.text(alphabet="ab,()[]='\" 1.", max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        expressions = parse(text, "()")
    except UserError:
        return
    assert all(expression.name for expression in expressions)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"number": "1e-5"}, Config(number=1e-5)),
        ({"number": "2"}, Config(number=2.0)),
        ({"bound": "None"}, Config()),
        ({"bound": "none"}, Config()),
        ({"bound": "3"}, Config(bound=3.0)),
        ({"count": "7"}, Config(count=7)),
        ({"flag": "True"}, Config(flag=True)),
        ({"flag": "false"}, Config()),
        ({"shuffle": "none"}, Config()),
        ({"shuffle": "class"}, Config(shuffle="class")),
        ({"layers": "all"}, Config(layers="all")),
        ({"layers": "4"}, Config(layers=4)),
        ({"flag": True, "number": 3}, Config(flag=True, number=3.0)),
    ],
)
def test_values_take_the_type_of_their_field(options: dict[str, object], expected: Config) -> None:
    assert build(Config, options, "x") == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numbr": "1"}, "'number'"),
        ({"number": "many"}, "a number"),
        ({"count": "1.5"}, "a whole number"),
        ({"flag": "maybe"}, "true or false"),
        ({"shuffle": "rows"}, "one of none, class"),
        ({"count": True}, "a whole number"),
        ({"number": "none"}, "a number"),
    ],
)
def test_wrong_options_name_field_and_remedy(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match="x") as caught:
        build(Config, options, "x")
    assert message in str(caught.value)


def test_labels_hold_only_what_differs() -> None:
    assert label("m", Config()) == "m"
    assert label("m", Config(count=4, bound=2.0)) == "m(bound=2.0,count=4)"


def test_the_same_expression_twice_is_one_entry() -> None:
    request = make_request(
        methods="dimp(clip=20,gamma=1),dimp(gamma=1.0,clip=20.0),dimp(clip=20)", tasks="twitter,twitter"
    )
    assert [choice.label for choice in request.methods] == ["dimp(clip=20.0)"]
    assert [task.label for task in request.tasks] == ["twitter"]


def test_settings_reach_training_and_methods() -> None:
    request = make_request(methods="dimp,imp", settings={"lr": "1e-5", "dimp.clip": "20", "train-layers": "all"})
    assert request.settings.lr == 1e-5
    assert request.settings.train_layers == "all"
    assert [choice.label for choice in request.methods] == ["dimp(clip=20.0)", "imp"]


def test_a_method_that_workers_cannot_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import methods
    from methods.base import Losses, Method

    class Own(Method):
        def losses(self, batch: object) -> Losses:
            raise AssertionError

    monkeypatch.setitem(methods.discover() and methods.METHODS, "own", Own)
    Own.name = "own"
    with pytest.raises(UserError, match="--plugin FILE"):
        make_request(methods="own")


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    text = (ROOT / "tasks" / "twitter.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("bundled/", f"{ROOT}/tasks/bundled/"), encoding="utf-8")
    with pytest.raises(UserError, match="rename one"):
        make_request(tasks=f"twitter,{tmp_path / 'mine.yaml'}")


def test_the_data_folder_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_DATA", "/somewhere")
    assert make_request(methods="ce").data_dir == Path("/somewhere")
    assert make_request(methods="ce", source="local", data_dir=tmp_path).data_dir == tmp_path
    with pytest.raises(UserError, match="would not be read: it holds no files of the course, and source bundled"):
        make_request(methods="ce", data_dir=tmp_path)
    with pytest.raises(UserError, match="--data-dir here: no such folder"):
        make_request(methods="ce", data_dir="here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": "dimpp"}, "did you mean 'dimp'"),
        ({"methods": "all(x=1)"}, "takes no options"),
        ({"methods": "dimp(clipp=2)"}, "did you mean 'clip'"),
        ({"methods": "dimp(clip=-1)"}, "clip"),
        ({"tasks": "twiter"}, "twitter"),
        ({"tasks": "twitter[nois=1]"}, "option of task twitter"),
        ({"tasks": "twitter[real=0]"}, "at least 1"),
        ({"tasks": "twitter[real=many]"}, "a whole number"),
        ({"preset": "quik"}, "did you mean 'quick'"),
        ({"protocol": "fxed"}, "did you mean 'fixed'"),
        ({"source": "bundle"}, "did you mean 'bundled'"),
        ({"settings": {"lrr": "1"}}, "did you mean 'lr'"),
        ({"settings": {"lr": "-1"}}, "above 0"),
        ({"settings": {"lr": "nan"}}, "finite"),
        ({"settings": {"clip_norm": "inf"}}, "finite"),
        ({"settings": {"weight_decay": "nan"}}, "finite"),
        ({"seeds": "a,b"}, "3,7"),
        ({"seeds": [1.5]}, "3,7"),
        ({"seeds": True}, "3,7"),
        ({"test_size": "some"}, "--test-size"),
        ({"settings": {"dimpp.clip": "1"}}, "did you mean 'dimp'"),
        ({"methods": "ce", "settings": {"dimp.clip": "1"}}, "not among the methods"),
        ({"settings": {"updates": "none"}}, "updates or epochs"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": 10**11}, "at most 10,000 seeds"),
        ({"methods": "ce(real_share=0.5)"}, "train_on=both"),
    ],
)  # fmt: skip
def test_wrong_requests_name_the_nearest_right_thing(arguments: dict[str, object], message: str) -> None:
    from tasks import DataError

    with pytest.raises((UserError, DataError)) as caught:
        make_request(**arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_may_run_a_method_with_settings_of_its_own() -> None:
    """`paper` has the paper's focal loss; what the user sets comes first, and the default is another method."""

    def focal(**arguments: object) -> list[str]:
        return [choice.label for choice in make_request(**arguments).methods if choice.cls.name == "focal"]  # type: ignore[arg-type]

    assert focal(methods="paper") == ["focal(gamma=1.0,detach=True)"]
    assert focal(methods="core") == ["focal"]
    assert focal(methods="core,paper") == ["focal", "focal(gamma=1.0,detach=True)"]
    assert focal(methods="paper", settings={"focal.gamma": "3"}) == ["focal(gamma=3.0,detach=True)"]


@pytest.mark.parametrize("seeds", ["3, 3,7", [3, 3, 7], ["3", 3, "7"]])
def test_seeds_that_are_given_twice_are_one(seeds: object) -> None:
    assert make_request(methods="ce", seed=seeds).seeds == (3, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [[float("inf")], "1e400", "3,x", [1.5], ""])
def test_seeds_that_are_no_whole_numbers(seeds: object) -> None:
    with pytest.raises(UserError, match="--seed a list such as 3,7"):
        make_request(methods="ce", seed=seeds)  # type: ignore[arg-type]
