"""Compares two presets: whether their stores, or reports, of the same task and methods lead to the same verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau

from bench.errors import UserError
from bench.leaderboard import frame
from bench.leaderboard.columns import p_value
from bench.store.manifest import stored
from tests.performance import page


def measure(first: Path, second: Path, task: str, path: Path, say: Callable[[str], None]) -> None:
    """Compare, and write the section of the page at `path`. Raises UserError for fewer than three common methods."""
    a, b = read(first, task), read(second, task)
    both = a.merge(b, left_index=True, right_index=True, suffixes=("_a", "_b"))
    if len(both) < 3:
        raise UserError(f"{first} and {second} have {len(both)} methods of {task} in common; at least 3 are needed")
    names = [frame["preset"].iloc[0] for frame in (a, b)]
    tau = kendalltau(both["accuracy_mean_a"], both["accuracy_mean_b"])
    changed = both[both["difference_word_a"].fillna("") != both["difference_word_b"].fillna("")]
    rows = [
        [
            str(label),
            *(f"{100 * row[f'accuracy_mean_{side}']:.1f}" for side in "ab"),
            *(verdict(row, side) for side in "ab"),
            "yes" if label in changed.index else "",
        ]
        for label, row in both.sort_values("accuracy_mean_b", ascending=False).iterrows()
    ]
    seeds = " and ".join(f"{int(frame['n_seeds'].max())}" for frame in (a, b))
    agreement = f"{tau.statistic:.2f} (p: {p_value(tau.pvalue)})"
    summary = (
        f"Kendall's tau-b of the mean accuracies of {len(both)} methods: {agreement}; "
        f"{len(changed)} verdict{'s change' if len(changed) != 1 else ' changes'}. Seeds: {seeds}."
    )
    say(summary)
    head = ["method", *(f"accuracy, {name}" for name in names), *(f"against ce, {name}" for name in names), "changes"]
    page.put(path, f"Presets {names[0]} and {names[1]} on {task}", [summary, page.table(head, rows)])


def read(place: Path, task: str) -> pd.DataFrame:
    """The leaderboard of a task, indexed by method, from a store or from the folder of a report."""
    report = place / "leaderboard.csv"
    rows = pd.read_csv(report) if report.exists() else frame(stored(place), place)
    rows = rows[rows["task_ref"] == task]
    if rows.empty or rows["label"].duplicated().any():
        raise UserError(f"{place}: {'no' if rows.empty else 'more than one'} table of task {task}")
    return rows.set_index("label")


def verdict(row: pd.Series[float], side: str) -> str:
    """Difference from ce, its interval and the verdict, as one cell of the table."""
    if pd.isna(row[f"difference_accuracy_{side}"]):
        return "baseline"
    mean, low, high = (100 * row[f"difference_{name}_{side}"] for name in ("accuracy", "shown_low", "shown_high"))
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] {row[f'difference_word_{side}']}"
