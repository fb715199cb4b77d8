"""The backend `transformers` with a tiny causal model, made here."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.commands.data.generate import generate
from bench.errors import UserError
from bench.generate.arguments import GenerateArguments
from bench.generate.backends.backend import Message, Prompt, Sampling
from bench.generate.backends.local_model import LocalModel
from tests.bench.generate.conftest import rows_of
from tests.helpers.encoders import texts

CHAT = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}assistant"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT


def make_writer(folder: Path, chat: str | None = None, positions: int = 512) -> Path:
    """A GPT-2 with random weights over 30 words and an end: it writes random words and ends soon."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

    words = Counter(word for text in texts() for word in text.split()).most_common(30)
    vocabulary = {word: number for number, word in enumerate(["<end>", "<unk>", *(word for word, _ in words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unk>")
    fast.chat_template = chat
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=positions,
        eos_token_id=0,
        bos_token_id=0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def loaded_model(model: str) -> LocalModel:
    sampling = Sampling(model, temperature=1.0, top_p=1.0, max_tokens=20, concurrency=8, timeout=60.0, base_url=None)
    return LocalModel(sampling)


def run(tmp_path: Path, model: Path, **options: Any) -> tuple[bool, list[dict[str, Any]], str]:
    usual = {"labels": "pos,neg", "domain": "tweets", "n": 12, "backend": "transformers", "model": str(model)}
    lines: list[str] = []
    arguments = GenerateArguments(**{**usual, "to": tmp_path / "out.jsonl", "max_tokens": 200, **options})
    return generate(arguments, lines.append), rows_of(arguments.to), "\n".join(lines)


@pytest.mark.parametrize("chat", ["{{ raise_exception('no') }}", {"tool_use": CHAT, "rag": CHAT}])
def test_a_chat_template_that_cannot_be_used_is_one_line(chat: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its chat template cannot be used"):
        run(tmp_path, make_writer(tmp_path / "model", chat))


@pytest.mark.parametrize("chat", [None, CHAT, NO_SYSTEM])
def test_a_local_model_writes_rows(tmp_path: Path, chat: str | None) -> None:
    model = make_writer(tmp_path / "model", chat)
    complete, rows, said = run(tmp_path, model)
    assert complete, said
    assert Counter(row["label"] for row in rows) == {"pos": 6, "neg": 6}
    assert len({row["text"] for row in rows}) == 12
    assert {row["finish_reason"] for row in rows} == {"stop"}
    assert not any("<end>" in row["text"] for row in rows)
    for row in rows:
        assert row["tokens_out"] <= 200
        assert row["tokens_in"] > 30
    again = run(tmp_path, model, to=tmp_path / "again.jsonl")[1]
    assert [row["text"] for row in again] == [row["text"] for row in rows], "the seed decides"
    other = run(tmp_path, model, to=tmp_path / "other.jsonl", seed=1)[1]
    assert [row["text"] for row in other] != [row["text"] for row in rows]


def test_a_model_of_the_hub_has_its_template_and_its_ends(tmp_path: Path, hub: Callable[[str, Path], Path]) -> None:
    """Both are in files of their own, which were not downloaded, so a chat model was asked as a plain one."""
    model = make_writer(tmp_path / "model", CHAT)
    assert (model / "chat_template.jinja").exists()
    settings = json.loads((model / "generation_config.json").read_text())
    (model / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [0, 7]}))
    hub("someone/writer", model)
    loaded = loaded_model("someone/writer")
    assert loaded.tokenizer.chat_template == CHAT
    assert loaded.ends == {0, 7}
    assert "template" not in loaded.place
    assert "no chat template" in loaded_model(str(make_writer(tmp_path / "plain"))).place


def test_no_top_k_applies(tmp_path: Path) -> None:
    """Only the 50 likeliest tokens could come, or as many as the model's files say."""
    model = make_writer(tmp_path / "model")
    settings = json.loads((model / "generation_config.json").read_text())
    (model / "generation_config.json").write_text(json.dumps({**settings, "top_k": 1}))
    writer = loaded_model(str(model))
    answers = asyncio.run(writer.answers([Prompt((Message("user", "happy"),), 0)] * 8))
    assert len({answer.text for answer in answers}) > 1


def test_a_prompt_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    model = make_writer(tmp_path / "model", positions=64)
    with pytest.raises(UserError, match=r"do not fit into the 64 positions .*; lower --max-tokens or --examples"):
        run(tmp_path, model)


def test_what_is_no_language_model_is_an_error(tmp_path: Path, tiny_encoder: Path) -> None:
    with pytest.raises(UserError, match="is no whole language model: its weights lack"):
        run(tmp_path, tiny_encoder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"model '.*empty'.* has no weights"):
        run(tmp_path, tmp_path / "empty")
