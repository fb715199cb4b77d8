"""The table object that every form of the leaderboard is rendered from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.cells import Absent, Cell, Reader
from bench.leaderboard.information import information
from bench.leaderboard.paired import ENVIRONMENT, Paired, pair
from bench.leaderboard.pairs import Pairs, pairs
from bench.leaderboard.provenance import Provenance, provenance
from bench.leaderboard.rules import USUAL, Rules
from bench.leaderboard.scores import Examples, Scores, scores
from bench.stats.interval import Interval, t_interval
from bench.stats.metrics import METRICS
from bench.store import DONE, read_json

BOUNDS = {**dict.fromkeys(METRICS, (0.0, 1.0)), "log_loss": (0.0, math.inf)}  # which a t interval knows nothing of
AXES = ("encoder", "checker_encoder", "preset", "protocol")
COST_REFERENCE = "ce"  # costs are told as multiples of one such cell


@dataclass(frozen=True)
class Costs:
    """Passes as multiples of a `ce` cell's, and mean seconds; standalone: with every artefact that is needed."""

    passes: float
    passes_standalone: float
    seconds: float
    seconds_standalone: float


@dataclass(frozen=True)
class Row:
    """One method label in one section. `spec` is its entry in the manifest, `metrics` what its seeds say, by name."""

    spec: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: Mapping[int, Cell]
    absent: Mapping[int, Absent]
    metrics: Mapping[str, Interval]
    costs: Costs
    is_baseline: bool = False
    paired: Paired | None = None
    information: Paired | None = None  # against its within-class shuffle, where that is there
    best: bool | None = None  # may be the best of its section; None where it cannot be compared

    @property
    def accuracy(self) -> Interval:
        """Accuracy over its seeds."""
        return self.metrics["accuracy"]

    @property
    def label(self) -> str:
        """The method with the hyper-parameters that differ from its defaults."""
        return str(self.spec["label"])

    @cached_property
    def environments(self) -> dict[str, set[str]]:
        """What the cells were made by, as far as it decides whether they are paired."""
        found = [cell.environment for cell in self.cells.values()]
        return {key: {str(one.get(key, "unknown")) for one in found} for key in ENVIRONMENT}

    @property
    def complete(self) -> bool:
        """Whether every planned seed has a result."""
        return len(self.cells) == len(self.seeds)


@dataclass(frozen=True)
class Quality:
    """Test accuracy of the quality checkers, mean over `n` seeds (NaN if none is there)."""

    n: int
    accuracy: float


@dataclass(frozen=True)
class Section:
    """The methods of one task, source, encoder, preset, protocol and sizes, best first. `spec`: its manifest entry."""

    spec: Mapping[str, Any]
    rows: tuple[Row, ...]
    quality: Quality
    baseline: str
    classes: int
    test: Examples | None
    pairs: Pairs | None
    root: Path  # what the paths of its cells and checkers are below
    axes: tuple[str, ...] = ()  # the values by which it differs from other sections of its task


@dataclass(frozen=True)
class Table:
    """The whole report."""

    manifest: Mapping[str, Any]
    sections: tuple[Section, ...]
    provenance: Provenance
    rules: Rules


def build(manifest: Mapping[str, Any], store: Path, rules: Rules = USUAL) -> Table:
    """Read every cell of a manifest and compare the methods of each section with the baseline."""
    specs = manifest["sections"]
    with scores() as found:
        found.ahead(store / name for spec in specs for method in spec["methods"] for name in method["cells"].values())
        made = [replace(build_section(spec, store, found, rules), axes=axes(spec, specs)) for spec in specs]
    sections = tuple(made)
    environments = [cell.environment for part in sections for row in part.rows for cell in row.cells.values()]
    return Table(manifest, sections, provenance(environments), rules)


def axes(spec: Mapping[str, Any], specs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A section's values on the axes on which the sections of its task and source differ."""
    alike = [other for other in specs if all(other[key] == spec[key] for key in ("task_ref", "source"))]
    differing = [key for key in AXES if len({other.get(key) for other in alike}) > 1]
    return tuple(str(spec[key]) for key in differing if spec.get(key))


def build_section(spec: Mapping[str, Any], store: Path, known: Scores, rules: Rules) -> Section:
    """One section's rows, sorted by mean accuracy, then label; methods without any result come last."""
    reader = Reader(store, known)
    rows = [read_row(entry, spec["seeds"], reader) for entry in spec["methods"]]
    reference = find(rows, COST_REFERENCE)
    rows = [replace(row, costs=relative(row, reference), is_baseline=row.label == rules.baseline) for row in rows]
    rows.sort(key=lambda row: (math.isnan(row.accuracy.mean), -row.accuracy.mean, row.label))
    every = None
    if reader.rows is not None:
        every = pairs(rows, reader.rows, rules)
        rows = compared(rows, reader.rows, every, rules)
    return Section(
        spec=spec,
        rows=tuple(rows),
        quality=quality(spec, store),
        baseline=rules.baseline,
        classes=reader.rows.classes if reader.rows else len(spec["labels"]),
        test=reader.rows,
        pairs=every,
        root=store,
    )


def compared(rows: Sequence[Row], test: Examples, every: Pairs | None, rules: Rules) -> list[Row]:
    """The rows with what comparisons say of them."""
    paired = pair(rows, find(rows, rules.baseline), test, rules)
    gained = information(rows, test, rules)
    return [
        replace(
            row,
            paired=found,
            information=gained.get(row.label),
            best=row.label in every.best if every is not None and row.label in every.labels else None,
        )
        for row, found in zip(rows, paired, strict=True)
    ]


def read_row(spec: Mapping[str, Any], seeds: Sequence[int], reader: Reader) -> Row:
    """The cells of one method and what they say without any other method."""
    needs = spec.get("needs", {})
    # In a report over several grids a method is complete when the seeds that it was asked for are there.
    seeds = [seed for seed in seeds if str(seed) in spec["cells"]]
    read = {seed: reader.read(spec["cells"][str(seed)], needs.get(str(seed), [])) for seed in seeds}
    cells = {seed: cell for seed, cell in read.items() if isinstance(cell, Cell)}
    return Row(
        spec=spec,
        seeds=tuple(seeds),
        cells=cells,
        absent={seed: cell for seed, cell in read.items() if isinstance(cell, Absent)},
        metrics={
            name: t_interval([cell.metrics[name] for cell in cells.values()], bounds=bounds)
            for name, bounds in BOUNDS.items()
        },
        costs=Costs(math.nan, math.nan, math.nan, math.nan),
    )


def find(rows: Sequence[Row], name: str) -> Row | None:
    """The row with this label."""
    return next((row for row in rows if row.label == name), None)


def mean(values: Iterable[float]) -> float:
    """Mean, NaN of nothing."""
    found = list(values)
    return float(np.mean(found)) if found else math.nan


def relative(row: Row, reference: Row | None) -> Costs:
    """A row's costs; passes are relative to the reference's over the seeds that both have."""
    shared = [seed for seed in row.cells if reference is not None and seed in reference.cells]
    unit = sum(reference.cells[seed].own.passes for seed in shared) if reference is not None and shared else math.nan
    if not unit > 0:
        unit = math.nan
    return Costs(
        passes=sum(row.cells[seed].own.passes for seed in shared) / unit,
        passes_standalone=sum(row.cells[seed].standalone.passes for seed in shared) / unit,
        seconds=mean(cell.own.seconds for cell in row.cells.values()),
        seconds_standalone=mean(cell.standalone.seconds for cell in row.cells.values()),
    )


def quality(spec: Mapping[str, Any], store: Path) -> Quality:
    """Mean test accuracy of the section's quality checkers that are there."""
    folders = [store / name for name in spec.get("checkers", {}).get("quality", {}).values()]
    found = [read_json(folder / DONE)["accuracy"] for folder in folders if (folder / DONE).exists()]
    return Quality(len(found), mean(found))
