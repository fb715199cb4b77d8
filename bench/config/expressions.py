"""References to methods and tasks: `dimp(clip=20),focal` and `twitter[real=50]`, and typed configs made of them.

Grammar: references separated by commas that stand outside brackets; a reference is a name with options in brackets,
`key=value` separated by commas. Values are text here; the type of the field they go to decides what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UserError

OPENING = {")": "(", "]": "["}


@dataclass(frozen=True)
class Ref:
    """A name and its options as they were written."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def split(text: str) -> list[str]:
    """Split at the commas outside brackets and quotes. Raises UserError for brackets that do not match."""
    parts, depth, start, quote = [], list[str](), 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth.append(char)
        elif char in ")]":
            if not depth or depth.pop() != OPENING[char]:
                raise UserError(f"malformed reference {text!r}: {char!r} at position {position + 1} closes nothing")
        elif char == "," and not depth:
            parts.append(text[start:position])
            start = position + 1
    if depth:
        raise UserError(f"malformed reference {text!r}: {depth[-1]!r} is never closed")
    parts.append(text[start:])
    return [part.strip() for part in parts]


def parse(text: str | Sequence[str], brackets: str) -> list[Ref]:
    """All references of an expression. `brackets` is "()" for methods and "[]" for tasks."""
    parts = split(text) if isinstance(text, str) else [part for entry in text for part in split(entry)]
    if not any(parts):
        raise UserError(f"an empty list of names: {text!r}")
    return [parse_one(part, brackets) for part in parts]


def parse_one(text: str, brackets: str) -> Ref:
    """One reference. Raises UserError that shows where it is malformed."""
    opening, closing = brackets[0], brackets[1]
    name, bracket, rest = text.partition(opening)
    name = name.strip()
    if not name:
        raise UserError(f"malformed reference {text!r}: a name is missing")
    if not bracket:
        if any(char in name for char in "()[]="):
            raise UserError(
                f"malformed reference {text!r}: options are written {name_only(name)}{opening}key=value{closing}"
            )
        return Ref(name)
    if not rest.endswith(closing):
        raise UserError(f"malformed reference {text!r}: {closing!r} must come last")
    return Ref(name, options(rest[:-1], text) if rest[:-1].strip() else {})


def name_only(text: str) -> str:
    """The leading part of a reference up to anything that is not a name."""
    return text.translate({ord(char): "\0" for char in "()[]="}).split("\0")[0]


def options(text: str, where: str) -> dict[str, Any]:
    """`key=value,...` as a dict of text."""
    found: dict[str, Any] = {}
    for part in split(text):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise UserError(f"malformed reference {where!r}: {part!r} is not key=value")
        if key in found:
            raise UserError(f"malformed reference {where!r}: {key!r} is given twice")
        found[key.replace("-", "_")] = value.strip("'\"")
    return found
