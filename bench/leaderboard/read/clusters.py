"""Reads the clusters of a section's test rows, which loading its task found, from the hidden columns of the store."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UserError
from bench.leaderboard.read.examples import Examples
from bench.store import hidden_columns
from bench.store.layout import root_of


def with_clusters(test: Examples, spec: Mapping[str, Any], store: Path) -> Examples:
    """The test rows with their clusters, if the section has any. Raises UserError if a row has none.

    A section that loads the same rows without clusters, such as that of an earlier version, counts rows.
    """
    roots = {root_of(store / name): None for method in spec["methods"] for name in method["cells"].values()}
    names = dict.fromkeys(hidden.get("test") for hidden in spec.get("records", {}).values())
    for root, name in itertools.product(roots, names):
        table = hidden_columns.read(root, name)
        if table is None or "cluster" not in table:
            continue
        known = table.set_index("id")["cluster"].reindex(test.ids)
        if known.isna().any():
            raise UserError(f"{store}: a test row has no cluster; run the grid again")
        _, codes = np.unique(known.to_numpy(np.int64), return_inverse=True)
        return replace(test, clusters=codes.reshape(-1))
    return test
