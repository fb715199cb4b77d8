"""A cell of the store where a model is named: the folder of the model that it keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bench import show
from bench.errors import UserError
from bench.manifest import GRIDS, grids
from bench.store import MODEL, MODEL_FILES, State, failure, read_json, state

CELL = re.compile(r"[0-9a-f]{6,20}|\S.* \S+ \d+")  # the beginning of an id, or "task method seed"


def model_of(name: str, root: Path) -> str:
    """A model as it is named, or where it lies if the name is that of a cell as `bench show` takes it.

    Raises UserError for a cell that is not in the store `root`, is not done, or keeps no whole model.
    """
    path = Path(name).expanduser()
    if not (path / "spec.json").exists() and (path.exists() or not CELL.fullmatch(name)):
        return name
    cell = show.find(root, name)
    found, title = state(cell), show.title(read_json(cell / "spec.json"))
    if found is not State.DONE:
        cause = f" ({failure(cell)})" if found is State.FAILED else ""
        retry = " --retry-failed" if found is State.FAILED else ""
        raise UserError(f"cell {title} is {found}{cause} and has no model; train it: {command(cell, root)}{retry}")
    if not any((cell / MODEL / file).exists() for file in MODEL_FILES["full"]):
        raise UserError(f"cell {title} keeps no whole model; train it again: {command(cell, root)} --force")
    return str(cell / MODEL)


def checkers_of(asked: Mapping[str, str | None], root: Path) -> dict[str, str | None]:
    """`model_of` for each name that says something."""
    return {key: model_of(name, root) if name and name.strip() else name for key, name in asked.items()}


def command(cell: Path, root: Path) -> str:
    """The command that trained a cell, as far as the store knows it, such that the model is kept."""
    typed = "the command of its grid"
    for grid in grids(root) if any((root / GRIDS).glob("*.json")) else ():
        cells = (
            path for section in grid["sections"] for method in section["methods"] for path in method["cells"].values()
        )
        if cell.name in (Path(path).name for path in cells):
            typed = re.sub(r" --(save-models \S+|force|retry-failed)", "", grid["command"])
    return typed if " train " in typed else f"{typed} --save-models full"
