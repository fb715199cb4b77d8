"""The texts that generated rows must not repeat, and the real rows that prompts may show.

Test rows are read for their texts alone: a generated row that repeats one is left out. No prompt shows one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.generate.answers import AnswerOutcome
from bench.generate.prompts import Example
from bench.hashing import digest
from tasks import FILES, Rows, load, load_spec
from tasks.errors import did_you_mean, join_names, plural
from tasks.loading.checks import checked_texts
from tasks.loading.columns import columns_of, texts_of
from tasks.loading.copies import same_rows
from tasks.loading.division import MINIMUM_TO_SPLIT
from tasks.loading.labels import label_name
from tasks.loading.own_rows import prepared
from tasks.reading import Columns, Reading, Readings
from tasks.roles import ColumnRole, Role
from tasks.sources.places import read_place
from tasks.sources.table import Table


@dataclass
class KnownTexts:
    """Normalised texts by what has them first: a test row, a real row, or a generated row."""

    outcomes: dict[str, AnswerOutcome] = field(default_factory=dict)

    def add(self, keys: Iterable[str], outcome: AnswerOutcome) -> None:
        """Note texts; those that are known already keep their origin."""
        for key in keys:
            self.outcomes.setdefault(key, outcome)

    def check(self, key: str) -> AnswerOutcome:
        """ROW for a new text, which is noted; else what it repeats."""
        known = self.outcomes.get(key)
        self.outcomes.setdefault(key, AnswerOutcome.REPEATED)
        return known or AnswerOutcome.ROW


def key_of(text: str, pair: str | None) -> str:
    """The form by which texts count as the same: without case, white space and punctuation."""
    return keys_of([text], None if pair is None else [pair])[0]


def keys_of(texts: Sequence[str], pairs: Sequence[str] | None) -> list[str]:
    """`key_of` of each text, or pair of texts."""
    zeros = np.zeros(len(texts), dtype=np.int64)
    return Rows(zeros, list(texts), None if pairs is None else list(pairs), zeros).near_keys


@dataclass(frozen=True)
class OwnRows:
    """What is read of the user's files."""

    known: KnownTexts
    examples: Mapping[str, Sequence[Example]]  # by label; empty without few-shot
    digests: Mapping[str, str]  # of what was read, by option
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Files, folders or hub ids of the user, and the columns that are named."""

    few_shot: str | None = None
    real: str | None = None
    test: str | None = None
    columns: Mapping[ColumnRole, str] = field(default_factory=dict)


def read_own_rows(places: Places, labels: Sequence[str], *, pair: bool) -> OwnRows:
    """Read the user's files. Raises UserError or DataError for what does not fit the labels or the kind of texts."""
    notes: list[str] = []
    tables = {"test": places.test, "real": places.real or places.few_shot}
    keys = {
        role: _texts(place, role, places.columns, pair, notes) for role, place in tables.items() if place is not None
    }
    if keys.get("test") == keys.get("real") and places.test is not None:
        raise UserError(same_rows("test", places.test, "real", str(tables["real"])))
    known = KnownTexts()
    known.add(keys.get("test", ()), AnswerOutcome.TEST)
    known.add(keys.get("real", ()), AnswerOutcome.REAL)
    digests = {role: digest(sorted(of_role)) for role, of_role in keys.items()}
    for role, of_role in keys.items():
        alone = "; the test rows serve for this alone" if role == "test" else ""
        notes.append(f"generated rows that repeat one of {len(of_role):,} {role} rows are left out{alone}")
    examples: dict[str, list[Example]] = {}
    if places.few_shot is not None:
        forbidden = set(keys.get("test", ()))
        separate = places.real is not None and Path(places.real).absolute() != Path(places.few_shot).absolute()
        if not forbidden and separate:
            forbidden = set(keys["real"])
        examples = _examples(places, labels, forbidden, notes)
        digests["few-shot"] = digest(
            {label: [[entry.row, entry.text, entry.text_pair] for entry in rows] for label, rows in examples.items()}
        )
    return OwnRows(known, examples, digests, tuple(notes))


def _texts(place: str, role: str, columns: Mapping[ColumnRole, str], pair: bool, notes: list[str]) -> list[str]:
    """The normalised texts of all rows of a file, which adds to the notes; its labels play no part."""
    table = read_place(place, role, whole=True)
    notes += table.notes
    if "text" in columns:
        first, second = columns["text"], columns.get("text_pair")
    else:
        first, second = texts_of(table, load_spec(FILES), columns or None)
    _check_kind(table.name, second, pair)
    rows = zip(table.column(first), table.column(second) if second else table.column(first), strict=True)
    texts = [(one, other) for one, other in rows if isinstance(one, str) and isinstance(other, str)]
    return keys_of([one for one, _ in texts], [other for _, other in texts] if second else None)


def _check_kind(name: str, second: str | None, pair: bool) -> None:
    if pair and second is None:
        raise UserError(f"{name} has one column of texts, but --pair asks for pairs; leave it out, or name --text-pair")
    if second is not None and not pair:
        raise UserError(f"{name} holds pairs of texts; --pair generates pairs, --text COLUMN takes one column")


def _examples(places: Places, labels: Sequence[str], forbidden: set[str], notes: list[str]) -> dict[str, list[Example]]:
    """The rows of the few-shot file, by label, whose texts are not forbidden: they cannot become test rows."""
    assert places.few_shot is not None
    original = read_place(places.few_shot, "real")
    notes += (note for note in original.notes if note not in notes)
    columns = columns_of(original, load_spec(FILES), None, places.columns, "")
    table, skipped = prepared(original, "few-shot", columns, Reading(skip_empty=True))
    notes += skipped
    names = [label_name(value, table.label_names) for value in table.column(columns.label)]
    present = sorted({name for name in names if name is not None})
    if lacking := [label for label in labels if label not in present]:
        hint = did_you_mean(lacking[0], present)
        raise UserError(f"no row of {table.name} has the label {lacking[0]!r}; it has {join_names(present)}{hint}")
    if not forbidden and places.test is None:
        forbidden = held_out(table, columns, [row for row, name in enumerate(names) if name in labels])
        notes.append("no --test was given: prompts show no few-shot row that `bench run --real` holds out as the test")
    texts = checked_texts(table, columns.text)
    pairs = checked_texts(table, columns.text_pair) if columns.text_pair else None
    examples: dict[str, list[Example]] = {label: [] for label in labels}
    barred = others = 0
    for row, key in enumerate(keys_of(texts, pairs)):
        if key in forbidden:
            barred += 1
        elif (name := names[row]) in examples:
            number = table.numbers[row] if table.numbers else row
            examples[name].append(Example(number, texts[row], pairs[row] if pairs else None))
        else:
            others += 1
    if barred:
        notes.append(f"{barred:,} of {plural(len(table), 'few-shot row')} are or may become test rows: not shown")
    if others:
        notes.append(f"{plural(others, 'few-shot row')} of labels that are not in --labels are not shown")
    for label, rows in examples.items():
        if not rows:
            raise UserError(f"every row of {table.name} with the label {label!r} is or may become a test row")
    return examples


def held_out(table: Table, columns: Columns, asked_for: Sequence[int]) -> set[str]:
    """The normalised texts that `bench run --real` holds out of a file as its test. Raises UserError for few rows.

    Rows of other labels than those `asked_for` may stay in the run or not, which gives two tests: a text of either
    counts.
    """
    if len(table) < MINIMUM_TO_SPLIT:
        raise UserError(
            f"--few-shot {table.name} has {plural(len(table), 'row')}, and without --test any of them may test a run; "
            "give --test FILE, or --real FILE with the rows of the run and --few-shot with others"
        )
    named: dict[ColumnRole, str] = {"text": columns.text, "label": columns.label}
    if columns.text_pair:
        named["text_pair"] = columns.text_pair
    of_labels = table.take(asked_for)
    keys: set[str] = set()
    for part in (table, of_labels) if len(of_labels) < len(table) else (table,):
        # The test depends on the real rows alone: they do for the generated ones too.
        places: dict[Role, str | Table] = {"generated": part, "real": part}
        readings: Readings = {None: Reading(named, same_rows=True)}
        keys.update(load(FILES, test_size=None, places=places, readings=readings, folds=0).test.near_keys)
    return keys
