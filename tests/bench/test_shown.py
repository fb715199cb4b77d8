"""What others may see of a call: rows, keys and passwords are in no command and no address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bench
from bench import shown
from bench.cli import common, main
from bench.config.run_arguments import RunArguments
from bench.errors import UserError
from bench.execution import until_decided
from tasks import DataError
from tasks.errors import without_password

ROWS = [{"text": f"private text {number}", "label": "ab"[number % 2]} for number in range(6)]
COLUMNS: dict[str, list[str]] = {name: [row[name] for row in ROWS] for name in ("text", "label")}
LINE = "export HF_TOKEN=hf_SECRET"


def command(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> str:
    """The command of the report that `bench.run` would write with these arguments."""
    commands = []

    def stop(request: object, options: Any, say: object) -> None:
        commands.append(options.command)
        raise KeyboardInterrupt

    monkeypatch.setattr(until_decided, "run_request", stop)
    with pytest.raises(KeyboardInterrupt):
        bench.run("ce", **arguments)
    return str(commands[0])


@pytest.mark.parametrize(
    "rows", [ROWS, tuple(ROWS), COLUMNS, pd.DataFrame(ROWS), {"text": pd.Series(COLUMNS["text"]), "label": [*"ab" * 3]}]
)
def test_the_command_of_a_call_has_no_rows(rows: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text = command(monkeypatch, generated=rows, real=rows, test=rows, name="mine")
    kind = type(rows).__name__
    assert text == f"bench.run('ce', None, generated=<{kind}>, real=<{kind}>, test=<{kind}>, name='mine')"


def test_the_command_of_a_call_has_no_setup_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = command(monkeypatch, tasks="twitter", engine="slurm", engine_set={"time": 3, "setup": LINE})
    assert "SECRET" not in text
    assert text.endswith("engine_set={'time': 3, 'setup': '(left out)'})")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.arange(2), "[0, 1]"),
        (np.int64(3), "3"),
        (pd.Series([3, 7]), "[3, 7]"),
        ((3, 7), "[3, 7]"),
        (range(10**9), "range(0, 1000000000)"),
        ("a  b", "'a  b'"),
        ({"lr": 1e-4, "x": None}, "{'lr': 0.0001, 'x': None}"),
        (Path("a.csv"), repr(Path("a.csv"))),
        (iter(ROWS), "<list_iterator>"),
    ],
)
def test_values_are_shown_as_python_writes_them(value: object, text: str) -> None:
    assert shown.value(value) == text


def test_files_of_rows_are_shown() -> None:
    assert [shown.argument("generated", given) for given in ("g.csv", ["a.csv", "b.csv"], None)] == [
        "'g.csv'",
        "['a.csv', 'b.csv']",
        "None",
    ]


def test_the_arguments_that_may_be_rows_are_those_of_a_run() -> None:
    assert set(shown.ROLES) <= set(RunArguments.__dataclass_fields__)


@pytest.mark.parametrize(
    "words",
    [
        [f"--engine-set=setup={LINE}"],
        ["--engine-set", f"setup={LINE}"],
        [f"--engine_set=setup={LINE}"],
        ["--engine-set", f"['setup={LINE}']"],
        ["--engine-set", f" setup ={LINE}"],
    ],
)
def test_a_typed_command_has_no_setup_line(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trackers send `sys.argv` themselves, so that it must not have the line either."""
    monkeypatch.setattr("sys.argv", ["bench", "list", *words, "--seeds", "2"])
    assert "SECRET" not in common.typed()
    assert common.typed().startswith("python -m bench list ")
    assert common.typed().endswith(" --seeds 2")
    with pytest.raises(SystemExit):
        main()
    import sys

    assert "SECRET" not in " ".join(sys.argv)


def test_an_address_has_no_password() -> None:
    assert without_password("http://alice:s3cret@host:9/a@b cannot") == "http://host:9/a@b cannot"
    assert without_password("s3://bucket/a@b") == "s3://bucket/a@b"
    for kind in (UserError, DataError):
        assert str(kind("no answer from https://hf_token@hub.local/x")) == "no answer from https://hub.local/x"
    assert shown.words(["--encoder=https://alice:s3@cret@host/x"]) == ["--encoder=https://host/x"]


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("bench.run('ce', None, generated={'text': ['private'], 'label': ['a']}, seeds=2)", "generated=(left out))"),
        ("bench.run('ce', None, real=({'text': 'private'},), seeds=2)", "real=(left out))"),
        ("bench.run('ce', 't', engine_set={'setup': 'private'})", "engine_set={'setup': (left out))"),
        ("python -m bench run '--engine_set=setup=private' --seeds 2", "(left out)' --seeds 2"),
    ],
)
def test_commands_of_earlier_versions_lose_what_is_private(former: str, now: str) -> None:
    text = shown.stored_command(former)
    assert "private" not in text
    assert text.endswith(now)
    assert shown.stored_command(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "bench.run('ce', generated=<dict>, engine_set={'setup': '(left out)'}, seeds=2)",
        "python -m bench run --out 'a b'",
        "it's",
    ],
)
def test_other_stored_commands_stay(text: str) -> None:
    assert shown.stored_command(text) == text
