"""The arguments of a run by name: what is asked for, how it is run, and the rules by which it is judged.

`bench run` and `bench.run` both end here, so that what one takes the other takes too: a new argument is a parameter of
`request`, or a field of `Options` or `Rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, get_args

from bench.config.request import Request, make_request
from bench.errors import UserError, unknown
from bench.execution.grid import Options
from bench.leaderboard import USUAL, Correction, Rules
from bench.store.find import checkers_of
from bench.store.layout import Kept

PARTS: tuple[Callable[..., Any], ...] = (make_request, Options, Rules)
CHECKERS = ("quality_checker", "diversity_checker")  # a cell of the store may be named, as `bench show` takes it
MADE = {"command", "rules"}  # fields of Options that nobody gives by these names


def known() -> set[str]:
    """The names of all arguments."""
    return {name for part in PARTS for name in signature(part).parameters} - MADE


def sort(given: Mapping[str, Any], command: str) -> tuple[Request, Options]:
    """What arguments ask for, and how it is to be run; what is not given has its default.

    `command` is how they were typed. Raises UserError for a name that there is not and for a value out of range, and
    what `request` raises.
    """
    for name in given:
        if name not in known():
            raise unknown("argument", name, known())
    asked, how, judged = ({name: given[name] for name in signature(part).parameters if name in given} for part in PARTS)
    if how.get("save_models") not in (None, *get_args(Kept)):
        raise unknown("save_models", str(how["save_models"]), get_args(Kept))
    if how.get("workers") is not None and how["workers"] < 1:
        raise UserError(f"workers must be at least 1, not {how['workers']}")
    how |= {name: Path(how[name]) for name in ("out", "reports") if name in how}
    options = Options(**how, command=command, rules=rules(judged))
    asked |= checkers_of({name: asked[name] for name in CHECKERS if name in asked}, options.out)
    return make_request(**asked), options


def rules(given: Mapping[str, Any]) -> Rules:
    """The rules of a report; `delta` is given in points. Raises UserError."""
    judged = dict(given)
    if "delta" in judged:
        delta = judged["delta"]
        if not isinstance(delta, int | float) or not delta >= 0:
            raise UserError(f"delta must be a number of points, 0 or more, not {delta!r}")
        judged["delta"] = delta / 100
    correction = judged.get("correction", USUAL.correction)
    if correction not in list(Correction):
        raise unknown("correction", str(correction), map(str, Correction))
    judged["correction"] = Correction(correction)
    return Rules(**judged)
