"""Texts that a file repeats are tokenised, embedded and encoded once, and every row has the results of its text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from bench.encoders.checkpoints import find
from bench.errors import UserError
from bench.jobs import EmbeddingsJob, StatesJob, TokensJob
from bench.planning.plan import Plan
from bench.precomputed import token_spans, tokens
from bench.precomputed.tables import READERS, RowLookup
from bench.store.files import read_json
from bench.store.layout import DONE
from methods.base import EMBEDDINGS, TOKENS
from tests.bench.execution.work import Work, done, least

Run = Callable[..., Plan]
WORDS = ("good", "bad", "a long day at work", "late again", "no coffee left", "rain and more rain")


@pytest.fixture(scope="module")
def plan(run_once: Run, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A grid on files of 24 generated rows with 12 texts, whose first is that of every third row."""
    folder = tmp_path_factory.mktemp("rows")
    texts = [WORDS[0] if n % 3 == 0 else f"{WORDS[n % 6]} {n // 2}" for n in range(24)]
    generated = file(folder / "generated.jsonl", texts)
    others = [file(folder / f"{name}.jsonl", [f"{name} {n}" for n in range(20)]) for name in ("real", "test")]
    files = {"generated": generated, "real": others[0], "test": others[1]}
    return run_once(methods="ce,kmm,dsir", **files, settings={"generated_rows": None})


def file(path: Path, texts: list[str]) -> str:
    rows = [{"text": text, "label": ("no", "yes")[n % 2]} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_each_text_is_encoded_once(plan: Plan) -> None:
    jobs = plan.jobs.values()
    texts = {job.folder: set(job.texts) for job in jobs if isinstance(job, TokensJob)}
    passes = [job for job in jobs if isinstance(job, StatesJob | EmbeddingsJob)]
    spent = sum(map(done, jobs), Work())
    assert spent == least(jobs, jobs)
    assert spent.encoded == sum(len(texts[job.tokens]) for job in passes)


def test_every_row_has_its_own_tokens_states_and_embedding(plan: Plan) -> None:
    jobs = {type(job): job for job in plan.jobs.values() if getattr(job, "tokens", None) == generated(plan).folder}
    table = tokens.load(generated(plan).folder)
    tokenizer = AutoTokenizer.from_pretrained(generated(plan).checkpoint.path)
    for row, text in enumerate(generated(plan).texts):
        expected = tokenizer(text)["input_ids"]
        assert table.inputs(np.array([row]))["input_ids"][0].tolist() == expected
    states = tokens.load(generated(plan).folder, jobs[StatesJob].folder)
    n = len(generated(plan).texts)
    lookup = RowLookup(np.arange(n), np.arange(n), 2)
    embedded = READERS[EMBEDDINGS](jobs[EmbeddingsJob].folder, lookup)
    cut = READERS[TOKENS](generated(plan).folder, lookup)
    first = {text: row for row, text in reversed(list(enumerate(generated(plan).texts)))}
    for row, text in enumerate(generated(plan).texts):
        assert table.start[row] == table.start[first[text]]
        assert np.array_equal(embedded[row], embedded[first[text]])
        assert cut[row][cut[row] >= 0].tolist() == tokenizer(text)["input_ids"]
    assert len({one.tobytes() for one in embedded}) == len(first)
    assert len(states.parts[0]["inputs_embeds"]) == sum(table.length[list(first.values())])


def generated(plan: Plan) -> TokensJob:
    (job,) = (job for job in plan.jobs.values() if isinstance(job, TokensJob) and len(job.texts) == 24)
    return job


def test_texts_that_just_fit_are_not_counted_as_truncated(tiny_encoder: Path, tmp_path: Path) -> None:
    """A row counts as often as its text is repeated."""
    texts = ["a b c", "a b c d", "a b c d", "a b c", "a"]
    for pairs, length in ((None, 5), ([""] * 5, 6)):
        folder = tmp_path / str(length)
        folder.mkdir()
        job = TokensJob("tokens", folder, tmp_path, (), "generated", texts, pairs, find(str(tiny_encoder)), length)
        summary = tokens.build(job)
        assert summary["truncated"] == 2
        assert summary["notes"] == [f"2 of 5 generated texts cut after {length} tokens (max_length)"], "a run says it"
        assert tokens.load(folder).length.max() == length


def test_tokens_that_the_encoder_does_not_know_are_counted(tiny_encoder: Path, tmp_path: Path) -> None:
    """All texts of another script may be one and the same token, and a run said nothing."""
    thai = ["เปิด", "เปิด", "ประเทศ", "a b c"]
    found = [find(str(tiny_encoder)), find(str(tiny_encoder), "model")]
    for checkpoint, texts in ((found[0], thai), (found[1], thai), (found[0], ["a b c"] * 20 + ["ประ"])):
        folder = tmp_path / f"{checkpoint.kind}{len(texts)}"
        folder.mkdir()
        job = TokensJob("tokens", folder, tmp_path, (), "generated", texts, None, checkpoint, 8)
        summary = tokens.build(job)
        assert summary["unknown"] == read_json(folder / DONE)["unknown"] == (3 if texts == thai else 1)
        note = f"50% of the tokens of 4 generated texts are unknown to {checkpoint.title}, which cannot tell them apart"
        remedy = "; --encoder names one for their language" if checkpoint.kind == "encoder" else ""
        assert summary["notes"] == ([note + remedy] if texts == thai else []), "a few are no matter"


def test_states_of_other_tokens_are_refused(plan: Plan, tmp_path: Path) -> None:
    folder = generated(plan).folder
    (tmp_path / "states").mkdir()
    np.save(tmp_path / "states" / "states.npy", np.zeros((5, 4), np.float32))
    with pytest.raises(UserError, match="do not belong to the tokens in"):
        tokens.load(folder, tmp_path / "states")


def test_spans_of_texts_that_do_not_repeat_need_no_file(tmp_path: Path) -> None:
    token_spans.write(tmp_path, np.array([3, 2]), np.array([0, 1]))
    assert not (tmp_path / token_spans.TEXT_OF_ROW).exists()
    start, length = token_spans.read(tmp_path)
    assert (start.tolist(), length.tolist()) == ([0, 3], [3, 2])
    token_spans.write(tmp_path, np.array([3, 2]), np.array([0, 1, 0]))
    start, length = token_spans.read(tmp_path)
    assert (start.tolist(), length.tolist()) == ([0, 3, 0], [3, 2, 3])
    first, text_of_row = token_spans.unique_texts(start, length)
    assert (first.tolist(), text_of_row.tolist()) == ([0, 1], [0, 1, 0])
    assert token_spans.padded(np.array([7, 8, 9, 4, 5]), start, length).tolist() == [[7, 8, 9], [4, 5, -1], [7, 8, 9]]
