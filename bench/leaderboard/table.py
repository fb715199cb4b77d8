"""The table object that every form of the leaderboard is rendered from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.cells import Absent, Cell, Examples, Reader
from bench.leaderboard.paired import Paired, pair
from bench.leaderboard.pairs import Pairs, pairs
from bench.leaderboard.provenance import Provenance, provenance
from bench.stats.interval import Interval, t_interval
from bench.store import DONE, read_json

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
    """One method label in one section. `spec` is its entry in the manifest."""

    spec: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: Mapping[int, Cell]
    absent: Mapping[int, Absent]
    accuracy: Interval
    macro_f1: Interval
    costs: Costs
    is_baseline: bool = False
    paired: Paired | None = None
    best: bool | None = None  # may be the best of its section; None where it cannot be compared

    @property
    def label(self) -> str:
        """The method with the hyper-parameters that differ from its defaults."""
        return str(self.spec["label"])

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


@dataclass(frozen=True)
class Table:
    """The whole report."""

    manifest: Mapping[str, Any]
    sections: tuple[Section, ...]
    provenance: Provenance
    baseline: str
    delta: float
    allow_mixed: bool


def build(manifest: Mapping[str, Any], store: Path, *, baseline: str, delta: float, allow_mixed: bool) -> Table:
    """Read every cell of a manifest and compare the methods of each section with the baseline."""
    sections = tuple(build_section(spec, store, baseline, delta, allow_mixed) for spec in manifest["sections"])
    environments = [cell.environment for part in sections for row in part.rows for cell in row.cells.values()]
    return Table(manifest, sections, provenance(environments), baseline, delta, allow_mixed)


def build_section(spec: Mapping[str, Any], store: Path, baseline: str, delta: float, allow_mixed: bool) -> Section:
    """One section's rows, sorted by mean accuracy, then label; methods without any result come last."""
    reader = Reader(store)
    rows = [read_row(entry, spec["seeds"], reader) for entry in spec["methods"]]
    rows = [replace(row, costs=relative(row, find(rows, COST_REFERENCE))) for row in rows]
    base = find(rows, baseline)
    rows = [replace(row, is_baseline=row is base) for row in rows]
    if reader.rows is not None:
        base = next((row for row in rows if row.is_baseline), None)
        found = pair(rows, base, reader.rows, name=baseline, delta=delta, allow_mixed=allow_mixed)
        rows = [replace(row, paired=paired) for row, paired in zip(rows, found, strict=True)]
    rows.sort(key=lambda row: (math.isnan(row.accuracy.mean), -row.accuracy.mean, row.label))
    every = pairs(rows, reader.rows, delta=delta, allow_mixed=allow_mixed) if reader.rows else None
    if every is not None:
        rows = [replace(row, best=row.label in every.best if row.label in every.labels else None) for row in rows]
    return Section(
        spec=spec,
        rows=tuple(rows),
        quality=quality(spec, store),
        baseline=baseline,
        classes=reader.rows.classes if reader.rows else len(spec["labels"]),
        test=reader.rows,
        pairs=every,
    )


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
        accuracy=t_interval([cell.accuracy for cell in cells.values()]),
        macro_f1=t_interval([cell.macro_f1 for cell in cells.values()]),
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
