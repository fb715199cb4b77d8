"""Errors that are the user's to mend: one line, exit code 2, raised before anything trains."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(ValueError):
    """What was asked for cannot be done as asked; the message says what, where and the nearest right thing."""


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a message about a name that a store does not have: the nearest that it has, or all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}"


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry, with the nearest one that is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
