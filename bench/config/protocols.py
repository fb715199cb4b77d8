"""Protocols: what the small real set is for, and how the checkpoint is chosen. A new one is one class.

Checkpoints are candidates at the end of each epoch (ceil(|D_Q| / batch) updates for every method) and at the last
update. Checkers always use the last update, and test rows are never used to choose. A protocol's fields are its
arguments, written like a method's: `held-out(share=0.2)`.
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
    selecting: IntArray  # of the rows by which the checkpoint is chosen


@dataclass(frozen=True)
class Protocol:
    """Base class: no checkpoint is chosen."""

    name: ClassVar[str]
    rule: ClassVar[tuple[str, ...]] = ()  # metrics on the selection rows, the first decides, the next break ties
    note: ClassVar[str] = ""  # for readers of the report

    @property
    def label(self) -> str:
        """The name with the arguments that differ from their defaults."""
        return label(self.name, self)

    def divide(self, spec: TaskSpec, real: Rows, seed: int) -> Division:
        """Divide a seed's small real set into rows to fit on and rows to select by."""
        import numpy as np

        return Division(np.arange(len(real)), np.arange(0))


@dataclass(frozen=True)
class Fixed(Protocol):
    """The checkpoint is the last update; nothing is chosen."""

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
        """Copies of a text stay in one part. Raises DataError if a class keeps too few rows to fit on."""
        import numpy as np

        from tasks.draw import draw

        size = round(self.share * len(real))
        what = f"task {spec.name}: {self.label} with {size} of {len(real)} real rows"
        remedy = "; raise [real=N] of the task, or share of the protocol"
        drawn = {real.keys[i] for i in draw(spec.name, real, f"{seed} {self.name}", size, what, 1, remedy)}
        selecting = np.flatnonzero([key in drawn for key in real.keys])
        fitting = np.setdiff1d(np.arange(len(real)), selecting)
        counts = np.bincount(real.labels[fitting], minlength=len(spec.labels))
        if counts.min() < MINIMUM_PER_CLASS:
            left = f"{counts.min()} rows of class {spec.labels[counts.argmin()]}"
            raise DataError(
                f"{what} leaves {left} to train on; at least {MINIMUM_PER_CLASS} are needed; raise [real=N] of the "
                "task, or lower share of the protocol"
            )
        return Division(fitting, selecting)


@dataclass(frozen=True)
class Tuned(HeldOut):
    """Every method gets as many trials of settings; held-out real rows select the best. See `bench.planning.tuning`."""

    name = "tuned"
    rule = ()  # no checkpoint is chosen, since the number of updates is one of the tuned settings
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
        """`tuned(8)`; the number of trials is always written."""
        share = f",share={self.share}" if self.share != HeldOut.share else ""
        return f"{self.name}({self.trials}{share})"


PROTOCOLS: dict[str, type[Protocol]] = {cls.name: cls for cls in (Fixed, PaperSelect, HeldOut, Tuned)}


def protocols(text: str | Sequence[str]) -> tuple[Protocol, ...]:
    """The protocols in order, each once. Raises UserError for an unknown one; it names the nearest known one."""
    chosen: dict[str, Protocol] = {}
    texts = [text] if isinstance(text, str) else text
    # `tuned(8)` is short for `tuned(trials=8)`.
    for expression in parse([re.sub(r"\btuned\(\s*(\d+)", r"tuned(trials=\1", part) for part in texts], "()"):
        if expression.name not in PROTOCOLS:
            raise unknown("protocol", expression.name, PROTOCOLS)
        protocol = build(PROTOCOLS[expression.name], expression.options, f"protocol {expression.name}")
        chosen.setdefault(protocol.label, protocol)
    return tuple(chosen.values())
