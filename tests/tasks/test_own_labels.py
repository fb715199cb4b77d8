"""Labels in files of the user: renamed, left out, in several spellings, or no labels at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import DataError, load
from tasks.findings import Level
from tasks.loading.labels import label_findings, labels_in
from tasks.reading import Columns, Reading, parsed_labels, parsed_names, typed_names
from tasks.roles import Role
from tasks.sources.memory import table_of
from tasks.sources.table import Table
from tests.tasks.own_files import GENERATED, REAL, TEST, Rows, read


def renamed(rows: Rows, **names: str) -> Rows:
    """The rows with other names for their labels."""
    return [{**row, "label": names[row["label"]]} for row in rows]


def test_labels_of_another_spelling_are_mapped(tmp_path: Path) -> None:
    rows = [{**row, "label": row["label"].title()} for row in GENERATED]
    with pytest.raises(DataError, match=r"label 'Good' \(40 rows\).*; --generated-labels Good=good,Bad=bad maps them"):
        read(tmp_path, rows)
    mapping = parsed_labels("Good=good, Bad=bad", "--generated-labels")
    data = read(tmp_path, rows, {"generated": Reading(labels=mapping)})
    assert data.generated.content_hash() == read(tmp_path, GENERATED).generated.content_hash()
    with pytest.raises(DataError, match=r"--generated-labels: no row has the label 'Goood'.*did you mean 'good'"):
        read(tmp_path, rows, {"generated": Reading(labels={**mapping, "Goood": "good"})})


def test_numbers_are_mapped_for_all_roles(tmp_path: Path) -> None:
    numbers = {"good": "1", "bad": "0"}
    roles = {
        role: [{**r, "label": numbers[r["label"]]} for r in rows] for role, rows in (("real", REAL), ("test", TEST))
    }
    mapping = Reading(labels={"0": "bad", "1": "good"})
    data = read(tmp_path, GENERATED, {None: mapping}, **roles)
    assert data.spec.labels == ("bad", "good")
    with pytest.raises(DataError, match=r"dataset\.json beside it .*; --generated-labels good=NAME,bad=NAME maps them"):
        read(tmp_path, GENERATED, **roles)


def test_a_label_is_dropped(tmp_path: Path) -> None:
    rows = [{**row, "label": "mixed" if i % 20 == 0 else row["label"]} for i, row in enumerate(GENERATED)]
    with pytest.raises(DataError, match="--drop-labels mixed leaves their rows out"):
        read(tmp_path, rows)
    data = read(tmp_path, rows, {None: Reading(drop_labels=("mixed",))})
    assert (len(data.generated), data.spec.labels) == (76, ("bad", "good"))
    assert data.generated.ids.tolist() == [i for i in range(80) if i % 20], "ids stay those of the file"
    assert "4 of 80 generated rows left out: mixed" in data.notes
    with pytest.raises(DataError, match=r"--drop-labels: no row has the label 'mixd'.*did you mean 'mixed'"):
        read(tmp_path, rows, {None: Reading(drop_labels=("mixd",))})


@pytest.mark.parametrize("text", ["Good", "=good", "Good=", "Good=a,Good=b"])
def test_a_malformed_mapping(text: str) -> None:
    with pytest.raises(DataError, match="--labels"):
        parsed_labels(text, "--labels")


def test_a_mapping_with_quotes() -> None:
    assert parsed_labels('"Good, very"=good', "--labels") == {"Good, very": "good"}
    assert parsed_labels({"0": "bad"}, "--labels") == {"0": "bad"}


def test_a_mapping_is_applied_once(tmp_path: Path) -> None:
    """A swap was applied twice, so that every label stayed as it was."""
    roles = {"generated": GENERATED, "real": REAL, "test": TEST}
    numbers = {role: renamed(rows, good="1", bad="0") for role, rows in roles.items()}
    swap = {"generated": Reading(labels=parsed_labels("0=1,1=0", "--generated-labels"))}
    swapped = read(tmp_path, **{**numbers, "generated": renamed(GENERATED, good="0", bad="1")})
    assert read(tmp_path, **numbers, readings=swap).generated.content_hash() == swapped.generated.content_hash()
    chain = {None: Reading(labels=parsed_labels("good=bad,bad=worse", "--labels"))}
    assert read(tmp_path, GENERATED, chain).spec.labels == ("bad", "worse")


def test_labels_are_left_out_by_their_new_names(tmp_path: Path) -> None:
    roles = [
        [*rows, *({"text": f"{at} {i}", "label": "Mixed"} for i in range(9))] for at, rows in enumerate((REAL, TEST))
    ]
    generated = [*GENERATED, {"text": "so", "label": "mixed"}]
    mapping = {"Mixed": "mixed"}
    with pytest.raises(DataError, match=r"--drop-labels: no row has the label 'Mixed'.*did you mean 'mixed'"):
        read(tmp_path, generated, {None: Reading(labels=mapping, drop_labels=("Mixed",))}, real=roles[0], test=roles[1])
    data = read(
        tmp_path, generated, {None: Reading(labels=mapping, drop_labels=("mixed",))}, real=roles[0], test=roles[1]
    )
    assert (data.spec.labels, len(data.pool)) == (("bad", "good"), 60)


def test_a_class_that_the_task_fixes_cannot_be_left_out() -> None:
    place: Any = {"generated": table_of(renamed(GENERATED, good="positive", bad="negative"), "generated")}
    with pytest.raises(
        DataError, match=r"--drop-labels: 'positive' is a class of task twitter, which fixes its classes"
    ):
        load("twitter", places=place, readings={None: Reading(drop_labels=("positive",))})


def test_a_task_without_own_rows_beside_one_with_some_ignores_their_options() -> None:
    reading = Reading(labels={"good": "positive"}, drop_labels=("positive",))
    assert len(load("twitter", readings={None: reading}).spec.labels) == 2


@pytest.mark.parametrize("order", [("0", "00"), ("00", "0")])
def test_numbers_of_one_size_have_one_order(order: tuple[str, str]) -> None:
    """It was that of a set, which differs from process to process, and so did the ids of cells."""
    table = Table("t", {"label": list(order)})
    columns = dict.fromkeys(("generated", "real"), (table, Columns("text", None)))
    assert labels_in(columns, ()) == ("0", "00")


def test_spellings_of_one_label_are_a_finding(tmp_path: Path) -> None:
    def mixed(rows: Rows) -> Rows:
        return [{**row, "label": row["label"].title() if i % 4 < 2 else row["label"]} for i, row in enumerate(rows)]

    (finding,) = read(tmp_path, mixed(GENERATED), real=mixed(REAL), test=mixed(TEST)).findings
    assert finding.level is Level.FIX
    assert finding.text == (
        "labels 'Bad', 'bad' differ in case, white space or Unicode form alone and are 2 classes; --labels "
        "Bad=bad,Good=good makes one of each"
    )
    (finding,) = label_findings(["caf\u00e9", "cafe\u0301", "tea"])
    assert finding.kind == "label-spelling"


def test_joined_labels_are_a_finding() -> None:
    (finding,) = label_findings(["anger", "anger, joy", "fear", "joy", "joy|fear", "rock & roll"])
    assert finding.text == (
        "2 labels join others ('anger, joy', 'joy|fear'): each is a class of its own, because a row has a single "
        "class; --drop-labels '\"anger, joy\",joy|fear' leaves their rows out"
    )
    assert not list(label_findings(["a/b", "c", "a"]))


@pytest.mark.parametrize("names", [["so, so", "a"], ['"quoted"', "b"], ["two words"], ["it's"]])
def test_names_are_read_as_they_are_proposed(names: list[str]) -> None:
    import shlex

    (word,) = shlex.split(typed_names(names))
    assert list(parsed_names(word)) == names


def test_lines_separate_names_too() -> None:
    assert parsed_names("a\nb, c\r\n") == ("a", "b", "c")


@pytest.mark.parametrize(
    ("roles", "hint"),
    [
        (["generated"], "whose real and test rows are used; .*give --real too;"),
        (["generated", "test"], "whose real rows are used; .*give --real too;"),
        (["generated", "real"], "whose test rows are used; .*give --test too;"),
    ],
)
def test_rows_beside_those_of_a_named_task(roles: list[Role], hint: str) -> None:
    """The task's labels are not those of a user who left out an option."""
    rows: Any = table_of([{"text": "a", "label": "bad"}, {"text": "b", "label": "good"}], "generated")
    with pytest.raises(DataError, match=f"'bad' is not one of .*, the labels of task twitter, {hint}"):
        load("twitter", places=dict.fromkeys(roles, rows))


def test_a_label_of_many_digits_is_no_position() -> None:
    rows: Any = table_of([{**GENERATED[0], "label": "1" * 5000}], "generated")
    with pytest.raises(
        DataError, match=r"row 1: label '1{59}\.\.\. is not one of negative, positive,.* too; --generated-labels"
    ):
        load("twitter", places={"generated": rows})


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (np.array([1, 0]), "a row has a single label only"),
        (
            {"name": "A", "id": 0},
            r"label is the object \{'name': 'A', 'id': 0\}; write its name into a column of its own",
        ),
        (b"good", r"b'good' \(bytes\), not text"),
    ],
)
def test_labels_that_are_no_scalars(label: Any, problem: str) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": [label, label]})
    rows: Any = {role: table_of(frame, role) for role in ("generated", "real", "test")}
    with pytest.raises(DataError, match=problem):
        load("files", places=rows)


def test_a_mapping_may_call_a_label_as_the_file_or_by_its_name(tmp_path: Path) -> None:
    """The mapping was refused, because only its results and the cells as they stand were known."""
    numbers, spaces = {"good": "1", "bad": "0"}, {"good": " 1", "bad": "0.0"}
    for names, mapping in ((spaces, {"0": "bad", "1": "good"}), (numbers, {"no": "bad", "yes": "good"})):
        roles = {at: renamed(rows, **names) for at, rows in (("generated", GENERATED), ("real", REAL), ("test", TEST))}
        data = read(tmp_path, **roles, readings={None: Reading(labels=mapping)})
        assert data.spec.labels == ("bad", "good")
        (tmp_path / "dataset.json").write_text('{"label_names": ["no", "yes"]}')
    gap: Rows = [{"text": "so", "label": None}]
    places: Any = {role: table_of([*REAL, *gap], role) for role in ("generated", "real", "test")}
    with pytest.raises(DataError, match="no row has the label 'None'; labels: bad, good"):
        load("files", places=places, readings={None: Reading(labels={"None": "good"}, skip_empty=True)})
