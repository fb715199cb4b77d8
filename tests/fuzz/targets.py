"""What is fuzzed: by name, a strategy and a function that reads one example of it in an empty folder.

A reader may raise UserError or DataError, and write to its folder. Everything else is a defect.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import methods
from bench.cli import commands, grid_file
from bench.cli.argv import canonical, keys_of
from bench.cli.options import parsed_arguments
from bench.commands.stores.show import diff, show
from bench.config import recipe_file, sweep_file
from bench.config.method_choice import auxiliary, choose
from bench.config.protocols import protocols
from bench.config.stress_axis import along
from bench.config.task_choice import choose_tasks
from bench.encoders.checkpoints import check_size, configuration, is_classifier, outputs, positions
from bench.encoders.pickled import INDEX as PICKLE_INDEX
from bench.encoders.pickled import _check_shards
from bench.encoders.weight_files import INDEX, header, tensors
from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.figures.reuse import INDEX as DRAWN_INDEX
from bench.leaderboard.figures.reuse import Drawn
from bench.leaderboard.figures.training import history
from bench.leaderboard.formats import render
from bench.leaderboard.read import row_weights
from bench.leaderboard.read.cell_files import read_cost
from bench.leaderboard.read.scores import from_npz, read_predictions
from bench.store import hidden_columns
from bench.store.find import find
from bench.store.folders import failure, state
from bench.store.layout import precomputed_path
from bench.store.looks import looks_file, with_looks
from bench.store.manifest import joined, read
from bench.store.tables import read_table
from bench.wandb_artifacts import SEAL, local, origin
from tasks.errors import CONTROL, MAX_MESSAGE, DataError
from tasks.sources.files import label_names_of
from tasks.sources.files import read_table as read_rows
from tasks.spec import load_spec
from tests.fuzz import folders
from tests.fuzz import strategies as make
from tests.fuzz.examples import BUNDLE, CELL, CONFIG, GRID, JOURNAL, MANIFEST, RECIPE, SPEC, SWEEP, TASK, WRITTEN
from tests.fuzz.watch import WATCH

Reader = Callable[[Path, Any], object]
SLOW = 2.0  # seconds that no input may take
PARSER = commands()
methods.discover()  # not counted as time of the first expression


def file(name: str, read_file: Callable[[Path], object]) -> Reader:
    """A reader of one file, whose content is the example."""

    def reader(folder: Path, content: bytes) -> object:
        path = folder / name
        path.write_bytes(content)
        return read_file(path)

    return reader


def grid(path: Path) -> None:
    """Read a grid file as `--config` does, and parse its options."""
    words = [f"--{name}={value}" for name, value in grid_file.read(path, keys_of(PARSER))]
    parameters(path.parent, words)


def parameters(folder: Path, words: list[str]) -> None:
    """Parse arguments as a W&B agent sends them."""
    arguments = canonical(["run", *words], PARSER)
    try:
        parsed_arguments(PARSER.commands["run"].make_context("run", arguments[1:]).params)
    except (UserError, DataError):
        raise
    except Exception as error:
        if not hasattr(error, "format_message") and type(error).__name__ != "Exit":  # as `bench.cli.main` has it
            raise


def sweep(path: Path) -> None:
    """The trials of a sweep file, and their arguments."""
    for words in sweep_file.trials(path, None)[0][:3]:
        parameters(path.parent, words)


def report(path: Path) -> None:
    """The report of a manifest, none of whose cells exists."""
    whole = joined([read(path)], "python -m bench report")
    render(build(whole, path.parent), figures=False)


def looks(folder: Path, content: bytes) -> None:
    """Read the record of looks at a table, and note them on it."""
    path = looks_file(folder, MANIFEST["sections"][0])
    path.parent.mkdir()
    path.write_bytes(content)
    with_looks([folder], MANIFEST)


def cell(folder: Path, files: dict[str, bytes]) -> None:
    """Show a cell, find it by its title, and read what a report reads of it."""
    place = folder / "runs" / "twitter" / "ce" / "0123456789abcdef0123"
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    state(place)
    history(place)
    readers = (failure, read_cost, lambda cell: list(show(cell)), lambda cell: list(diff(cell, cell)))
    for reader in (*readers, lambda cell: find(folder / "runs", "twitter ce 0")):
        with contextlib.suppress(UserError):
            reader(place)


def encoder(folder: Path, content: bytes) -> None:
    """Read a configuration of an encoder."""
    (folder / "config.json").write_bytes(content)
    config = configuration(folder, "x", "encoder")
    check_size(config, {"a.weight": (2, 2)}, "encoder")
    is_classifier(config)
    positions(config)
    outputs(config, "x")


def index(folder: Path, content: bytes) -> None:
    """Read the indexes of weights in several files."""
    for name, reader in ((INDEX, tensors), (PICKLE_INDEX, lambda place: _check_shards(place, []))):
        (folder / name).write_bytes(content)
        with contextlib.suppress(UserError):
            reader(folder)


def expressions(folder: Path, text: str) -> None:
    """Read a text as each kind of expression."""
    for reader in (
        lambda: choose(text, {}),
        lambda: choose_tasks(text, {}, None),
        lambda: protocols(text),
        lambda: auxiliary(text),
        lambda: along("twitter", text),
        lambda: local(f"wandb:{text}"),
    ):
        with contextlib.suppress(UserError, DataError):
            reader()


def rows(folder: Path, example: tuple[str, bytes]) -> None:
    """Read a file of rows."""
    suffix, content = example
    (folder / f"rows{suffix}").write_bytes(content)
    read_rows(folder / f"rows{suffix}")


def cell_tables(folder: Path, files: dict[str, bytes]) -> None:
    """Read the Parquet files of a cell as reports, `bench weights` and `bench show --diff` do."""
    cell, root = folder / "cell", folder / "runs"
    hidden = precomputed_path(root, "record", "1ffc")
    for place in (cell, hidden):
        place.mkdir(parents=True)
    for name, content in files.items():
        ((hidden if name == hidden_columns.FILE else cell) / name).write_bytes(content)
    (cell / "spec.json").write_text(json.dumps(SPEC))
    readers = (lambda: read_predictions(cell, "ce"), lambda: list(diff(cell, cell)), lambda: weights_of(cell))
    for reader in readers:
        with contextlib.suppress(UserError):
            reader()


def weights_of(cell: Path) -> None:
    """The measures of the weights of a cell whose quality checker is the cell itself."""
    read = row_weights.read(cell, cell.parent / "runs", "1ffc", cell)
    if isinstance(read, row_weights.RowWeights):
        row_weights.finds(read, read.wrong)
        row_weights.agreement(read, read)
        row_weights.ess(read.weight)


WORDS = st.sampled_from(["--seed", "--lr", "--dimp.clip", "--tasks", "--methods", "--dry_run", "--track", "--x", "--"])
CELL_FILES = st.sampled_from(sorted(CELL)).flatmap(
    lambda name: make.json_files(CELL[name]).map(
        lambda content: {**{key: json.dumps(value).encode() for key, value in CELL.items()}, name: content}
    )
)
TARGETS: dict[str, tuple[st.SearchStrategy[Any], Reader]] = {
    "task YAML": (make.yaml_files(TASK), file("task.yaml", load_spec)),
    "grid file": (make.yaml_files(GRID), file("grid.yaml", grid)),
    "sweep file": (make.yaml_files(SWEEP), file("sweep.yaml", sweep)),
    "recipe, YAML": (make.yaml_files(RECIPE), file("recipe.yaml", recipe_file.read)),
    "recipe, JSON": (make.json_files(RECIPE), file("recipe.json", recipe_file.read)),
    "rows": (make.tables(), rows),
    "card": (make.json_files({"label_names": ["a", "b"]}), file("dataset.json", label_names_of)),
    "expressions": (make.EXPRESSION, expressions),
    "W&B parameters": (
        st.lists(st.tuples(WORDS, make.SCALARS.map(str)).map("=".join) | make.EXPRESSION, max_size=4),
        parameters,
    ),
    "manifest": (make.json_files(MANIFEST), file("grid.json", report)),
    "record of looks": (make.json_files({"seeds": [3, 5]}), looks),
    "cell": (CELL_FILES, cell),
    "encoder configuration": (make.json_files(CONFIG), encoder),
    "safetensors": (make.safetensors(), file("model.safetensors", header)),
    "index": (make.json_files({"weight_map": {"a": "model-1.safetensors"}}), index),
    "W&B seal": (
        make.json_files({"artifact": "a/b/c:v0", "digest": "d"}),
        file(SEAL, lambda path: origin(path.parent)),
    ),
    "tables of a cell": (make.cell_tables(), cell_tables),
    "Parquet of a store": (st.binary(max_size=80), file("t.parquet", lambda path: read_table(path, {"id": "whole"}))),
    "store": (CELL_FILES, folders.store),
    "store, finished cell": (CELL_FILES, folders.finished),
    "bundle": (CELL_FILES | st.fixed_dictionaries({"bundle.json": make.json_files(BUNDLE)}), folders.bundle),
    "bundle, zip": (
        st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
        folders.zip_file,
    ),
    "report": (make.json_files(WRITTEN), folders.report),
    "journal": (make.lines(JOURNAL), folders.journal),
    "texts of a role": (
        make.parquet({"id": "int64", "label": "int64", "text": "string", "text_pair": "string"}),
        folders.texts,
    ),
    "index of figures": (
        make.json_files({"figures": {"a": {"kind": "gains", "key": "k", "svg": "0", "png": "0"}}}),
        file(DRAWN_INDEX, lambda path: Drawn(path.parent).files("k")),
    ),
    "cached scores": (st.binary(max_size=80) | st.just(b"PK\3\4"), file("s.npz", from_npz)),
}


@dataclass
class Campaign:
    """Reads examples, and counts them."""

    inputs: int = 0
    slowest: tuple[float, str] = (0.0, "")

    def read(self, name: str, examples: int, folder: Path, seed: int = 0) -> None:
        """Read `examples` examples of a target, each in the same empty folder, which does not exist before.

        Raises what a reader should not raise, and AssertionError for a reader that writes outside of the folder. The
        same seed gives the same examples.
        """
        strategy, reader = TARGETS[name]

        @hypothesis.seed(seed)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(strategy)
        def check(example: Any) -> None:
            self.slowest = max(self.slowest, (timed(reader, folder, example), name))
            self.inputs += 1

        check()


def timed(reader: Reader, folder: Path, example: Any) -> float:
    """Seconds that a reader takes for an example. Of two attempts the faster one counts, if the first was slow."""
    for attempt in (1, 2):
        folder.mkdir(parents=True)
        began = time.perf_counter()
        try:
            with WATCH.watching(folder):
                reader(folder, example)
        except (UserError, DataError) as error:
            if CONTROL.search(str(error)) or "\n" in str(error) or len(str(error)) > MAX_MESSAGE:
                raise AssertionError("a message is one line without control characters") from error
        finally:
            seconds = time.perf_counter() - began
            shutil.rmtree(folder)
        if seconds < SLOW or attempt == 2:
            break
    return seconds
