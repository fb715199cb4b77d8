"""Methods that compare generated rows with each other take some number of them; more is known before a training.

The limits are those of the methods' files, where a cell would fail.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from bench.arrays import IntArray
from bench.config.method_choice import MethodChoice
from bench.config.protocols import Tuned
from bench.config.request import Request
from bench.errors import UserError
from bench.planning.rows import SectionRows
from bench.planning.tuning import trial_settings
from methods import coverage, kmm
from methods.base import MethodConfig
from tasks.errors import join_names

MOST_ROWS: dict[type, int] = {coverage.Diverse: coverage.MOST, kmm.KMM: kmm.MOST}  # of a class, or of all if so set


def within_limits(rows: SectionRows) -> Request:
    """The request of a section without the members of groups that cannot take its rows; `left_out` says why.

    Raises UserError for such a method that is named, and if no method remains.
    """
    request, where = rows.request, rows.task.label
    reasons = {choice: why for choice in request.methods if (why := excess(choice, rows))}
    kept = tuple(choice for choice in request.methods if choice not in reasons)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for choice, why in reasons.items():
        if not choice.of_group or not kept:
            raise UserError(f"task {where}: method {choice.label!r} cannot run: {why}; --generated-rows takes fewer")
        members[why].append(choice.label)
    left_out = {f"{join_names(labels)} on {where}": why for why, labels in members.items()}
    return replace(request, methods=kept, left_out={**request.left_out, **left_out})


def excess(choice: MethodChoice, rows: SectionRows) -> str:
    """Why a method cannot take the generated rows of some seed; empty if it can."""
    most = next((limit for cls, limit in MOST_ROWS.items() if issubclass(choice.cls, cls)), None)
    if most is None:
        return ""
    labels = [rows.roles(seed)["generated"].labels for seed in rows.request.seeds]
    for config in configs(choice, rows):
        count = max(compared(config, of_seed) for of_seed in labels)
        if count > most:
            of_class = " of a class" if per_class(config) else ""
            return f"generated rows are compared with each other, at most {most:,}{of_class}, and here are {count:,}"
    return ""


def configs(choice: MethodChoice, rows: SectionRows) -> list[MethodConfig]:
    """The settings that a method is trained with: those of its trials, where the protocol tunes."""
    if not isinstance(rows.protocol, Tuned):
        return [choice.config]
    trials = range(rows.protocol.trials)
    return [trial_settings(choice.config, rows.settings, choice.cls.name, number)[0] for number in trials]


def compared(config: MethodConfig, labels: IntArray) -> int:
    """How many of the generated rows with labels (n,) are compared with each other."""
    if config.train_on == "real":
        return 0
    return int(np.bincount(labels).max()) if per_class(config) else len(labels)


def per_class(config: MethodConfig) -> bool:
    """Whether the rows of each class are compared by themselves."""
    return bool(getattr(config, "per_class", False))
