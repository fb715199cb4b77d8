"""Several files of generated rows are generations of one set: a run trains on one, and none is mixed with another."""

from pathlib import Path

import numpy as np
import pytest

from tasks import DataError, TaskData, load
from tasks.rows import one_set
from tests.tasks.task_files import make_rows, write_json_lines


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three generations of 30, 40 and 30 rows."""
    sizes = {"a": 15, "b": 20, "c": 15}
    return [
        write_json_lines(tmp_path / f"{name}.jsonl", make_rows(name, {"negative": size, "positive": size}))
        for name, size in sizes.items()
    ]


def read(*files: Path) -> TaskData:
    return load("twitter", places={"generated": ",".join(map(str, files))})


def test_the_first_is_trained_on_and_each_is_as_large_as_the_smallest(files: list[Path]) -> None:
    data, alone = read(*files), read(files[0])
    assert data.generated.content_hash() == alone.generated.content_hash(), "so usual cells keep their ids"
    assert set(data.generated.hidden) == set(alone.generated.hidden)
    assert not alone.generations
    assert list(data.generations) == ["a.jsonl", "b.jsonl", "c.jsonl"]
    for name, rows in data.generations.items():
        assert len(rows) == 30
        assert np.bincount(rows.labels).tolist() == [15, 15]
        assert all(text.startswith(name[0]) for text in rows.texts)
    (note,) = [note for note in data.notes if "generations" in note]
    assert "a.jsonl (30), b.jsonl (40), c.jsonl (30), cut to as many rows as the smallest, 30 rows each" in note
    assert list(data.limited(10).generations) == list(data.generations)
    assert {len(rows) for rows in data.limited(10).generations.values()} == {10}


def test_rows_of_all_generations_as_one_set(files: list[Path]) -> None:
    parts = list(read(*files).generations.values())
    whole = one_set(parts)
    assert len(whole) == len(set(whole.ids.tolist())) == 90
    assert whole.texts[30:60] == parts[1].texts
    assert whole.labels[60:].tolist() == parts[2].labels.tolist()


def test_generations_of_one_name_are_called_by_their_paths(files: list[Path], tmp_path: Path) -> None:
    other = write_json_lines(tmp_path / "more" / "a.jsonl", make_rows("d", {"negative": 15, "positive": 15}))
    assert list(read(files[0], other).generations) == [str(files[0]), str(other)]


def test_a_bad_row_is_named_with_its_own_file(files: list[Path]) -> None:
    files[1].write_text(files[1].read_text() + '{"text": " ", "label": "positive"}\n')
    with pytest.raises(DataError, match=r"b\.jsonl, line 41: text is empty"):
        read(*files)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "an empty or repeated name"),
        (("a", ""), "an empty or repeated name"),
        (("a", "missing"), "missing.jsonl"),
        (("a", "other"), "generations have the same columns"),
    ],
)
def test_bad_generations(files: list[Path], names: tuple[str, ...], message: str) -> None:
    folder = files[0].parent
    write_json_lines(folder / "other.jsonl", [{"tweet": "x", "label": "positive"}])
    place = ",".join(f"{folder / name}.jsonl" if name else "" for name in names)
    with pytest.raises(DataError, match=message):
        load("twitter", places={"generated": place})


def test_each_generation_has_the_classes_of_the_others(tmp_path: Path) -> None:
    """One that is the smallest was not checked."""
    places = [
        write_json_lines(tmp_path / f"{name}.jsonl", make_rows(name, counts))
        for name, counts in (("a", {"negative": 15, "positive": 15}), ("b", {"negative": 1, "positive": 9}))
    ]
    with pytest.raises(DataError, match=r"generation b\.jsonl has 1 row of class negative, .* at least 2 are needed"):
        read(*places)
