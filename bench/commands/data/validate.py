"""`bench validate`: shows the data of a task before anything is trained on them. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import sub
from typing import Any

from bench.commands.data.examine import Examined, Lengths, RoleFacts, examine
from bench.config.request import Request
from bench.config.task_choice import TaskChoice
from tasks.errors import join_names, plural
from tasks.loading.examples import examples
from tasks.loading.word_shift import WordShift

WORDS = 6  # of each kind that a line shows


def validate(request: Request) -> Iterator[str]:
    """The lines on each task of a request. Raises DataError for whatever would stop a run."""
    for task in request.tasks:
        yield from lines(task, examine(request, task))


def validate_json(request: Request) -> list[dict[str, Any]]:
    """The same for programs: an entry per task, with all row numbers (from 0) of each finding."""
    return [as_json(task, examine(request, task)) for task in request.tasks]


def lines(task: TaskChoice, found: Examined) -> Iterator[str]:
    """One task: a line per role, removed rows, findings, label shares, words, lengths in tokens, and the verdict."""
    data = found.data
    stand_in = "; its real and test rows are a stand-in, not human text" if data.stand_in else ""
    about = f" ({data.about})" if data.about and not data.stand_in else ""
    kind = "pairs of texts" if data.spec.pair else "texts"
    title = "" if data.spec.title == task.name else f"{data.spec.title}; "
    yield f"{task.label}: {title}{kind}, {len(data.spec.labels)} classes; source {data.source}{about}{stand_in}"
    for role, facts in found.roles.items():
        yield f"  {role}: {counted(data.spec.labels, facts)}"
    if found.size.used < found.size.total:
        yield f"  a run trains on {found.size}"
    yield from (f"  {note}" for note in data.notes)
    yield f"  {compared_shares(found)}"
    name, share = found.majority
    guess = f"always {name}, the most frequent class of the test"
    yield f"  constant guess ({guess}): {100 * share:.1f} % accuracy on the test"
    yield from (f"  {line}" for line in word_lines(found.words))
    yield from (f"  {line}" for line in examples(data))
    for encoder, lengths in found.tokens.items():
        if isinstance(lengths, str):
            yield f"  tokens: not counted; {lengths}"
        else:
            yield from (f"  tokens of {encoder}, {role}: {in_tokens(one)}" for role, one in lengths.items())
    yield from (f"  warning: {finding}" for finding in found.findings)
    yield f"  {found.verdict}"


def counted(labels: Sequence[str], facts: RoleFacts) -> str:
    """Rows, origin, label shares, and repeated texts of a role."""
    origin = f" ({facts.origin})" if facts.origin else ""
    shares = join_names(f"{name} {100 * share:.1f} %" for name, share in zip(labels, facts.shares, strict=True))
    repeated = f"; {plural(facts.repeated, 'row')} with the text of an earlier row" if facts.repeated else ""
    conflicts = f"; {plural(facts.conflicting, 'text')} with more than one label" if facts.conflicting else ""
    return f"{plural(facts.rows, 'row')}{origin}; {shares}{repeated}{conflicts}"


def compared_shares(found: Examined) -> str:
    """The label shares of all roles side by side, and by how much generated and real, real and test rows differ."""
    shares = {role: facts.shares for role, facts in found.roles.items() if role in found.data.roles}
    by_class = zip(*shares.values(), strict=True)
    listed = join_names(
        f"{name} {' / '.join(f'{100 * share:.1f} %' for share in of_class)}"
        for name, of_class in zip(found.data.spec.labels, by_class, strict=True)
    )
    shifts = ", ".join(
        f"{one} and {other} differ by up to {100 * max(map(abs, map(sub, shares[one], shares[other]))):.1f} points"
        for one, other in pairwise(shares)
    )
    return f"label shares ({' / '.join(shares)}): {listed}; {shifts}"


def word_lines(words: WordShift) -> Iterator[str]:
    """How much of the real vocabulary the generated rows have, and the words whose frequency differs most."""
    covered = "there are none" if words.covered is None else f"{100 * words.covered:.0f} % of the words"
    yield f"words: {covered} in real rows" + (" occur in generated rows" if words.covered is not None else "")
    for which, listed in (("more", words.more), ("fewer", words.less)):
        if listed:
            shown = ", ".join(
                f"{word} {100 * ours:.1f} % / {100 * theirs:.1f} %" for word, ours, theirs in listed[:WORDS]
            )
            rest = f" and {len(listed) - WORDS:,} more" if len(listed) > WORDS else ""
            yield f"words in {which} generated rows than real ones (share of rows, generated / real): {shown}{rest}"


def in_tokens(lengths: Lengths) -> str:
    """Median, 99th percentile and maximum of the number of tokens, how many rows are cut, and unknown tokens."""
    sample = f" of {lengths.counted:,} rows" if lengths.counted < lengths.rows else ""
    cut = f"{plural(lengths.cut, 'row')} cut at {lengths.limit}"
    unknown = f"; {100 * lengths.unknown:.1f} % of the tokens unknown" if round(lengths.unknown, 3) else ""
    return f"median {lengths.median:.0f}, 99 % {lengths.high:.0f}, longest {lengths.longest}{sample}; {cut}{unknown}"


def as_json(task: TaskChoice, found: Examined) -> dict[str, Any]:
    """One task for programs."""
    data = found.data
    return {
        "task": task.label,
        "title": data.spec.title,
        "source": data.source,
        "labels": list(data.spec.labels),
        "pairs": data.spec.pair,
        "folds": data.folds,
        "roles": {role: vars(facts) for role, facts in found.roles.items()},
        "columns": {role: vars(names) for role, names in data.columns.items()},
        "generated_size": found.size.stored(),
        "majority": {"label": found.majority[0], "share": found.majority[1]},
        "words": vars(found.words),
        "tokens": {
            name: lengths if isinstance(lengths, str) else {role: vars(one) for role, one in lengths.items()}
            for name, lengths in found.tokens.items()
        },
        "notes": list(data.notes),
        "findings": [vars(finding) for finding in found.findings],
        "verdict": found.verdict,
    }
