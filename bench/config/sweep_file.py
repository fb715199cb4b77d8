"""The trials of a W&B sweep file, as command lines of `bench run`, without a server.

The trials of method grid are all combinations of values. `random` draws them, and so does `bayes`, since only the
server can learn from finished trials. Draws depend on a seed. `run_cap` is the most trials, as it is for W&B agents.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from tasks.errors import plural, short_repr
from tasks.strict_yaml import read_yaml

METHODS = ("grid", "random", "bayes")
DRAWS = 20  # trials that are drawn if neither --count nor run_cap says how many
MOST_TRIALS = 10_000  # more is a mistake in the ranges
VARIABLE = re.compile(r"\$\{envvar:([^}]*)\}")
# How a value is drawn, by the name of the distribution: (parameter, random numbers) -> value.
Draw = Callable[[Mapping[str, Any], random.Random], Any]
DISTRIBUTIONS: dict[str, Draw] = {
    "constant": lambda entry, rng: entry["value"],
    "categorical": lambda entry, rng: rng.choices(entry["values"], entry.get("probabilities"))[0],
    "int_uniform": lambda entry, rng: rng.randint(entry["min"], entry["max"]),
    "uniform": lambda entry, rng: rng.uniform(entry["min"], entry["max"]),
    "q_uniform": lambda entry, rng: rounded(rng.uniform(entry["min"], entry["max"]), entry),
    "log_uniform": lambda entry, rng: math.exp(rng.uniform(entry["min"], entry["max"])),
    "log_uniform_values": lambda entry, rng: math.exp(rng.uniform(math.log(entry["min"]), math.log(entry["max"]))),
    "normal": lambda entry, rng: rng.gauss(entry.get("mu", 0.0), entry.get("sigma", 1.0)),
}


def rounded(value: float, entry: Mapping[str, Any]) -> float:
    """To a multiple of the parameter's `q`."""
    step = float(entry.get("q", 1))
    return round(value / step) * step


def trials(path: Path, count: int | None = None, seed: int = 0) -> tuple[list[list[str]], str]:
    """The arguments of `bench run` for each trial, as an agent writes them, and a line that summarises the trials.

    `count` is the most trials (None: run_cap of the file). Raises UserError for a malformed file.
    """
    sweep = read(path)
    most = count or sweep.get("run_cap")
    if not (most is None or (type(most) is int and most > 0)):
        raise UserError(f"{path}: run_cap must be a number of trials, not {short_repr(most)}")
    fixed, parameters = command(sweep, path), sweep.get("parameters") or {}
    if sweep["method"] == "grid":
        choices = [values(name, entry, path) for name, entry in parameters.items()]
        every = math.prod(map(len, choices))
        rows = itertools.islice(itertools.product(*choices), within(most or every, path))
        chosen = [dict(zip(parameters, row, strict=True)) for row in rows]
        summary = f"{len(chosen)} of {plural(every, 'trial')} of a grid"
    else:
        rng = random.Random(seed)
        draws = range(within(most or DRAWS, path))
        chosen = [{name: draw_value(name, entry, rng, path) for name, entry in parameters.items()} for _ in draws]
        summary = f"{plural(len(chosen), 'trial')} drawn at random with seed {seed}"
        if sweep["method"] == "bayes":
            summary += "; method bayes searches only on the W&B server, where it learns from finished trials"
    return [[*fixed, *(f"--{name}={trial[name]}" for name in sorted(trial))] for trial in chosen], f"{path}: {summary}"


def within(number: int, path: Path) -> int:
    """The number of trials. Raises UserError if there are too many."""
    if number > MOST_TRIALS:
        raise UserError(
            f"{path}: {plural(number, 'trial')}; at most {MOST_TRIALS:,}: give --count, or run_cap in the file"
        )
    return number


def read(path: Path) -> dict[str, Any]:
    """The sweep in a file. Raises UserError, and DataError for a file that is not YAML."""
    sweep = read_yaml(path)
    if not isinstance(sweep, dict) or not isinstance(sweep.get("parameters") or {}, dict):
        raise UserError(f"{path} is not a sweep file, which is a mapping with method and parameters")
    if sweep.get("method") not in METHODS:
        raise unknown("sweep method", str(sweep.get("method")), METHODS)
    for name in sweep.get("parameters") or {}:
        if not isinstance(name, str):
            raise UserError(f"{path}: the name of a parameter is text, not {short_repr(name)}; put it in quotes")
    return sweep


def command(sweep: Mapping[str, Any], path: Path) -> list[str]:
    """The arguments that all trials share: the words after `bench run` in the command.

    Variables of the environment are filled in, as W&B's agents do; words that are other macros of W&B are left out.
    """
    entries = sweep.get("command") or []
    words = [str(word) for word in entries] if isinstance(entries, list) else []
    at = next((i for i, pair in enumerate(itertools.pairwise(words)) if pair == ("bench", "run")), None)
    if at is None:
        raise UserError(
            f'{path}: its command must run the grid: ["${{env}}", "python", "-m", "bench", "run", "${{args}}"]'
        )
    own = [word for word in words[at + 2 :] if VARIABLE.match(word) or not word.startswith("${")]
    return [VARIABLE.sub(lambda found: variable(found[1], path), word) for word in own]


def variable(name: str, path: Path) -> str:
    """The value of a variable of the environment. Raises UserError if it is not set."""
    if name not in os.environ:
        raise UserError(f"{path}: its command names ${{envvar:{name}}}, and {name} is not set in the environment")
    return os.environ[name]


def values(name: str, entry: Any, path: Path) -> list[Any]:
    """The values of a parameter of a grid."""
    if isinstance(entry, Mapping) and isinstance(entry.get("values"), list) and entry["values"]:
        return list(entry["values"])
    if isinstance(entry, Mapping) and "value" in entry:
        return [entry["value"]]
    raise UserError(
        f"{path}: parameter {short_repr(name)} of a grid needs value or a list of values, not {short_repr(entry)}"
    )


def draw_value(name: str, entry: Any, rng: random.Random, path: Path) -> Any:
    """One value of a parameter."""
    if not isinstance(entry, Mapping):
        raise UserError(
            f"{path}: parameter {short_repr(name)} needs value, values, or min and max, not {short_repr(entry)}"
        )
    refuse_unusable(name, entry, path)
    numbers = [entry.get("min"), entry.get("max")]
    default = "int_uniform" if all(isinstance(number, int) for number in numbers) else "uniform"
    kind = entry.get("distribution") or (
        "constant" if "value" in entry else "categorical" if "values" in entry else default
    )
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise unknown(f"distribution of parameter {name}", str(kind), DISTRIBUTIONS)
    try:
        return DISTRIBUTIONS[kind](entry, rng)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        text = [
            f"{key} is the text {short_repr(entry[key])}" for key in ("min", "max") if isinstance(entry.get(key), str)
        ]
        why = f"{text[0]}; YAML reads 1.0e-5 as a number, not 1e-5" if text else str(error)
        raise UserError(f"{path}: parameter {short_repr(name)} cannot be drawn from {kind} ({why})") from error


def refuse_unusable(name: str, entry: Mapping[str, Any], path: Path) -> None:
    """Raise UserError for values that are no list of some, one bound without the other, or a lower bound above it."""
    where, bounds = f"{path}: parameter {short_repr(name)}", [key for key in ("min", "max") if key in entry]
    if "values" in entry and not (isinstance(entry["values"], list) and entry["values"]):
        raise UserError(f"{where} needs a list of values, not {short_repr(entry['values'])}")
    if len(bounds) == 1:
        raise UserError(f"{where} has {bounds[0]}; give both min and max")
    low, high = entry.get("min"), entry.get("max")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise UserError(f"{where}: min is {low:g}, and max is {high:g}, which is less")
