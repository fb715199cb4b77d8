"""Findings about the rows of a task: what makes results on them wrong or doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

LARGE_SHIFT = 0.1  # of the share of a label


class Level(StrEnum):
    """How much a finding matters."""

    FIX = "fix"  # results on these rows would be wrong or too good
    CARE = "care"  # results can be used, but are easily misread


@dataclass(frozen=True)
class Finding:
    """One finding. `text` is a sentence without a full stop, with counts and the option that helps, if there is one.

    `short` names it in a verdict. `rows` are the rows concerned, each as its row numbers (from 0) in the files of
    `roles`: `((3, 17), ...)` for generated row 3 that repeats test row 17.
    """

    kind: str
    level: Level
    short: str
    text: str
    roles: tuple[str, ...] = ()
    rows: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    example: str = ""  # the part of `text` that quotes rows, from the comma on

    def __str__(self) -> str:
        return self.text

    @property
    def without_texts(self) -> str:
        """The sentence for reports and stores, which others may read: it quotes no row."""
        return self.text.replace(self.example, "", 1)


def large_shift(some: Sequence[float], others: Sequence[float]) -> tuple[int, float] | None:
    """The label whose shares differ most between the rows of two roles, and by how much; None for a small shift.

    The shares are those of the labels in order; a section without generated rows has none.
    """
    shifts = [abs(ours - theirs) for ours, theirs in zip(some, others, strict=True)]
    largest = max(shifts, default=0.0)
    return (shifts.index(largest), largest) if largest >= LARGE_SHIFT else None


def real_shares_help(label: int, shares: Mapping[str, Sequence[float]]) -> bool:
    """Whether the test's share of a label is nearer to that of the real rows than to that of the generated rows.

    `shares` are those of each role; without a test of their own, the real rows are the test.
    """
    generated, real = shares["generated"][label], shares["real"][label]
    test = shares.get("test", shares["real"])[label]
    return abs(test - real) < abs(test - generated)
