"""Near duplicates by MinHash against a count over all pairs, and the shift of words against a recount."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from tasks.loading import near_duplicates as minhash
from tasks.loading.near_duplicates import (
    MOST_TEXTS,
    SHARED,
    Repeats,
    jaccard,
    near_duplicates,
    pairs_of_words,
    similar,
    words_of,
)
from tasks.loading.word_shift import word_shift
from tasks.rows import Rows

WORDS = [a + b for a in "bdfgklmnprst" for b in ("ab", "el", "in", "or", "ut", "yx")]


def rows(texts: list[str], start: int = 0) -> Rows:
    return Rows(np.arange(start, start + len(texts)), texts, None, np.zeros(len(texts), dtype=np.int64))


def changed(text: str, rng: random.Random, count: int) -> str:
    words = text.split()
    for place in rng.sample(range(len(words)), count):
        words[place] = rng.choice(WORDS)
    return " ".join(words)


def test_all_pairs_are_found_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(8, 30))) for _ in range(120)]
    texts += [changed(text, rng, rng.randrange(1, 6)) for text in texts]
    texts = list(dict.fromkeys(texts))
    words = [pairs_of_words(text) for text in texts]
    expected = [(i, j) for i, j in combinations(range(len(texts)), 2) if jaccard(words[i], words[j]) >= SHARED]
    assert similar(texts) == expected, "all pairs of few texts are compared"
    monkeypatch.setattr(minhash, "FEW_TEXTS", 0)
    found = similar(texts)
    assert set(found) <= set(expected)
    assert len(expected) > 30
    assert len(found) >= 0.97 * len(expected), "each pair is missed with a probability of at most 1 %"


def test_many_texts_of_one_template_take_no_time_of_all_pairs() -> None:
    texts = [f"please write a short review about a product of kind number {i} for our shop" for i in range(800)]
    found = near_duplicates({"generated": rows(texts)})
    assert found is not None
    assert len(found[0].pairs) >= 0.9 * (len(texts) - 1), "nearly every text repeats an earlier one"


def test_rows_and_roles() -> None:
    base = "the quick brown fox jumps over the lazy dog near the old mill today"
    near = base.replace("today", "now")
    generated = rows(["something else entirely is written in this row", near])
    real = rows([base, base.upper() + "!", near.replace("mill", "barn")], start=10)
    assert near_duplicates({"generated": generated, "real": real}) == [
        Repeats("generated", "real", ((1, 0),), frozenset({0, 1, 2})),
        Repeats("real", "real", ((2, 0),), frozenset({0, 1, 2})),
    ], "equal texts are no near duplicates"


@pytest.mark.parametrize("text", ["...", "?!", "面白かったです。またきます。", "one"])
def test_texts_without_pairs_of_words(text: str) -> None:
    other = text + "、とても" if len(text) > 8 else text + text
    assert near_duplicates({"generated": rows([text]), "real": rows([other])}) is not None


def test_scripts_without_spaces_go_by_characters() -> None:
    text = "この商品はとても便利で、家族みんなが毎日使っています"
    assert similar([text, text.replace("毎日", "毎朝"), "面白い映画でしたが少し長いと思います"]) == [(0, 1)]


def test_marks_are_parts_of_words() -> None:
    assert words_of("यह फिल्म अच्छी") == ["यह", "फिल्म", "अच्छी"]
    assert words_of("한국어 좋아요, ok") == ["한국어", "좋아요", "ok"]


def test_too_many_rows_are_not_compared() -> None:
    assert near_duplicates({"generated": rows(["a"] * (MOST_TEXTS + 1))}) is None


def test_a_word_of_one_row_is_no_shift() -> None:
    """In many generated rows it is expected that a word of one real row does not occur."""
    generated = rows([f"stay number {i}" for i in range(10_000)])
    shift = word_shift(generated, rows([f"stay number once{i}" for i in range(40)], start=20_000))
    assert (shift.more, shift.less) == ((), ())


def test_the_shift_of_words() -> None:
    generated = rows(["truly great stay"] * 30 + ["plain stay"] * 10)
    real = rows(["stay was fine"] * 35 + ["great stay"] * 5, start=100)
    shift = word_shift(generated, real)
    assert [word for word, *_ in shift.more] == ["truly", "great", "plain"][: len(shift.more)]
    assert shift.more[:2] == (("truly", 0.75, 0.0), ("great", 0.75, 0.125))
    assert {word for word, *_ in shift.less} == {"was", "fine"}
    assert shift.covered == pytest.approx((35 + 5 + 5) / (35 * 3 + 5 * 2))
    same = word_shift(generated, generated)
    assert (same.covered, same.more, same.less) == (1.0, (), ())
