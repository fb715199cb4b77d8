"""The Markdown of a report's sentences as HTML, and the values by which the page sorts its cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench.leaderboard.columns import NOTHING, Column

if TYPE_CHECKING:
    from markupsafe import Markup

MARKS = re.compile(r"\\(&[a-z0-9#]+;|.)|\*\*((?:\\.|[^\\])+?)\*\*|\*((?:\\.|[^*\\])+?)\*|`(.+?)`")
TAGS = {2: "strong", 3: "em", 4: "code"}


def inline(text: str) -> Markup:
    """One paragraph of the report's Markdown as HTML: escapes, bold, italic, code, and nothing else."""
    from markupsafe import Markup, escape

    def mark(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        tag = TAGS[match.lastindex or 2]
        return f"<{tag}>{MARKS.sub(mark, match[match.lastindex or 2])}</{tag}>"

    return Markup(MARKS.sub(mark, str(escape(text))))  # safe: the text was escaped before its markup was added


def blocks(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Markdown paragraphs and lists, for the template."""
    values = []
    for text in texts:
        lines = text.splitlines()
        items = lines if lines and all(line.startswith("- ") for line in lines) else []
        values.append({"items": [inline(item[2:]) for item in items], "text": inline(text)})
    return values


def sort_value(column: Column[Any], text: str) -> str:
    """The first number of a numeric cell, empty where there is none; text in small letters."""
    if not column.numeric:
        return "" if text == NOTHING else text.casefold()
    number = re.search(r"[+-]?\d+(\.\d+)?", text)
    if number is None:
        return ""
    return str(float(number[0]) / 2) if text.startswith("<") else number[0]
