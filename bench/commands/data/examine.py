"""Examines the rows of a task: sizes, label shares, repeats, words, lengths in tokens, findings and a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.commands.data.verdict import of_lengths, of_sizes, of_unknown, verdict
from bench.config.generated_size import GeneratedSize, check_fills_batch, generated_size
from bench.config.request import Request
from bench.config.settings import Settings
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import Checkpoint, find, fits
from bench.encoders.token_counts import tokenizer_of, unknown_share
from bench.errors import UserError
from tasks import Rows, TaskData, stressed
from tasks.cross_validation import of_all_seeds
from tasks.findings import Finding
from tasks.loading.copies import near_findings
from tasks.loading.word_shift import WordShift, word_shift

COUNTED = 2000  # at most so many rows of a role are tokenized, evenly spread


@dataclass(frozen=True)
class RoleFacts:
    """The rows of one role: their number, the file or place they are from, and the share of each class.

    `repeated` rows have the text of an earlier row; `conflicting` texts have several labels.
    """

    rows: int
    origin: str
    shares: list[float]
    repeated: int
    conflicting: int


@dataclass(frozen=True)
class Lengths:
    """Numbers of tokens of `counted` of the `rows` of a role, and how many of these are cut at `limit` tokens.

    `unknown` is the share of the tokens that are not in the encoder's vocabulary. The encoder reads at most `positions`
    tokens of a text; None: any number.
    """

    rows: int
    counted: int
    median: float
    high: float  # 99th percentile
    longest: int
    cut: int
    limit: int
    unknown: float
    positions: int | None


@dataclass(frozen=True)
class Examined:
    """What is known of a task's rows. `tokens` has the lengths by role of each encoder, or why there are none."""

    data: TaskData
    size: GeneratedSize
    roles: dict[str, RoleFacts]
    majority: tuple[str, float]
    words: WordShift
    tokens: dict[str, dict[str, Lengths] | str]
    findings: tuple[Finding, ...]
    verdict: str


def examine(request: Request, task: TaskChoice) -> Examined:
    """Examine one task of a request under its stress, for the first seed. Raises DataError as a run would."""
    loaded = request.load(task)
    size = generated_size(request, task, loaded)
    check_fills_batch(task, size.used, request.settings.batch_size)
    data = stressed(loaded, task.stress, request.seeds[0])
    real = data.real(request.seeds[0])
    data = of_all_seeds(data, loaded)
    tokens = {
        short: lengths_of(name, data.roles, request.settings) for name, short in short_names(request.encoders).items()
    }
    near = () if data.columns else tuple(near_findings(data))  # rows of the user have them already
    findings = (*data.findings, *near, *of_sizes(data))
    for name, by_role in tokens.items():
        if not isinstance(by_role, str):
            findings += tuple(of_tokens(name, by_role))
    shares = data.shares(data.test)
    largest = int(np.argmax(shares))
    return Examined(
        data=data,
        size=size,
        roles={
            role: facts(data, rows, data.origins.get(role, ""))
            for role, rows in {**data.roles, "small real set": real}.items()
        },
        majority=(data.spec.labels[largest], shares[largest]),
        words=word_shift(data.generated, data.pool),
        tokens=tokens,
        findings=findings,
        verdict=verdict(findings),
    )


def short_names(encoders: Sequence[str]) -> dict[str, str]:
    """The last part of each encoder's path or hub id; the whole of it where another encoder has the same last part."""
    last = {name: Path(name).name for name in encoders}
    counts = Counter(last.values())
    return {name: short if counts[short] == 1 else name for name, short in last.items()}


def of_tokens(encoder: str, by_role: Mapping[str, Lengths]) -> Iterator[Finding]:
    """Findings on the tokens of each role: those that the encoder does not know, and those that it does not read."""
    yield from of_unknown(encoder, {role: one.unknown for role, one in by_role.items()})
    for role, one in by_role.items():
        yield from of_lengths(role, one)


def facts(data: TaskData, rows: Rows, origin: str) -> RoleFacts:
    """The facts of one role."""
    labels: dict[str, set[int]] = {}
    for key, label in zip(rows.keys, rows.labels.tolist(), strict=True):
        labels.setdefault(key, set()).add(label)
    conflicting = sum(len(of_text) > 1 for of_text in labels.values())
    return RoleFacts(len(rows), origin, data.shares(rows), len(rows) - len(labels), conflicting)


def lengths_of(name: str, roles: Mapping[str, Rows], settings: Settings) -> dict[str, Lengths] | str:
    """The lengths of each role in tokens of an encoder, or why they cannot be counted.

    Raises UserError for settings that the encoder does not allow, as a run does.
    """
    try:
        encoder = find(name)
    except UserError as error:
        return str(error)
    fits(encoder, settings)
    try:
        return {role: lengths(encoder, rows, settings.max_length) for role, rows in roles.items()}
    except UserError as error:
        return str(error)


def lengths(encoder: Checkpoint, rows: Rows, limit: int) -> Lengths:
    """The numbers of tokens of the rows of one role. Raises UserError for an encoder without a readable tokenizer."""
    part = rows.take(np.unique(np.linspace(0, len(rows) - 1, COUNTED).astype(np.int64)))
    texts = part.texts if part.pairs is None else list(zip(part.texts, part.pairs, strict=True))
    encoded = tokenizer_of(encoder).encode_batch(texts)
    counts = np.array([len(entry.ids) for entry in encoded])
    middle, high = (float(value) for value in np.percentile(counts, [50, 99]))
    cut = int((counts > limit).sum())
    unknown = unknown_share(encoder, encoded)
    return Lengths(len(rows), len(part), middle, high, int(counts.max()), cut, limit, unknown, encoder.positions)
