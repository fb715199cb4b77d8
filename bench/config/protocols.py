"""Protocols: what the small real set is for, and how the checkpoint is chosen. A new one is one class.

Selection is among the ends of epochs, which are ceil(|D_Q| / batch) updates for every method, and the last update.
Checkers always use the last update, and test rows choose nothing. A protocol's fields are its arguments, written as a
method's are: `held-out(share=0.2)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from bench.config.expressions import parse
from bench.config.typed import build, label
from bench.errors import unknown
from tasks import DataError, Rows, TaskSpec
from tasks.roles import MINIMUM_PER_CLASS

if TYPE_CHECKING:
    from bench.arrays import IntArray


class Division(NamedTuple):
    """Positions in a small real set, ascending."""

    fitting: IntArray  # of the rows that methods and checkers see
    selecting: IntArray  # of the rows that choose the checkpoint


@dataclass(frozen=True)
class Protocol:
    """Base: nothing is selected."""

    name: ClassVar[str]
    rule: ClassVar[tuple[str, ...]] = ()  # metrics of the selection rows in the order in which they decide
    note: ClassVar[str] = ""  # what a reader of the table should know

    @property
    def label(self) -> str:
        """How it is written: its name, with the arguments that differ from their defaults."""
        return label(self.name, self)

    def divide(self, spec: TaskSpec, real: Rows, seed: int) -> Division:
        """Who gets which rows of a seed's small real set."""
        import numpy as np

        return Division(np.arange(len(real)), np.arange(0))


@dataclass(frozen=True)
class Fixed(Protocol):
    """The last update counts, nothing is selected."""

    name = "fixed"


@dataclass(frozen=True)
class PaperSelect(Protocol):
    """The best epoch by accuracy on the small real set, which methods see too, as in the released configurations."""

    name = "paper-select"
    rule = ("accuracy",)
    note = (
        "the best epoch is chosen by accuracy on the small real set; ‡: the method or its checker was also trained on "
        "these rows, so that they both fit and select"
    )

    def divide(self, spec: TaskSpec, real: Rows, seed: int) -> Division:
        import numpy as np

        return Division(np.arange(len(real)), np.arange(len(real)))


@dataclass(frozen=True)
class HeldOut(Protocol):
    """A part of the small real set, which no method and no checker sees, selects the best epoch."""

    name = "held-out"
    rule: ClassVar[tuple[str, ...]] = ("accuracy", "log_loss")
    note = (
        "the best epoch is chosen by accuracy, then log-loss, on a stratified part of the small real set that no "
        "method and no checker sees"
    )
    share: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, not {self.share}")

    def divide(self, spec: TaskSpec, real: Rows, seed: int) -> Division:
        """Copies of a text stay together. Raises DataError where that leaves a class too few rows."""
        import numpy as np

        from tasks.draw import draw

        size = round(self.share * len(real))
        what = f"task {spec.name}: {self.label} with {size} of {len(real)} real rows"
        drawn = {real.keys[i] for i in draw(spec.name, real, f"{seed} {self.name}", size, what, minimum=1)}
        selecting = np.flatnonzero([key in drawn for key in real.keys])
        fitting = np.setdiff1d(np.arange(len(real)), selecting)
        counts = np.bincount(real.labels[fitting], minlength=len(spec.labels))
        if counts.min() < MINIMUM_PER_CLASS:
            left = f"{counts.min()} rows of class {spec.labels[counts.argmin()]}"
            raise DataError(f"{what} leaves {left} to fit; at least {MINIMUM_PER_CLASS} are needed")
        return Division(fitting, selecting)


@dataclass(frozen=True)
class Tuned(HeldOut):
    """As many trials of settings for every method; held-out real rows select the best. See `bench.tuning`."""

    name = "tuned"
    rule = ()  # of a checkpoint: the number of updates is among what is searched, and the last one counts
    note = (
        "hyper-parameters, learning rate and updates are the best of as many trials for every method, chosen by "
        "accuracy, then log-loss, on a stratified part of the small real set that no method and no checker sees"
    )
    trials: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, not {self.trials}")

    @property
    def label(self) -> str:
        """`tuned(8)`, the number always there."""
        share = f",share={self.share}" if self.share != HeldOut.share else ""
        return f"{self.name}({self.trials}{share})"


PROTOCOLS: dict[str, type[Protocol]] = {cls.name: cls for cls in (Fixed, PaperSelect, HeldOut, Tuned)}


def protocols(text: str | Sequence[str]) -> tuple[Protocol, ...]:
    """The protocols of an expression, each once. Raises UserError that names the nearest known one."""
    found: dict[str, Protocol] = {}
    written = [text] if isinstance(text, str) else text
    # `tuned(8)` is short for `tuned(trials=8)`.
    for ref in parse([re.sub(r"\btuned\(\s*(\d+)", r"tuned(trials=\1", part) for part in written], "()"):
        if ref.name not in PROTOCOLS:
            raise unknown("protocol", ref.name, PROTOCOLS)
        made = build(PROTOCOLS[ref.name], ref.options, f"protocol {ref.name}")
        found.setdefault(made.label, made)
    return tuple(found.values())
