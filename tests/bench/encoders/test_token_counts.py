"""Unknown tokens are counted without torch, from `tokenizer.json`, and by the tokenizers of transformers alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bench.encoders.checkpoints import find
from bench.encoders.token_counts import own_and_unknown, tokenizer_of, unknown_share
from bench.errors import UserError
from tests.helpers.encoders import make_encoder

TEXTS = ["so happy today", "เปิดประเทศ", "漢字", ""]


@pytest.mark.parametrize(("family", "expected"), [("bert", [0, 1, 2, 0]), ("roberta", [0, 0, 0, 0])])
def test_unknown_tokens_of_words_and_of_bytes(tmp_path: Path, family: str, expected: list[int]) -> None:
    folder = make_encoder(tmp_path / family, family)
    tokenizer, checkpoint = AutoTokenizer.from_pretrained(folder), find(str(folder))
    own, unknown = own_and_unknown(tokenizer, tokenizer(TEXTS)["input_ids"])
    assert own.tolist() == [len(tokenizer.tokenize(text)) for text in TEXTS]
    assert unknown.tolist() == expected
    assert unknown_share(checkpoint, tokenizer_of(checkpoint).encode_batch(TEXTS)) == unknown.sum() / own.sum()


def test_unknown_tokens_of_unigrams(tiny_encoder: Path, tmp_path: Path) -> None:
    """The library does not show their unknown token, so the file says it."""
    from tokenizers import Tokenizer, models

    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "unigrams"))
    pieces = Tokenizer(models.Unigram([("</s>", 0.0), ("<unk>", 0.0), ("a", -1.0), ("b", -1.0)], unk_id=1))
    pieces.save(str(folder / "tokenizer.json"))
    checkpoint = find(str(folder))
    assert unknown_share(checkpoint, tokenizer_of(checkpoint).encode_batch(["ab", "漢"])) == pytest.approx(1 / 3)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, unk_token="<unk>", eos_token="</s>")
    assert [counts.tolist() for counts in own_and_unknown(tokenizer, tokenizer(["ab", "漢"])["input_ids"])] == [
        [2, 1],
        [0, 1],
    ]


def test_an_unknown_token_that_ends_texts_is_none(tiny_encoder: Path) -> None:
    """As of GPT-2, whose bytes spell everything."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder, unk_token="[SEP]")
    own, unknown = own_and_unknown(tokenizer, tokenizer(["so happy", "fine"])["input_ids"])
    assert (own.tolist(), unknown.tolist()) == ([2, len(tokenizer.tokenize("fine"))], [0, 0])


def test_a_damaged_tokenizer_is_an_error_of_one_line(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "damaged"))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"^encoder .* cannot be read \(.*\)$"):
        tokenizer_of(find(str(folder)))
