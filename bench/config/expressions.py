"""Method and task expressions as they are typed: `dimp(clip=20),focal` and `twitter[real=50]`.

Grammar: expressions are separated by commas outside brackets. An expression is a name, optionally with options in
brackets: `key=value`, separated by commas. Values stay text here; `bench.config.typed` converts them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UserError
from tasks.errors import short_repr

LINE = 100  # characters of an expression in a message
OPENING = {")": "(", "]": "["}
GRAMMAR = "()[]=,'\""  # what separates the parts of an expression


@dataclass(frozen=True)
class Expression:
    """A name and its options as they were typed."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def shown(text: object) -> str:
    """An expression or a part of one in a message: on one line."""
    return short_repr(text, LINE)


def is_path(text: str) -> bool:
    """Whether a text with characters of the grammar is the path of a file or folder, such as `my data (1).csv`."""
    return any(char in text for char in GRAMMAR) and os.path.exists(os.path.expanduser(text))


def split(text: str, *, names: bool = False) -> list[str]:
    """Split at commas outside brackets and quotes. Raises UserError for brackets and quotes that do not match.

    `names`: names are outside of the brackets, and there a quote is a character as any other (`it's.csv`).
    """
    parts, depth, start, quote = [], list[str](), 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and (depth or not names):
            quote = char
        elif char in "([":
            depth.append(char)
        elif char in ")]":
            if not depth or depth.pop() != OPENING[char]:
                raise UserError(
                    f"malformed expression {shown(text)}: {char!r} at position {position + 1} has no opening bracket"
                )
        elif char == "," and not depth:
            parts.append(text[start:position])
            start = position + 1
    if quote:
        raise UserError(f"malformed expression {shown(text)}: a quotation mark, {quote}, is never closed")
    if depth:
        raise UserError(f"malformed expression {shown(text)}: {depth[-1]!r} is never closed")
    parts.append(text[start:])
    return [part.strip() for part in parts]


def parse(text: str | Sequence[str], brackets: str) -> list[Expression]:
    """All expressions in a text or list. `brackets` is "()" for methods and "[]" for tasks, which paths may name."""
    texts, paths = [text] if isinstance(text, str) else text, brackets == "[]"
    parts = [part for one in texts for part in ([one] if paths and is_path(one) else split(one, names=True))]
    if not any(parts):
        raise UserError(f"the list of names is empty: {shown(text)}")
    return [parse_one(part, brackets) for part in parts]


def parse_one(text: str, brackets: str) -> Expression:
    """One expression. Raises UserError that shows where it is malformed."""
    opening, closing = brackets[0], brackets[1]
    if brackets == "[]" and is_path(text):
        return Expression(text)
    name, bracket, rest = text.rpartition(opening)
    if brackets != "[]" or not is_path(name):  # options stand in the last brackets only behind a path with others
        name, bracket, rest = text.partition(opening)
    name = name.strip()
    if not name:
        raise UserError(f"malformed expression {shown(text)}: a name is missing")
    if not bracket:
        if any(char in name for char in "()[]="):
            raise UserError(
                f"malformed expression {shown(text)}; write options as {name_only(name)}{opening}key=value{closing}"
            )
        return Expression(name)
    if not rest.endswith(closing):
        raise UserError(f"malformed expression {shown(text)}: {closing!r} must be the last character")
    return Expression(name, options(rest[:-1], text) if rest[:-1].strip() else {})


def name_only(text: str) -> str:
    """The leading part of an expression that can be a name."""
    return text.translate({ord(char): "\0" for char in "()[]="}).split("\0")[0]


def options(text: str, where: str) -> dict[str, Any]:
    """`key=value,...` as a dict of texts; `where` is the whole expression, for errors."""
    values: dict[str, Any] = {}
    for part in split(text):
        written, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not written or not value:
            raise UserError(f"malformed expression {shown(where)}: {shown(part)} is not key=value")
        if (key := written.replace("-", "_")) in values:
            raise UserError(f"malformed expression {shown(where)}: {shown(written)} is given twice")
        values[key] = value.strip("'\"")
    return values
