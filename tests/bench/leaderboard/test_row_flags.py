"""Flags of generated rows, on rows for which they are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.leaderboard.read import row_flags, weight_table
from bench.leaderboard.read.row_flags import other_label, repeats, unlike
from bench.leaderboard.read.weight_table import remarks, with_flags


def test_a_checker_that_is_confident_of_another_label_marks_a_row() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55], [0.05, 0.95]])
    labels = np.array([0, 0, 1, 1, 0, 0])
    # Thresholds: class 0 (0.9 + 0.8 + 0.45 + 0.05) / 4 = 0.55, class 1 (0.9 + 0.8) / 2 = 0.85.
    assert other_label(probabilities, labels).tolist() == [-1] * 5 + [1]


def test_rows_and_classes_that_nothing_is_known_of_are_not_marked() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [np.nan] * 3, [0.0, 0.1, 0.9]])
    assert other_label(probabilities, np.array([0, 0, 0])).tolist() == [-1] * 3
    assert other_label(np.full((2, 2), np.nan), np.array([0, 1])).tolist() == [-1] * 2


def test_the_suggested_label_is_the_one_that_the_checker_is_confident_of() -> None:
    """Rows were marked with their own label as the suggestion, and with labels that the checker is not confident of."""
    names = np.array(["a", "b", "c"], dtype=object)
    # Thresholds 0.54, 0.1 and 0.8: the last rows reach that of c, of b though c is more probable, and of b alone.
    probabilities = np.array(
        [
            [0.8, 0.1, 0.1],
            [0.9, 0, 0.1],
            [0.8, 0.1, 0.1],
            [0, 0.2, 0.8],
            [0.1, 0, 0.9],
            [0.4, 0.15, 0.45],
            [0.5, 0.2, 0.3],
        ]
    )
    frame = pd.DataFrame({"row": range(7), "text": list("pqrstuv")})
    flags = with_flags(frame, probabilities, np.array([0, 0, 1, 2, 0, 0, 0]), names, [])
    assert flags["suggested_label"].fillna("").tolist() == ["", "", "a", "", "c", "b", ""]
    assert flags["likely_mislabelled"].tolist() == [False, False, True, False, True, True, False]


def test_rows_that_repeat_an_earlier_row() -> None:
    long = "the quick brown fox jumps over the lazy dog near the river bank on a sunny day in june"
    texts = ["so happy today", "awful queue again", "SO  happy today", long, f"{long} !", "so sad today"]
    assert repeats(texts).tolist() == [-1, -1, 0, -1, 3, -1]
    assert repeats(["", " ", "a"]).tolist() == [-1, 0, -1]


@pytest.mark.parametrize("first", [0x4E00, 0x0E01], ids=["Chinese", "Thai"])
def test_a_changed_character_of_a_text_without_spaces_leaves_it_a_copy(first: int) -> None:
    """A clause was a word, so that such a copy had no word in common with its text."""
    rng = np.random.default_rng(0)
    texts = ["".join(chr(first + k) for k in rng.integers(0, 40, 40)) for _ in range(60)]
    copies = repeats([*texts, *(f"{text[:10]}好{text[11:]}" for text in texts[:20])])
    assert (copies[:60] == -1).all()
    assert (copies[60:] == np.arange(20)).mean() >= 0.8


def test_many_rows_are_compared_with_equal_texts_alone(monkeypatch) -> None:
    for module in (row_flags, weight_table):
        monkeypatch.setattr(module, "MOST_COMPARED", 2)
    texts = ["a b c d e f g h", "a b c d e f g h .", "A b c d e f g h"]
    assert repeats(texts).tolist() == [-1, -1, 0]
    frame = pd.DataFrame({"row": range(3), "text": texts, "estimated": False, "weight": 1.0, "model": 1, "quality": 1})
    said = "redundant marks equal texts alone in files of more than 2 rows"
    assert remarks(frame, 1)[-1] == said
    assert said not in remarks(frame.assign(generation=["a", "a", "b"]), 1)


@pytest.mark.parametrize(
    ("words", "others", "between"),
    [
        ([f"w{k}" for k in range(40)], [f"z{k}" for k in range(40)], " "),
        ([chr(0x915 + k) + "ी" for k in range(35)], [chr(0x915 + k) + "ू" for k in range(35)], " "),
        ([chr(0x4E00 + k) for k in range(40)], [chr(0x4E40 + k) for k in range(40)], ""),
        ([chr(0xE01 + k) for k in range(20)], [chr(0xE15 + k) for k in range(20)], ""),
    ],
    ids=["Latin", "Hindi", "Chinese", "Thai"],
)
def test_texts_of_other_words_are_unlike_the_real_ones(words: list[str], others: list[str], between: str) -> None:
    rng = np.random.default_rng(0)

    def drawn(vocabulary: list[str], count: int) -> list[str]:
        return [between.join(rng.choice(vocabulary, 12)) for _ in range(count)]

    marks = unlike([*drawn(words, 100), *drawn(others, 20)], drawn(words, 200))
    assert marks is not None
    assert marks[100:].all()
    assert marks[:100].mean() < 0.2


def test_too_few_texts_or_words_say_nothing() -> None:
    assert unlike(["a"], ["b"] * 19) is None
    assert unlike(["!"], ["?"] * 30) is None
