"""The course's files: counts and rows equal a simple recount; each fault of a folder is an error of one line."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from tasks import DataError, load, normalised
from tasks.sources import course
from tasks.sources.course import is_course, read_course

WORDS = "so happy sad rain school today <user> <url> love hate the bus coffee never again".split()  # noqa: SIM905


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The four files, with repeats and texts of both classes."""
    rng = random.Random(0)
    for size, count in (("", 150), ("_full", 900)):
        for short in ("neg", "pos"):
            lines = [f"{' '.join(rng.choices(WORDS, k=4))} {short if rng.random() < 0.9 else ''}" for _ in range(count)]
            (tmp_path / f"train_{short}{size}.txt").write_text(
                "\n".join([*lines, "", lines[0].upper(), "in both"]) + "\n"
            )
    return tmp_path


def recounted(folder: Path, end: str) -> tuple[dict[str, set[str]], int, int]:
    """Normalised texts by class without those of both, repeats within a class, and texts of both."""
    result = {}
    for name, short in (("negative", "neg"), ("positive", "pos")):
        lines = (folder / f"train_{short}{end}.txt").read_text().split("\n")
        result[name] = Counter(normalised(line) for line in lines if line.strip())
    both = set(result["negative"]) & set(result["positive"])
    repeats = sum(count - 1 for counts in result.values() for count in counts.values())
    return {name: set(counts) - both for name, counts in result.items()}, repeats, len(both)


@pytest.mark.parametrize(("size", "end"), [("full", "_full"), ("small", ""), ("largest", "_full")])
def test_repeats_and_texts_of_both_classes_are_counted_and_left_out(folder: Path, size: str, end: str) -> None:
    table = read_course(folder, size)
    expected, repeats, both = recounted(folder, end)
    assert repeats > 0 < both
    result = {"negative": [], "positive": []}
    for text, label in zip(table.columns["text"], table.columns["label"], strict=True):
        result[label].append(normalised(text))
    assert all(len(set(texts)) == len(texts) for texts in result.values())
    assert {label: set(texts) for label, texts in result.items()} == expected
    assert f"left out: {repeats:,} repeats of an earlier tweet of the same class, {both:,} text" in table.notes[0]


def test_which_rows_are_used_depends_on_their_texts_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MAX_ROWS", 100)
    one = read_course(folder)
    assert len(one) == 100
    everything = sum(map(len, recounted(folder, "_full")[0].values()))
    assert f"100 of {everything:,} different tweets are used" in one.notes[1]
    whole = read_course(folder, whole=True)
    assert (len(whole), len(whole.notes)) == (everything, 1), "predictions and known texts need every row"
    for path in folder.glob("*_full.txt"):
        path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    other = read_course(folder)
    assert sorted(map(normalised, other.columns["text"])) == sorted(map(normalised, one.columns["text"]))


def test_memory_does_not_grow_with_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MAX_ROWS", 100)
    for short in ("neg", "pos"):
        (tmp_path / f"train_{short}.txt").write_text("".join(f"{short} {i} {'long ' * 100}\n" for i in range(8000)))
    read_course(tmp_path)  # what is imported on the way is not counted
    tracemalloc.start()
    read_course(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < sum(path.stat().st_size for path in tmp_path.iterdir()) / 4


def test_it_is_a_source_of_twitter(folder: Path) -> None:
    full = load("twitter", source="course", data_dir=folder)
    small = load("twitter", source="course", data_dir=folder, options={"size": "small"})
    for data, end in ((full, "_full"), (small, "")):
        texts, _, both = recounted(folder, end)
        held, pool = set(data.test.keys), set(data.pool.keys)
        assert not held & pool
        assert held | pool == set.union(*texts.values())
        assert not data.stand_in
        assert any(re.search(rf"class, {both:,} texts? in both classes", note) for note in data.notes)
        assert any("chosen by a hash of their text, are the test" in note for note in data.notes)
    assert full.origins["real"] == "train_neg_full.txt, train_pos_full.txt"
    assert load("twitter", source="course", data_dir=folder).test.content_hash() == full.test.content_hash()


@pytest.mark.parametrize(
    ("options", "source", "message"),
    [
        ({"size": "huge"}, "course", "size must be one of full, small, not 'huge'"),
        ({"size": "full"}, "bundled", "size=full is an option of source course.*; give --source course"),
        ({"sise": "full"}, "course", "did you mean 'size'"),
    ],
)
def test_wrong_options(folder: Path, options: dict[str, object], source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load("twitter", source=source, data_dir=folder, options=options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train_pos\.txt: the file holds no tweet"),
        (b"\n \n", r"train_pos\.txt: the file holds no tweet"),
        (b"one\ntwo\xff\n", r"train_pos\.txt, line 2: not valid UTF-8 \(byte 0xff\)"),
        ("one\nsmil\u00e9".encode()[:-1], r"train_pos\.txt, line 2: not valid UTF-8"),
        (b"one\nhalf a twe", r"train_pos\.txt, line 2: the last line has no line end"),
        (None, r"no train_pos\.txt; there must be two small files.*holds train_neg\.txt"),
        (b"sad\n", "every tweet of train_neg.txt, train_pos.txt is in both classes"),
    ],
)
def test_damaged_folders(tmp_path: Path, content: bytes | None, message: str) -> None:
    (tmp_path / "train_neg.txt").write_bytes(b"sad\n")
    if content is not None:
        (tmp_path / "train_pos.txt").write_bytes(content)
    assert is_course(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        read_course(tmp_path)
    assert "\n" not in str(caught.value)


def test_only_line_feeds_end_a_tweet(tmp_path: Path) -> None:
    (tmp_path / "train_neg.txt").write_bytes(b"\xef\xbb\xbfsad\r\nvery\xe2\x80\xa8sad\n")
    (tmp_path / "train_pos.txt").write_bytes(b"good\n")
    assert read_course(tmp_path).columns["text"] == ["sad", "very\u2028sad", "good"]
