"""Figures of an earlier report that still hold: a section is drawn only if its content changed.

`figures/.drawn.json` of a report has the key of each figure, and digests of its files. The key is a digest of all that
the figures of a section read: the results of the section, the seals of its cells, the scores of its checkers (size and
time of the file), the code of reports and the versions of the drawing libraries. A figure is used again if its key is
the same and its files have the digests.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from bench.errors import UserError
from bench.hashing import ROOT, python_files
from bench.leaderboard.read.cell_files import states
from bench.leaderboard.read.cells import Cell
from bench.leaderboard.results import Section
from bench.store.files import json_text, read_json
from bench.store.layout import TRAIN_SCORES
from bench.store.schemas import DrawnFigures

if TYPE_CHECKING:
    from bench.leaderboard.figures import FigureFiles

INDEX = ".drawn.json"
ENDS = ("svg", "png")  # of the files of a figure
CODE = ("leaderboard", "stats", "store")  # packages of `bench` whose code figures depend on
DRAWN_BY = ("matplotlib", "seaborn", "numpy", "scipy", "pandas")

Files = Mapping[str, tuple[bytes, bytes]]  # SVG and PNG by kind of figure


class Drawn:
    """The figures in a folder that an earlier report wrote. Without a folder, or with an unreadable index, none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder or Path()
        self.figures: dict[str, Any] = {}
        with contextlib.suppress(UserError, OSError):
            self.figures = {} if folder is None else read_json(folder / INDEX, DrawnFigures)["figures"]

    def files(self, key: str) -> Files | None:
        """The figures with a key by kind; None if there is none, or if a file is not as it was written."""
        found = {}
        for name, figure in self.figures.items():
            if figure["key"] != key:
                continue
            if (pair := self.content(name)) is None:
                return None
            found[figure["kind"]] = pair
        return found or None

    def unchanged(self) -> set[Path]:
        """The files of all figures that are as they were written."""
        return {self.folder / f"{name}.{end}" for name in self.figures if self.content(name) for end in ENDS}

    def content(self, name: str) -> tuple[bytes, bytes] | None:
        """A figure as SVG and PNG; None if a file is not as it was written."""
        try:
            svg, png = ((self.folder / f"{name}.{end}").read_bytes() for end in ENDS)
        except OSError:
            return None
        figure = self.figures[name]
        same = [*map(xxhash.xxh3_128_hexdigest, (svg, png))] == [figure[end] for end in ENDS]
        return (svg, png) if same else None


def index_of(figures: Iterable[FigureFiles], contents: Mapping[Path, bytes], folder: Path) -> dict[Path, bytes]:
    """The index of figures whose files are among `contents`, and its path in `folder`."""
    entries = {
        one.name: {
            "kind": one.kind,
            "key": one.key,
            **{end: xxhash.xxh3_128_hexdigest(contents[folder / f"{one.name}.{end}"]) for end in ENDS},
        }
        for one in figures
    }
    return {folder / INDEX: json_text({"figures": entries}).encode()}


def key_of(section: Section) -> str:
    """The key of a section's figures: a digest of all that they read."""
    state = xxhash.xxh3_128(made_by())
    feed_fields(state, section, without="root")
    for path in (path for cells in section.spec.get("checkers", {}).values() for path in cells.values()):
        state.update(states(section.root / path, [TRAIN_SCORES]))
    return state.hexdigest()


def key_of_all(keys: Iterable[str], more: Any) -> str:
    """The key of the figures of a whole report, from those of its sections and further values."""
    state = xxhash.xxh3_128(made_by())
    feed(state, [*keys])
    feed(state, more)
    return state.hexdigest()


@functools.cache
def made_by() -> bytes:
    """The code that computes and draws, and the versions of the libraries that it draws with."""
    state = xxhash.xxh3_128()
    for path in (path for package in CODE for path in python_files(ROOT / "bench" / package)):
        state.update(path.name.encode() + path.read_bytes())
    return (state.hexdigest() + "".join(map(version, DRAWN_BY))).encode()


def feed(state: Any, value: Any) -> None:
    """Add a value to a digest: numbers, texts, arrays, and dataclasses and containers of these, in their order."""
    if isinstance(value, np.ndarray):
        state.update(f"array {value.dtype} {value.shape}".encode())
        state.update(np.ascontiguousarray(value).view(np.uint8).data if value.size else b"")
    elif isinstance(value, Cell):  # all of it is read from files that the seal is of
        state.update(f"cell {value.folder.name} {value.seal}".encode())
    elif is_dataclass(value) and not isinstance(value, type):
        state.update(f"{type(value).__name__}(".encode())
        feed_fields(state, value)
        state.update(b")")
    elif isinstance(value, Mapping):
        state.update(b"{")
        for key, one in value.items():
            state.update(repr(key).encode())
            feed(state, one)
        state.update(b"}")
    elif isinstance(value, list | tuple):
        state.update(b"[")
        for one in value:
            feed(state, one)
        state.update(b"]")
    elif isinstance(value, frozenset | set):
        state.update(repr(sorted(map(repr, value))).encode())
    else:
        state.update(repr(value).encode() + b",")


def feed_fields(state: Any, value: Any, without: str = "") -> None:
    """Add the fields of a dataclass to a digest. A `spec`, part of a manifest, is JSON, whose text says all of it."""
    for entry in fields(value):
        if entry.name != without:
            one = getattr(value, entry.name)
            feed(state, repr(one) if entry.name == "spec" else one)
