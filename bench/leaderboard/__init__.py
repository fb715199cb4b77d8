"""The leaderboard: what a grid's cells say about its methods, as Markdown, JSON, figures and a table.

Importing this package is cheap; NumPy, SciPy and pandas load when a report is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "ce"
DELTA = 0.01  # one point, see bench.stats.verdict


def write_report(
    manifest: dict[str, Any],
    store: Path,
    reports: Path,
    *,
    baseline: str = BASELINE,
    delta: float = DELTA,
    allow_mixed: bool = False,
    figures: bool = True,
) -> Path:
    """Write the leaderboard in all its forms for the cells of a manifest. Returns the path of `leaderboard.md`.

    `store` is the folder that the manifest's paths are relative to. Differences are to the method labelled `baseline`;
    differences within +-`delta` are too small to care about; `allow_mixed` pairs cells of different code, versions or
    device; `figures` take about a second each. Raises UserError where a cell's files contradict each other or its
    test rows are not the section's.
    """
    from bench.leaderboard.render import render
    from bench.leaderboard.table import build
    from bench.store import write_bytes

    table = build(manifest, store, baseline=baseline, delta=delta, allow_mixed=allow_mixed)
    for path, content in render(table, figures=figures).items():
        write_bytes(reports / path, content)
    return reports / "leaderboard.md"


def frame(
    manifest: dict[str, Any],
    store: Path,
    *,
    baseline: str = BASELINE,
    delta: float = DELTA,
    allow_mixed: bool = False,
) -> pd.DataFrame:
    """The leaderboard as a DataFrame: one row per section and method label, nested values as `accuracy_mean`."""
    import pandas as pd

    from bench.leaderboard.jsonfile import as_json, flatten
    from bench.leaderboard.table import build

    table = build(manifest, store, baseline=baseline, delta=delta, allow_mixed=allow_mixed)
    return pd.DataFrame([flatten(row) for row in as_json(table)["rows"]])
