"""The table object that every form of the leaderboard is rendered from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.compare.all_pairs import pairs
from bench.leaderboard.compare.baseline import pair
from bench.leaderboard.compare.shuffle import information
from bench.leaderboard.read.cells import Absent, Cell, Reader
from bench.leaderboard.read.provenance import provenance
from bench.leaderboard.read.scores import Examples, Scores, scores
from bench.leaderboard.results import Costs, Pairs, Quality, Row, Section, Table
from bench.leaderboard.rules import USUAL, Rules
from bench.stats.interval import t_interval
from bench.stats.metrics import METRICS
from bench.store.files import read_json
from bench.store.layout import DONE

BOUNDS = {**dict.fromkeys(METRICS, (0.0, 1.0)), "log_loss": (0.0, math.inf)}  # which a t interval knows nothing of
AXES = ("encoder", "checker_encoder", "preset", "protocol")
COST_REFERENCE = "ce"  # costs are told as multiples of one such cell


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
