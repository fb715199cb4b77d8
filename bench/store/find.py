"""Finds a cell of the store by its id, its folder or its title, and its saved model."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.store.files import flatten, read_json
from bench.store.folders import State, failure, state
from bench.store.layout import GRIDS, MODEL, MODEL_FILES, SPEC, TABLES, place_of
from bench.store.manifest import grids, last_runs, no_results, table_in_words, with_one_name
from bench.store.schemas import NamedSpec
from methods.base import COLUMN
from tasks.errors import did_you_mean, join_names, short_repr, user_path

BEGINNING = re.compile(r"[0-9a-f]{6,20}")  # of an id; shorter ones may be names of methods, such as ce
CELL = re.compile(rf"{BEGINNING.pattern}|\S.* \S+ \d+")  # the beginning of an id, or "task method seed"
# Entries of a specification that tell cells of one title apart, and how many of them a message names.
TOLD = ("seed", "source", "preset", "encoder", "protocol", "hyperparameters", "settings", "rows", "data", "artefacts")
MOST_TOLD = 3
HASH = 8  # characters of a hash
SCORED = "data.scored"  # a hash of texts that is of interest only where a cell does not train on them
# Options that say which cells a grid has, which of them are trained again, and where their report is.
OF_GRID = re.compile(
    "--(methods|seeds?|max[-_]seeds|until[-_]decided|baseline|save[-_]models|force|retry[-_]failed|reports)\\b"
)
ALONE = "reports/one"  # for the report of a single cell, so that it does not replace that of the grid
KEEP_NONE = ("weigh", "sweep")  # commands that train cells and have no option to keep models


def model_of(name: str, root: Path) -> str:
    """The folder of a cell's model if `name` is a cell as `bench show` takes it; other names are returned as they are.

    The output folder of `bench train` stands for the model in it. Raises UserError for a cell that is not in the store
    `root`, is not done, or has no whole model saved.
    """
    path = user_path(name)
    if not (path / SPEC).exists() and not (path / "config.json").exists() and (path / MODEL).is_dir():
        return str(path / MODEL)
    if not names_cell(name):
        return name
    cell = find(root, name)
    spec = read_json(cell / SPEC, NamedSpec)
    now, name = state(cell), title(spec)
    whole = any((cell / MODEL / file).exists() for file in MODEL_FILES["full"])
    if not whole and flatten(spec).get("settings.train_layers") == 0:
        raise UserError(
            f"cell {name} is a head on embeddings (train_layers=0, preset {spec.get('preset')}), of which no model is "
            "kept; run its method with another preset and --save-models full"
        )
    if now is not State.DONE:
        cause = f" ({failure(cell)})" if now is State.FAILED else ""
        retry = " --retry-failed" if now is State.FAILED else ""
        raise UserError(f"cell {name} is {now}{cause} and has no model; train it: {keeping(cell, root)}{retry}")
    if not whole:
        raise UserError(f"cell {name} keeps no whole model; train it again: {keeping(cell, root)} --force")
    return str(cell / MODEL)


def names_cell(name: str) -> bool:
    """Whether a name is a cell as `bench show` takes it, and not a model's folder or its name on a hub."""
    path = user_path(name)
    return (path / SPEC).exists() or not (path.exists() or CELL.fullmatch(name) is None)


def keeping(cell: Path, root: Path) -> str:
    """The command that trains a cell and saves its model."""
    typed = command(cell, root)
    name = typed.removeprefix("python -m bench ").partition(" ")[0]
    if name in KEEP_NONE:
        return f"python -m bench run, with the rows, methods and settings of `{typed}`, --save-models full"
    return typed if name == "train" else f"{typed} --save-models full"


def command(cell: Path, root: Path) -> str:
    """The command that trains a cell: that of the last grid it belongs to, as far as possible for it alone."""
    typed = "the command of its grid"
    for grid in grids(root) if any((root / GRIDS).glob("*.json")) else ():
        cells = (
            path for section in grid["sections"] for method in section["methods"] for path in method["cells"].values()
        )
        if cell.name in (Path(path).name for path in cells):
            typed = alone(grid["command"], read_json(cell / SPEC, NamedSpec))
    return typed


def alone(typed: str, spec: Mapping[str, Any]) -> str:
    """The command of a grid with the method and the seed of one cell.

    The same command, but for options that say again what is done, if it is another one than `run`, a call from Python,
    or if a file has some of its options: they might belong to other methods.
    """
    if not typed.startswith("python -m bench run") or "--config" in typed:
        return re.sub(r" --(save-models \S+|force|retry-failed)", "", typed)
    head, *options = re.split(r" (?=--\w)", typed)
    kept = [one for one in options if not OF_GRID.match(one) and setting_of(one) in ("", spec["method"])]
    own = ["--methods", shlex.quote(spec["label"]), "--seed", str(spec["seed"]), "--reports", ALONE]
    return " ".join([head, *kept, *own])


def setting_of(option: str) -> str:
    """The method that an option sets a hyper-parameter of, as in `--dimp.clip=20`; empty for other options."""
    found = re.match(r"--(?:set[ =]'?)?([\w-]+)\.[a-z_]+=", option)
    return found[1] if found else ""


def find(root: Path, name: str) -> Path:
    """The folder of a cell: by path, by the first characters of its id, or by its title "task method seed".

    Of a method with one cell, its name is enough.

    Raises UserError if no cell or several cells match; the message names the nearest or all of them.
    """
    if (user_path(name) / SPEC).exists():
        return user_path(name)
    folders = [path.parent for path in sorted(root.glob(f"*/*/*/{SPEC}"))]
    if not folders:
        raise no_results(root)
    by_id = [folder for folder in folders if folder.name.startswith(name)] if BEGINNING.fullmatch(name) else []
    specs = {} if by_id else readable_specs(folders)
    words = " ".join(name.split())
    found = by_id or [folder for folder, spec in specs.items() if title(spec) == words]
    # A method's bare name means its only configuration, if there is only one.
    found = found or [folder for folder, spec in specs.items() if title({**spec, "label": spec["method"]}) == words]
    found = found or [folder for folder, spec in specs.items() if words in (spec["label"], method_title(spec))]
    cells = [folder for folder in found if TABLES not in folder.parts] or found
    if not cells:
        known = sorted(set(map(title, specs.values())))
        cut = re.fullmatch("[0-9a-f]+", name) and any(folder.name.startswith(name) for folder in folders)
        close = "; of an id give at least 6 characters" if cut else ""
        close = close or did_you_mean(name, known) or f"; known: {join_names(known)}"
        raise UserError(f"no cell {short_repr(name)} in {root}{close}; `bench list cells` shows all")
    if len({folder.name for folder in cells}) > 1:
        titles = [title(specs[folder]) if folder in specs else folder.name for folder in cells]
        names = sorted(titles) if len(set(titles)) == len(cells) else told_apart(root, cells, specs)
        raise UserError(f"{short_repr(name)} fits {len(cells)} cells; give one of: {join_names(names)}")
    return cells[0]


def told_apart(root: Path, cells: Sequence[Path], specs: Mapping[Path, Mapping[str, Any]]) -> list[str]:
    """The ids of cells of one title, the newest last, each with its values of what they differ in."""
    values = differences([specs.get(folder, {}) for folder in cells])
    words, runs = dict(zip(cells, values, strict=True)), last_runs(root)
    newest_last = sorted(cells, key=lambda folder: runs.get(place_of(folder)[1], 0))
    return [f"{folder.name}{in_brackets(words[folder], ran(folder, runs))}" for folder in newest_last]


def in_brackets(*parts: str) -> str:
    """What tells a cell from others of its title: ` (lr 0.001, last run 2026-01-31 12:00:00)`; empty for nothing."""
    known = ", ".join(filter(None, parts))
    return f" ({known})" if known else ""


def ran(folder: Path, runs: Mapping[str, int]) -> str:
    """When a grid with a cell was last run, given `last_runs`; empty where no grid has it."""
    at = runs.get(place_of(folder)[1])
    return "" if at is None else spelt_run(at)


def spelt_run(at: int) -> str:
    """A time of a run, in ns since 1970, in words: `last run 2026-01-31 12:00:00`."""
    return f"last run {datetime.fromtimestamp(at / 1e9):%Y-%m-%d %H:%M:%S}"


def differences(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each of several cells, its values of what they differ in: `lr 0.001, real rows 1a2b3c4d`."""
    flat = [flatten(spec) for spec in with_one_name(specs)]
    keys = sorted(filter(is_told, dict.fromkeys(key for one in flat for key in one)), key=place_in_words)
    differing = [key for key in keys if len({str(one.get(key)) for one in flat}) > 1]
    shown = [key for key in differing if key != SCORED] or differing
    return [", ".join(value_in_words(key, str(one.get(key))) for key in shown[:MOST_TOLD]) for one in flat]


def place_in_words(key: str) -> int:
    """The place of an entry of a specification among those that tell cells apart."""
    return TOLD.index(key.partition(".")[0])


def is_told(key: str) -> bool:
    """Whether an entry of a specification tells cells apart: of precomputed tables only columns of files do."""
    entry, _, rest = key.partition(".")
    return entry in TOLD and (entry != "artefacts" or rest.startswith(COLUMN))


def value_in_words(key: str, value: str) -> str:
    """An entry of a specification: `lr 0.001`, `generated rows trained on 1a2b3c4d`, `column score 1a2b3c4d`."""
    entry, _, rest = key.partition(".")
    if entry == "artefacts":
        return f"{table_in_words(rest)} {value[:HASH]}"
    if entry == "data":
        return f"{rest} rows {'trained on ' * (rest == 'generated')}{value[:HASH]}"
    return f"{key.rpartition('.')[2]} {value}"


def readable_specs(folders: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """The `spec.json` of each folder; one that is damaged names no cell."""
    specs = {}
    for folder in folders:
        with contextlib.suppress(UserError, OSError):
            specs[folder] = read_json(folder / SPEC, NamedSpec)
    return specs


def title(spec: Mapping[str, Any]) -> str:
    """The title of a cell: "task method seed"."""
    return f"{method_title(spec)} {spec['seed']}"


def method_title(spec: Mapping[str, Any]) -> str:
    """The task and the method of a cell: "task method"."""
    return f"{spec['task_ref']} {spec['label']}"
