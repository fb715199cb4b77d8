"""`bench validate`: what a task's data are, before anything is trained on them. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from bench.config.request import Request
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import find
from bench.errors import UserError
from tasks import Rows, TaskData, stressed

COUNTED = 2000  # rows of a role whose tokens are counted, spread evenly over it


def validate(asked: Request) -> Iterator[str]:
    """The lines on each task of a request. Raises DataError for the first thing that a run would stop at."""
    for task in asked.tasks:
        yield from described(asked, task)


def described(asked: Request, task: TaskChoice) -> Iterator[str]:
    """One task: a line for each role, what was removed, and lengths against the limit of the encoders."""
    loaded = asked.load(task)
    data = stressed(loaded, task.stress, asked.seeds[0])
    real = data.real(asked.seeds[0])
    stand_in = "; its real and test rows are a stand-in, not human text" if data.stand_in else ""
    kind = "pairs of texts" if data.spec.pair else "texts"
    title = "" if data.spec.title == task.name else f"{data.spec.title}; "
    yield f"{task.label}: {title}{kind}, {len(data.spec.labels)} classes; source {data.source}{stand_in}"
    roles = {"generated": data.generated, "real": data.pool, "test": data.test}
    for role, rows in {**roles, "small real set": real}.items():
        yield f"  {role}: {len(rows):,} rows{origin(data, role)}; {shares(data, rows)}{repeats(rows)}"
    for note in data.notes:
        yield f"  {note}"
    for name in asked.encoders:
        yield from tokens(name, roles, asked.settings.max_length)


def tokens(name: str, roles: Mapping[str, Rows], limit: int) -> Iterator[str]:
    """A line on the lengths of each role in an encoder's tokens, or why they cannot be counted."""
    try:
        encoder = find(name)
    except UserError as error:
        yield f"  tokens: not counted; {error}"
        return
    file = encoder.path / "tokenizer.json"
    if not file.exists():
        yield f"  tokens: not counted; encoder {name!r} has no tokenizer.json"
        return
    for role, rows in roles.items():
        yield f"  tokens of {Path(name).name}, {role}: {lengths(file, rows, limit)}"


def origin(data: TaskData, role: str) -> str:
    """Where the rows of a role are from."""
    return f" ({data.origins[role]})" if role in data.origins else ""


def shares(data: TaskData, rows: Rows) -> str:
    """The share of each class."""
    counts = np.bincount(rows.labels, minlength=len(data.spec.labels))
    return ", ".join(f"{name} {count / len(rows):.1%}" for name, count in zip(data.spec.labels, counts, strict=True))


def repeats(rows: Rows) -> str:
    """How many rows repeat an earlier text, and how many texts have more than one label; nothing where none."""
    labels: dict[str, set[int]] = {}
    for key, label in zip(rows.keys, rows.labels.tolist(), strict=True):
        labels.setdefault(key, set()).add(label)
    again, torn = len(rows) - len(labels), sum(len(found) > 1 for found in labels.values())
    told = f"; {again:,} repeat an earlier text" if again else ""
    return told + (f"; {torn:,} texts have more than one label" if torn else "")


def lengths(file: Path, rows: Rows, limit: int) -> str:
    """Median, 99th percentile and maximum of tokens, with the rows that are cut at `limit`."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    part = rows.take(np.unique(np.linspace(0, len(rows) - 1, COUNTED).astype(np.int64)))
    texts = part.texts if part.pairs is None else list(zip(part.texts, part.pairs, strict=True))
    counts = np.array([len(entry.ids) for entry in tokenizer.encode_batch(texts)])
    middle, high = np.percentile(counts, [50, 99])
    of = f" of {len(part):,} rows" if len(part) < len(rows) else ""
    cut = int((counts > limit).sum())
    return f"median {middle:.0f}, 99 % {high:.0f}, longest {counts.max()}{of}; {cut:,} are cut at {limit}"
