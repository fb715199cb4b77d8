"""Clusters of rows that are not independent: rows with one value in a column, or else rows that repeat a text.

Those of the test go to `Rows.hidden`, so no method sees them and no cell's id depends on them; the report counts
clusters, not rows. Real rows without a test set are divided by cluster, so that none is both trained on and tested.
Clusters of a test set that are trained on too are a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.data import TaskData
from tasks.errors import plural, verb
from tasks.findings import Finding, Level
from tasks.loading.labels import label_name
from tasks.rows import Rows
from tasks.sources.table import in_any_case

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLUSTER = "cluster"  # the hidden column, and the column of a file that names clusters
GROUP = "group"  # also names clusters, unless its few values are those of an attribute
FEWEST_GROUPS = 30


def with_clusters(rows: Rows, notes: list[str], drawn_from: Rows) -> Rows:
    """The test rows with their clusters, numbered from 0, if some cluster has two rows; a note says so.

    `drawn_from`: the rows that the test was drawn from, which decide whether a column names clusters.
    """
    column = column_of(drawn_from, notes)
    names = rows.keys if column is None else named(rows.columns[column], column, notes)
    _, first, codes = np.unique(np.array(names, dtype=object), return_index=True, return_inverse=True)
    count = len(first)
    if count == len(rows):
        return rows
    how = "of the same text" if column is None else f"of the same {column} (column {column!r} of the test)"
    notes.append(
        f"the {len(rows):,} test rows are {plural(count, 'cluster')} {how}; intervals and verdicts count clusters, "
        "not rows"
    )
    return replace(rows, hidden={**rows.hidden, CLUSTER: codes.reshape(-1).astype(np.int64)})


def together(rows: Rows, notes: list[str]) -> NDArray[np.int64] | None:
    """(n,) numbers of real rows that are to be trained on and tested: rows of one number must stay together.

    These are rows of one cluster, and rows whose texts differ in punctuation alone. None if there are only equal texts.
    """
    column = column_of(rows, notes, "real rows")
    clusters = [] if column is None else [named(rows.columns[column], column, notes, "real row")]
    numbers = components(rows.near_keys, *clusters)
    count = len(np.unique(numbers))
    if count == len(set(rows.keys)):
        return None
    if column is not None:
        notes.append(
            f"the {len(rows):,} real rows are {plural(count, 'cluster')} (column {column!r}; copies apart from "
            "punctuation are of one cluster); the rows of a cluster are either all trained on or all tested"
        )
    return numbers


def components(*columns: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the number of each row's component: rows with an equal value in any of the columns (n,) are of one."""
    count = len(columns[0])
    edges = [np.empty((2, 0), dtype=np.int64)]
    for values in columns:
        _, first, codes = np.unique(np.array(values, dtype=object), return_index=True, return_inverse=True)
        edges.append(np.stack([np.arange(count), first[codes.reshape(-1)]]))
    one, other = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def column_of(rows: Rows, notes: list[str], what: str = "test") -> str | None:
    """The column that names clusters, None if there is none. A note says where `group` is not taken for it."""
    by_name = in_any_case(rows.columns)
    if CLUSTER in by_name:
        return by_name[CLUSTER]
    if GROUP not in by_name:
        return None
    count = len({*cluster_names(rows.columns[by_name[GROUP]])})
    if count >= FEWEST_GROUPS:
        return by_name[GROUP]
    notes.append(
        f"column {by_name[GROUP]!r} of the {what} has {plural(count, 'value')}, too few to be clusters of rows; "
        f"name it {CLUSTER!r} if they are"
    )
    return None


def named(cells: Sequence[Any], column: str, notes: list[str], what: str = "test row") -> list[str]:
    """The names of the rows' clusters; a row without a name is a cluster of its own, which a note counts."""
    names = cluster_names(cells)
    if missing := names.count(""):
        notes.append(f"{plural(missing, what)} without a {column}: each is a cluster of its own")
    return [f"n{name}" if name else f"r{place}" for place, name in enumerate(names)]


def cluster_names(cells: Sequence[Any]) -> list[str]:
    """The cells of a column of clusters as text; empty for a missing one. They are read as labels: 1.0 is 1."""
    return [label_name(cell, None) or "" for cell in cells]


def trained_clusters(data: TaskData, drawn_from: Rows) -> Iterator[Finding]:
    """Findings on tested rows whose cluster real or generated rows have too; `drawn_from` as in `with_clusters`."""
    tested_role = "real" if data.folds else "test"
    test = data.roles[tested_role]
    if (column := column_of(drawn_from, [])) is None:
        return
    tested = cluster_names(test.columns[column])
    for role in {"generated", "real"} - {tested_role}:
        rows = data.roles[role]
        same = in_any_case(rows.columns).get(column.strip().lower())
        shared = {name for name in cluster_names(rows.columns[same] if same else []) if name}
        if count := sum(name in shared for name in tested):
            rows_are = f"{count:,} of {len(test):,} tested rows {verb(count, 'is', 'are')}"
            text = (
                f"{rows_are} of a cluster (column {column!r}) that {role} rows have "
                "too: accuracy is that on new rows of known clusters, not on new clusters; test rows of other clusters "
                "(--test FILE) would show the latter"
            )
            short = f"tested clusters among {role} rows ({plural(len(shared), 'cluster')})"
            yield Finding("trained-clusters", Level.CARE, short, text, (role,))
