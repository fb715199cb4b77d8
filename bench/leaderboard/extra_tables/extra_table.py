"""What a further table of a report is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.leaderboard.columns import Column


@dataclass(frozen=True)
class Part:
    """A table with what to know of it. `rows` are dataclasses, `before` and `after` Markdown paragraphs or lists."""

    key: str
    title: str
    columns: Sequence[Column[Any]]
    rows: Sequence[Any]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
