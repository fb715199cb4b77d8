"""The type of the report's extra tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.leaderboard.columns import Column


@dataclass(frozen=True)
class ExtraTable:
    """A table with the text around it. `rows` are dataclasses, `before` and `after` Markdown paragraphs or lists."""

    key: str
    title: str
    columns: Sequence[Column[Any]]
    rows: Sequence[Any]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
