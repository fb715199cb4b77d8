"""The error for a request that cannot be met: one line for the user and exit code 2, before anything trains."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.errors import did_you_mean_or_all, one_line, short_repr


class UserError(ValueError):
    """The user's request cannot be met. The message is one line: what is wrong, where, and what fixes it."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry; it names the nearest one that is, or all of them."""
    return UserError(f"unknown {kind} {short_repr(name)}{did_you_mean_or_all(name, sorted(known), cutoff=0.5)}")
