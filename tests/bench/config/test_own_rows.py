"""Options on the user's own rows: one for all roles and one per role, and rows in memory instead of files."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bench
from bench.cli import main
from bench.config.option import option_of
from bench.config.request import make_request
from bench.config.run_arguments import RunArguments
from bench.errors import UserError
from bench.planning.planner import make_plan
from tasks import DataError
from tasks.reading import reading_of

ROLES = ("generated", "real", "test")
COUNTS = {"generated": 40, "real": 60, "test": 30}


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """Two classes for each role."""
    return {
        role: pd.DataFrame(
            [(f"{role} {label} number {i}", label) for label in ("bad", "good") for i in range(count)],
            columns=["text", "label"],
        )
        for role, count in COUNTS.items()
    }


@pytest.fixture
def files(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> dict[str, str]:
    for role, frame in frames.items():
        frame.to_csv(tmp_path / f"{role}.csv", index=False)
    return {role: str(tmp_path / f"{role}.csv") for role in frames}


def cells(root: Path, encoder: Path, **changes: Any) -> set[str]:
    request = make_request(methods="ce,dimp", seeds=1, preset="smoke", encoder=str(encoder), **changes)
    return set(make_plan(request, root).cells)


def test_each_option_of_rows_exists_for_every_role() -> None:
    options = {option_of(entry).name: option_of(entry) for entry in fields(RunArguments)}
    for name in ("text", "text-pair", "label", "labels"):
        assert not options[name].hidden
        for role in ROLES:
            assert options[f"{role}-{name}"].hidden, "the help of the general option names it"
            assert f"--{role}-{name}" in options[name].help


def test_the_option_of_a_role_overrules_the_general_one() -> None:
    request = make_request(
        methods="ce",
        generated="g.csv",
        real="r.csv",
        text="body",
        generated_text="answer",
        labels="Good=good",
        real_labels={"0": "bad"},
        drop_labels="mixed,odd",
        skip_empty=True,
    )
    generated, real = (reading_of(request.readings, role) for role in ("generated", "real"))
    assert (generated.columns, real.columns) == ({"text": "answer"}, {"text": "body"})
    assert (generated.labels, real.labels) == ({"Good": "good"}, {"Good": "good", "0": "bad"})
    assert (real.drop_labels, real.skip_empty) == (("mixed", "odd"), True)


def test_cells_do_not_depend_on_names_of_columns_labels_or_on_the_kind_of_rows(
    tmp_path: Path, tiny_encoder: Path, frames: dict[str, pd.DataFrame], files: dict[str, str]
) -> None:
    from datasets import Dataset

    expected = cells(tmp_path, tiny_encoder, **files)
    renamed = frames["generated"].rename(columns={"text": "answer"})
    renamed["label"] = renamed["label"].str.title()
    renamed.to_csv(tmp_path / "renamed.csv", index=False, sep=";")
    own = {"generated_text": "answer", "generated_labels": "Good=good,Bad=bad"}
    for changes in (
        {**files, "generated": str(tmp_path / "renamed.csv"), **own},
        {**files, "generated": renamed, **own},
        frames,
        {role: Dataset.from_pandas(frame) for role, frame in frames.items()},
        {role: frame.to_dict("records") for role, frame in frames.items()},
    ):
        assert cells(tmp_path, tiny_encoder, **changes) == expected


def test_a_run_on_frames_says_what_it_reads(
    tmp_path: Path, tiny_encoder: Path, frames: dict[str, pd.DataFrame]
) -> None:
    lines: list[str] = []
    frames["generated"]["review"] = frames["generated"]["text"]
    frames["generated"]["text"] = "Write a review"
    bench.run(
        "ce",
        **frames,
        seeds=1,
        preset="smoke",
        encoder=str(tiny_encoder),
        dry_run=True,
        out=tmp_path / "runs",
        reports=tmp_path / "reports",
        say=lines.append,
    )
    assert "generated rows (a DataFrame in memory): text = text, label = label" in lines
    assert "  bad: 'Write a review'" in lines
    warning = "a DataFrame in memory: column 'text' was taken as the text, but holds only 1 different text in 80 rows"
    assert any(line.startswith(f"warning: {warning}") for line in lines)
    expected = "rows: 64 of 80 generated rows (preset smoke; --generated-rows all), 120 real rows a seed, 60 test rows"
    assert expected in lines


def test_warnings_are_in_the_report(tmp_path: Path, tiny_encoder: Path, frames: dict[str, pd.DataFrame]) -> None:
    frames["generated"] = pd.concat([frames["generated"], frames["real"][:5]])
    request = make_request(methods="ce", seeds=1, preset="smoke", encoder=str(tiny_encoder), **frames)
    notes = make_plan(request, tmp_path).sections[0]["notes"]
    assert any(re.match("Warning: 5 of 85 generated rows have the text of a real row", note) for note in notes)


def test_validate_takes_the_options(
    tiny_encoder: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"generated {i};Good" if i % 2 else f"generated {i};bad" for i in range(80)]
    Path(files["generated"]).write_text("\n".join(["answer;label", ";bad", *rows]), "utf-8")
    words = [word for role, path in files.items() for word in (f"--{role}", path)]
    words += [
        "--generated-text",
        "answer",
        "--generated-labels",
        "Good=good",
        "--skip-empty",
        "--generated-rows",
        "all",
    ]
    with pytest.raises(SystemExit) as stop:
        main(["validate", "--preset", "smoke", "--encoder", str(tiny_encoder), *words])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err
    assert "1 of 81 generated rows has no text or no label and was left out" in printed.out
    assert "generated rows (generated.csv): text = answer, label = label" in printed.out
    assert "label shares (generated / real / test): bad 50.0 % / 50.0 % / 50.0 %" in printed.out
    assert "constant guess (always bad, the most frequent class of the test): 50.0 % accuracy" in printed.out
    assert "a run trains on" not in printed.out, "all rows"


@pytest.mark.parametrize(
    "option", [{"text": "body"}, {"labels": "a=b"}, {"real_text": "x"}, {"drop_labels": "a"}, {"skip_empty": True}]
)
def test_options_of_own_rows_need_some(option: dict[str, Any], files: dict[str, str]) -> None:
    """They were ignored without a word."""
    (name,) = option
    with pytest.raises(UserError, match=rf"--{name.replace('_', '-')} is for your own rows, and this grid has none"):
        make_request(methods="ce", tasks="twitter", **option)
    for tasks, places in (("twitter", {"real": files["real"]}), (f"twitter,{Path(files['real']).parent}", {})):
        assert make_request(methods="ce", tasks=tasks, **places, **option).readings


def test_a_process_takes_no_rows_and_no_folds(files: dict[str, str]) -> None:
    for option in ({"real": files["real"]}, {"folds": 5}):
        request = make_request(methods="ce", tasks="oracle", **option)
        (name,) = option
        with pytest.raises(DataError, match=f"task oracle draws its rows from a process; leave out --{name}"):
            request.load(request.tasks[0])


def test_folds_take_no_size_of_a_test() -> None:
    """It was ignored."""
    with pytest.raises(UserError, match="leave out one of --folds and --test-size"):
        make_request(methods="ce", generated="g.csv", real="r.csv", folds=5, test_size="10")
    for options in ({"folds": 0, "test_size": 10}, {"folds": 5, "test_size": "all"}):
        assert make_request(methods="ce", generated="g.csv", real="r.csv", **options).folds == options["folds"]  # type: ignore[arg-type]
