"""One function makes the command lines that people and W&B agents write the one that the parser reads.

Agents send `--train_layers=2`, `--dry-run=True`, `--tasks=['a', 'b']`, `--seed=None` and `--dimp.clip=20`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence


def normalise(
    argv: Sequence[str], flags: Collection[str], settings: Collection[str] = (), several: Collection[str] = ()
) -> list[str]:
    """The arguments with hyphens in option names, flags without values, lists with commas, settings under --set.

    `flags` are the options that take no value (`--dry-run`), `settings` the training settings that may be written as
    options (`--lr`); dotted keys (`--dimp.clip`) are always settings. An option whose value is None is left out: it
    keeps its default. Each further value after one of `several` gets an option of its own: `--from a b`.
    """
    out: list[str] = []
    last, taken = "", False  # the option before where it may have several values, and whether it has one
    rest = iter(argv)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or len(name) == 2:
            out += [last, argument] if last and taken else [argument]
            taken = True
            continue
        last, taken = name if name in several else "", bool(equals)
        name = name if "." in name else name.replace("_", "-")
        if "." in name or name in settings:
            out += ["--set", f"{name[2:]}={value if equals else next(rest, '')}"]
            continue
        if not equals:
            out.append(name)
        elif name in flags:
            out += flag(name, value)
        elif value not in {"None", "null"}:
            out.append(f"{name}={plain(value)}")
    return out


def flag(name: str, value: str) -> list[str]:
    """A flag with a value: present, absent, or as it was where the value is no truth value (the parser objects)."""
    truth = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "none": False}
    wanted = truth.get(value.lower())
    if wanted is None:
        return [f"{name}={value}"]
    return [name] if wanted else []


def plain(value: str) -> str:
    """A Python list in text (`['a', 'b']`) as `a,b`; anything else as it is."""
    if not (value.startswith("[") and value.endswith("]")):
        return value
    try:
        items = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    return ",".join(map(str, items))
