"""Several generated sets of one generator: a run trains on the first, or, where the set varies, on another by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.draw import draw
from tasks.errors import DataError, plural
from tasks.roles import MINIMUM_PER_CLASS
from tasks.rows import Rows
from tasks.sources.table import Table
from tasks.spec import TaskSpec

GENERATION = "generation"  # the hidden column with the number of each row's generation, until the rows are divided


def sizes_of(table: Table) -> dict[str, int]:
    """The number of rows of each generation of a table; none for one.

    Generations are called by the names of their files, or by their paths where two names are the same.
    """
    by_origin = {part.origin or part.name: len(part) for part in table.parts}
    return by_origin if len(by_origin) == len(table.parts) else {part.name: len(part) for part in table.parts}


def divided(rows: Rows, names: Sequence[str], spec: TaskSpec, prefix: str, notes: list[str]) -> dict[str, Rows]:
    """The generations of a generated set by name, in their order, each cut to the size of the smallest.

    A note says so. Empty if there is one. Raises `DataError` if a generation has fewer than two rows of a class that
    the others have.
    """
    if not names:
        return {}
    numbers = rows.hidden[GENERATION]
    plain = replace(rows, hidden={name: column for name, column in rows.hidden.items() if name != GENERATION})
    parts = [plain.take(numbers == place) for place in range(len(names))]
    _check_classes(parts, names, spec.labels, prefix)
    least = min(map(len, parts))
    cut = [
        part
        if len(part) == least
        else part.take(draw(spec.name, part, 0, least, f"{prefix}: generation {name}", MINIMUM_PER_CLASS))
        for name, part in zip(names, parts, strict=True)
    ]
    sizes = ", ".join(f"{name} ({len(part):,})" for name, part in zip(names, parts, strict=True))
    longer = " cut to as many rows as the smallest," if max(map(len, parts)) > least else ""
    notes.append(
        f"{plural(len(names), 'generation')} of the generated set, {sizes},{longer} {least:,} rows each; with --vary "
        f"generated, seed n trains on number n from 0, and every other table on {names[0]}"
    )
    return dict(zip(names, cut, strict=True))


def _check_classes(parts: Sequence[Rows], names: Sequence[str], labels: Sequence[str], prefix: str) -> None:
    counts = np.stack([np.bincount(part.labels, minlength=len(labels)) for part in parts])
    for place, label in np.argwhere((counts < MINIMUM_PER_CLASS) & (counts.max(axis=0) > 0)):
        rows = plural(int(counts[place, label]), "row")
        raise DataError(
            f"{prefix}: generation {names[place]} has {rows} of class {labels[label]}, which other generations have; "
            f"at least {MINIMUM_PER_CLASS} are needed; add some to that file, or leave it out of --generated"
        )
