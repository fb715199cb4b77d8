"""Numbers as labels mean what the file of each role says: names in Parquet, a card beside it, or else an error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import DataError, load
from tasks.loading.labels import check_named
from tasks.reading import Reading
from tasks.sources.files import read_table
from tests.tasks.task_files import write_parquet

ORDER = ("negative", "positive")
REVERSED = ("positive", "negative")
SIZES = {"generated": 20, "real": 24, "test": 20}


def columns(role: str, order: Sequence[str]) -> dict[str, list[object]]:
    """Rows of a role by column; the text names the class and the label is its number in `order`."""
    names = [ORDER[i % 2] for i in range(SIZES[role])]
    return {"text": [f"{role} {name} {i}" for i, name in enumerate(names)], "label": [order.index(n) for n in names]}


def write_named(path: Path, values: dict[str, list[object]], order: Sequence[str]) -> Path:
    """A Parquet file as the library `datasets` writes it."""
    from datasets import ClassLabel, Dataset, Features, Value

    path.parent.mkdir(exist_ok=True)
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(order))})
    Dataset.from_dict(values, features=features).to_parquet(path)
    return path


def write_csv(path: Path, values: dict[str, list[object]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    rows = zip(values["text"], values["label"], strict=True)
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


def write_card(folder: Path, order: Sequence[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"label_names": list(order)}))


def assert_not_crossed(data: object) -> None:
    """Every text holds the name of its label."""
    for rows in (data.generated, data.pool, data.test):  # type: ignore[attr-defined]
        for text, label in zip(rows.texts, rows.labels, strict=True):
            assert f" {ORDER[label]} " in text


@pytest.mark.parametrize("task", ["files", "twitter"])
def test_each_parquet_file_has_its_own_order_of_names(tmp_path: Path, task: str) -> None:
    orders = {"generated": REVERSED, "real": ORDER, "test": ORDER}
    places = {
        role: str(write_named(tmp_path / f"{role}.parquet", columns(role, order), order))
        for role, order in orders.items()
    }
    data = load(task, places=places)
    assert data.spec.labels == ORDER
    assert_not_crossed(data)
    assert not [note for note in data.notes if "numbers" in note]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_each_folder_has_its_own_order_of_names(tmp_path: Path, suffix: str) -> None:
    places = {}
    for role, order in {"generated": REVERSED, "real": ORDER, "test": ORDER}.items():
        write_card(tmp_path / role, order)
        write = write_csv if suffix == "csv" else write_parquet
        places[role] = str(write(tmp_path / role / f"rows.{suffix}", columns(role, order)))
    data = load("files", places=places)
    assert data.spec.labels == ORDER
    assert_not_crossed(data)


def test_a_card_names_the_numbers_of_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for role, order in {"generated": REVERSED, "real": ORDER, "test": ORDER}.items():
        write_card(tmp_path / role, order)
        split = "test" if role == "test" else "train"
        write_parquet(tmp_path / role / f"{split}.parquet", columns(role, order))
    data = load("files", places={role: str(tmp_path / role) for role in SIZES})
    assert data.spec.labels == ORDER
    assert_not_crossed(data)


def test_rows_may_be_in_a_file_with_the_name_of_a_card(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n')
    (tmp_path / "rows.csv").write_text("text,label\na,x\n")
    assert len(read_table(tmp_path / "dataset.json")) == 2
    assert len(read_table(tmp_path / "rows.csv")) == 1
    (tmp_path / "dataset.json").write_text('{"label_names": [')
    with pytest.raises(DataError, match="not valid JSON"):
        read_table(tmp_path / "rows.csv")


def test_names_in_the_file_count_more_than_a_card(tmp_path: Path) -> None:
    write_card(tmp_path, ORDER)
    places = {role: str(write_named(tmp_path / f"{role}.parquet", columns(role, REVERSED), REVERSED)) for role in SIZES}
    assert_not_crossed(load("files", places=places))


@pytest.mark.parametrize(("bare", "named"), [("generated", "real"), ("real", "generated"), ("test", "real")])
def test_numbers_beside_names_are_an_error_that_a_card_mends(tmp_path: Path, bare: str, named: str) -> None:
    places = {role: str(write_named(tmp_path / f"{role}.parquet", columns(role, ORDER), ORDER)) for role in SIZES}
    path = write_csv(tmp_path / "bare" / "rows.csv", columns(bare, REVERSED))
    places[bare] = str(path)
    with pytest.raises(DataError, match=r"labels of .*rows\.csv are numbers without names: .* dataset\.json") as error:
        load("files", places=places)
    assert str(error.value).startswith((str(path), str(tmp_path / f"{named}.parquet")))
    write_card(path.parent, REVERSED)
    assert_not_crossed(load("files", places=places))


def test_numbers_in_every_file_stay_numbers(tmp_path: Path) -> None:
    places = {role: str(write_csv(tmp_path / f"{role}.csv", columns(role, ORDER))) for role in SIZES}
    assert load("files", places=places).spec.labels == ("0", "1")


def test_numbers_for_a_named_task_are_read_in_its_order_and_a_note_says_so(tmp_path: Path) -> None:
    places = {role: str(write_csv(tmp_path / f"{role}.csv", columns(role, ORDER))) for role in SIZES}
    data = load("twitter", places=places)
    assert_not_crossed(data)
    order = "numbers, read in the task's order: 0 is negative, 1 is positive"
    assert [note for note in data.notes if "numbers" in note] == [
        f"the {role} labels in {role}.csv are {order}" for role in ("generated", "real", "test")
    ]


def test_names_of_stars_are_names(tmp_path: Path) -> None:
    """Class 0 has the name 5 here: a name that is a number is not a position."""
    for role in SIZES:
        write_named(tmp_path / f"{role}.parquet", columns(role, ORDER), ("5", "1"))
    data = load("files", places={role: str(tmp_path / f"{role}.parquet") for role in SIZES})
    assert data.spec.labels == ("1", "5")
    assert data.pool.labels[0] == 1


@pytest.mark.parametrize(
    ("label", "problem"),
    [(-1, "row 1: label is missing"), (7, r"row 1: label is 7, but the classes are negative, positive")],
)
def test_numbers_without_a_name_are_an_error(tmp_path: Path, label: int, problem: str) -> None:
    places = {role: str(write_named(tmp_path / f"{role}.parquet", columns(role, ORDER), ORDER)) for role in SIZES}
    table = pq.read_table(places["real"])
    broken = table.set_column(1, "label", pa.array([label, *columns("real", ORDER)["label"][1:]]))
    pq.write_table(broken.replace_schema_metadata(table.schema.metadata), places["real"])
    with pytest.raises(DataError, match=problem):
        load("files", places=places)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (1, r"row 2: label 2 has no name: .* names 2 classes .* 0 \(negative\) to 1 \(positive\); .* here is 1: count"),
        (-1, r"row 1: label -1 has no name: .*\(positive\); --drop-labels=-1 leaves"),
    ],
)
def test_numbers_that_a_card_does_not_name_are_an_error(tmp_path: Path, first: int, says: str) -> None:
    """A file that counts from 1 gave each class the name of the next, and its last class that of a number."""
    places = {role: str(write_csv(tmp_path / f"{role}.csv", columns(role, ORDER))) for role in SIZES}
    counted = columns("real", ORDER)
    counted["label"] = [int(str(label)) + first for label in counted["label"]]
    places["real"] = str(write_csv(tmp_path / "real.csv", counted))
    write_card(tmp_path, ORDER)
    with pytest.raises(DataError, match=says):
        load("files", places=places)


def test_numbers_that_are_no_text_count_names_that_are_numbers(tmp_path: Path) -> None:
    """Of stars 1 to 3 in a file whose card names 0 to 2, 2 and 3 became one class."""
    rows = {"text": [f"a {star}" for star in (1, 2, 3)], "label": [1, 2, 3]}
    path = write_parquet(tmp_path / "rows.parquet", rows)
    check_named(read_table(path), "label")
    write_card(tmp_path, ["1", "2", "3"])
    with pytest.raises(DataError, match="row 3: label 3 has no name"):
        check_named(read_table(path), "label")


@pytest.mark.parametrize("reading", [Reading(drop_labels=("2",)), Reading(labels={"2": "positive"})])
def test_an_option_names_a_number_or_leaves_it_out(tmp_path: Path, reading: Reading) -> None:
    places = {role: str(write_csv(tmp_path / f"{role}.csv", columns(role, ORDER))) for role in SIZES}
    with Path(places["real"]).open("a") as file:
        file.write("one more,2\n")
    write_card(tmp_path, ORDER)
    data = load("files", places=places, readings={None: reading})
    assert data.spec.labels == ORDER
    assert_not_crossed(replace(data, pool=data.pool.take(np.arange(len(data.pool))[data.pool.ids < SIZES["real"]])))


NO_NAMES = (b"", b', "names": {"0": "a"}', b', "names": 5', b', "names": null', b', "names": "ab"')


def test_metadata_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    names = (b'{"info": {"features": {"label": {"_type": "ClassLabel"%s}}}}' % names for names in NO_NAMES)
    for metadata in (b"{", b"[]", *names):
        table = pa.table(columns("real", ORDER)).replace_schema_metadata({b"huggingface": metadata})
        pq.write_table(table, tmp_path / "real.parquet")
        with pytest.raises(DataError, match=r"real\.parquet: the names of classes in its metadata cannot be read"):
            load("files", places=dict.fromkeys(SIZES, str(tmp_path / "real.parquet")))
