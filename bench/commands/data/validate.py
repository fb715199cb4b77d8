"""`bench validate`: shows the data of a task before anything is trained on them. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.config.generated_size import generated_size
from bench.config.request import Request
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import find
from bench.errors import UserError
from tasks import Rows, TaskData, stressed
from tasks.errors import plural
from tasks.loading.examples import examples

COUNTED = 2000  # at most so many rows of a role are tokenized, evenly spread


def validate(request: Request) -> Iterator[str]:
    """The lines on each task of a request. Raises DataError for whatever would stop a run."""
    for task in request.tasks:
        yield from task_lines(request, task)


def task_lines(request: Request, task: TaskChoice) -> Iterator[str]:
    """One task: a line per role, removed rows, and lengths compared with the longest that an encoder reads."""
    loaded = request.load(task)
    size = generated_size(request, task, loaded)
    data = stressed(loaded, task.stress, request.seeds[0])
    real = data.real(request.seeds[0])
    if loaded.folds:  # every real row is tested by some seed
        data = replace(data, pool=loaded.pool, folds=loaded.folds)
    stand_in = "; its real and test rows are a stand-in, not human text" if data.stand_in else ""
    about = f" ({data.about})" if data.about and not data.stand_in else ""
    kind = "pairs of texts" if data.spec.pair else "texts"
    title = "" if data.spec.title == task.name else f"{data.spec.title}; "
    yield f"{task.label}: {title}{kind}, {len(data.spec.labels)} classes; source {data.source}{about}{stand_in}"
    for role, rows in {**data.roles, "small real set": real}.items():
        yield f"  {role}: {len(rows):,} rows{origin(data, role)}; {shares(data, rows)}{repeats(rows)}"
    if size.used < size.total:
        yield f"  a run trains on {size}"
    yield from (f"  {note}" for note in data.notes)
    yield from (f"  warning: {warning}" for warning in data.warnings)
    yield from (f"  {line}" for line in compared_shares(data))
    yield from (f"  {line}" for line in examples(data))
    for name in request.encoders:
        yield from tokens(name, data.roles, request.settings.max_length)


def tokens(name: str, roles: Mapping[str, Rows], limit: int) -> Iterator[str]:
    """A line per role on lengths in tokens of an encoder, or one on why they cannot be counted."""
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


def compared_shares(data: TaskData) -> Iterator[str]:
    """The label shares of all roles side by side, and the accuracy of always predicting the largest class."""
    by_class = list(zip(*map(data.shares, data.roles.values()), strict=True))
    listed = ", ".join(
        f"{name} {' / '.join(f'{share:.1%}' for share in of_class)}"
        for name, of_class in zip(data.spec.labels, by_class, strict=True)
    )
    shift = max(abs(generated - real) for generated, real, *_ in by_class)
    roles = " / ".join(data.roles)
    yield f"label shares ({roles}): {listed}; generated and real differ by up to {100 * shift:.1f} points"
    largest = max(range(len(by_class)), key=lambda label: by_class[label][-1])  # the test, or the real rows in folds
    accuracy = f"{by_class[largest][-1]:.1%} accuracy on the test"
    yield f"always predicting {data.spec.labels[largest]}, the majority class of the test, has {accuracy}"


def origin(data: TaskData, role: str) -> str:
    """The file or place from which the rows of a role come, in brackets."""
    return f" ({data.origins[role]})" if role in data.origins else ""


def shares(data: TaskData, rows: Rows) -> str:
    """The share of each class."""
    return ", ".join(f"{name} {share:.1%}" for name, share in zip(data.spec.labels, data.shares(rows), strict=True))


def repeats(rows: Rows) -> str:
    """The number of rows that repeat an earlier text, and of texts with several labels; empty if there are none."""
    labels: dict[str, set[int]] = {}
    for key, label in zip(rows.keys, rows.labels.tolist(), strict=True):
        labels.setdefault(key, set()).add(label)
    repeated, ambiguous = len(rows) - len(labels), sum(len(of_text) > 1 for of_text in labels.values())
    text = f"; {plural(repeated, 'row')} with the text of an earlier row" if repeated else ""
    return text + (f"; {plural(ambiguous, 'text')} with more than one label" if ambiguous else "")


def lengths(file: Path, rows: Rows, limit: int) -> str:
    """Median, 99th percentile and maximum of the number of tokens, and how many rows are cut at `limit` tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    part = rows.take(np.unique(np.linspace(0, len(rows) - 1, COUNTED).astype(np.int64)))
    texts = part.texts if part.pairs is None else list(zip(part.texts, part.pairs, strict=True))
    counts = np.array([len(entry.ids) for entry in tokenizer.encode_batch(texts)])
    middle, high = np.percentile(counts, [50, 99])
    sample = f" of {len(part):,} rows" if len(part) < len(rows) else ""
    cut = plural(int((counts > limit).sum()), "row")
    return f"median {middle:.0f}, 99 % {high:.0f}, longest {counts.max()}{sample}; {cut} cut at {limit}"
