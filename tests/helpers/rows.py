"""Rows of the package's tasks for tests that write data files of their own."""

from __future__ import annotations

from typing import Literal

import tasks


def bundled_rows(task: str, role: Literal["generated", "pool", "test"]) -> list[dict[str, str]]:
    """Text and label (a name) of each row of a role, in file order."""
    data = tasks.load(task)
    rows = {"generated": data.generated, "pool": data.pool, "test": data.test}[role]
    return [
        {"text": text, "label": data.spec.labels[label]} for text, label in zip(rows.texts, rows.labels, strict=True)
    ]
