"""Builds the results of a report: reads the cells of a manifest, then compares the methods of each section."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.advice import advise
from bench.leaderboard.compare.all_pairs import compare_pairs
from bench.leaderboard.compare.baseline import compare_with_baseline
from bench.leaderboard.compare.families import over_report
from bench.leaderboard.compare.far_rows import with_far
from bench.leaderboard.compare.references import References
from bench.leaderboard.compare.shuffle import information_gains
from bench.leaderboard.fold_seeds import unequal_folds
from bench.leaderboard.informative import beats_majority, reasons
from bench.leaderboard.read.cells import Absent, Cell, Reader
from bench.leaderboard.read.clusters import with_clusters
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.read.provenance import provenance
from bench.leaderboard.read.scores import Scores, open_scores
from bench.leaderboard.results import Costs, Paired, Pairs, Quality, Report, Row, Section, find
from bench.leaderboard.rules import USUAL, Rules
from bench.stats.folds.variances import overlap
from bench.stats.interval import t_interval
from bench.stats.metrics import METRICS
from bench.stats.verdict import Verdict
from bench.store.bundles import origins
from bench.store.files import read_json
from bench.store.layout import DONE
from bench.store.schemas import Metrics

Spec = Mapping[str, Any]  # a section of a manifest
# The range of a metric: t intervals are cut at its ends.
SHARE, ANY = (0.0, 1.0), (-math.inf, math.inf)
BOUNDS = {"accuracy": SHARE, "macro_f1": SHARE, "log_loss": (0.0, math.inf), "ece": SHARE}  # of others: `ANY`
COUNTED = ("accuracy", "macro_f1")  # metrics that are made of counts of rows
AXES = ("encoder", "checker_encoder", "preset", "protocol")
HASH = 8  # characters of a hash in a heading
FEWEST_SEEDS = 2  # whole seeds of an unfinished run from which there are verdicts
COST_REFERENCE = "ce"  # passes are shown as multiples of what this method needs


def build(
    manifest: Mapping[str, Any],
    store: Path,
    rules: Rules = USUAL,
    ready: Callable[[Section], None] | None = None,
) -> Report:
    """Read every cell of a manifest and compare the methods of each section with the baseline.

    `ready`: called with each section as soon as its verdicts are final, before far seeds and advice are added.
    """
    specs = [with_notes(spec, store) for spec in manifest["sections"]]
    compared = []
    with open_scores() as scores:
        names = (name for spec in specs for method in spec["methods"] for name in method["cells"].values())
        scores.compute(os.path.join(store, name) for name in names)
        for section in judged(specs, store, scores, rules):
            compared.append(section)
            if ready:
                ready(section)
    sections = with_advice(with_far(compared, rules), rules)
    environments = [cell.environment for section in sections for row in section.rows for cell in row.cells.values()]
    return Report(manifest, sections, provenance(environments), rules)


def judged(specs: Sequence[Spec], store: Path, scores: Scores, rules: Rules) -> Iterator[Section]:
    """The sections with their final verdicts; those that are corrected over the report come when all are compared."""
    sections = (replace(build_section(spec, store, scores, rules), axes=differing_axes(spec, specs)) for spec in specs)
    yield from over_report([*sections], rules) if rules.family == "report" else sections


def with_advice(sections: Sequence[Section], rules: Rules) -> tuple[Section, ...]:
    """The sections with their advice, which needs the comparisons of all of them where the report is one family."""
    references = References(sections, rules)
    return tuple(
        section
        if section.uninformative or section.test is None
        else replace(
            section, advice=advise(section.rows, partial(references.comparisons, place), section.beat_majority)
        )
        for place, section in enumerate(sections)
    )


def with_notes(spec: Mapping[str, Any], store: Path) -> Mapping[str, Any]:
    """A section of a manifest with notes on imported cells, and on folds that its seeds do not test alike.

    The seeds are those of the table, which grids may have continued.
    """
    imported = origins(os.path.join(store, name) for method in spec["methods"] for name in method["cells"].values())
    unequal = "" if "so_far" in spec else unequal_folds(spec)
    return {**spec, "notes": [*filter(None, [imported, unequal]), *spec["notes"]]}


def differing_axes(spec: Spec, specs: Sequence[Spec]) -> tuple[str, ...]:
    """A section's values where the sections of its task and source differ, so that no two have one heading.

    First those of `AXES`. Where these and the title are the same, settings and numbers of rows; then hashes.
    """
    alike = [other for other in specs if all(other[key] == spec[key] for key in ("task_ref", "source"))]
    shown = [str(spec[key]) for key in differing(alike, named) if spec.get(key)]
    alike = [other for other in alike if named(other) == named(spec) and other["title"] == spec["title"]]
    for values in (settings_and_sizes, contents):
        own = values(spec)
        shown += [f"{key} {own.get(key, 'not set')}" for key in differing(alike, values)]
        alike = [other for other in alike if values(other) == own]
    return tuple(shown)


def differing(specs: Sequence[Spec], values: Callable[[Spec], Mapping[str, Any]]) -> list[str]:
    """The names of the values in which sections differ."""
    found = [values(spec) for spec in specs]
    names = dict.fromkeys(name for one in found for name in one)
    return [name for name in names if len({one.get(name) for one in found}) > 1]


def named(spec: Spec) -> dict[str, Any]:
    """The values of a section that have names."""
    return {key: spec.get(key) for key in AXES}


def settings_and_sizes(spec: Spec) -> dict[str, str]:
    """The settings and numbers of rows of a section, by name."""
    folds = spec.get("cross_validation") or {}
    values = {**spec["settings"], **spec["sizes"], "folds": folds.get("folds")}
    return {name: str(value) for name, value in values.items() if value is not None and name != "vary"}


def contents(spec: Spec) -> dict[str, str]:
    """The first characters of the hashes of a section's data, encoders and given checkers, by name."""
    encoders = {key.replace("_", " "): spec.get(key) for key in ("encoder_hash", "checker_encoder_hash")}
    given = {f"checker {name}": value for name, value in (spec.get("given_checkers") or {}).items()}
    # A cell is told by the generated rows that it trains on, which may be fewer than the set (`bench.store.find`).
    names = {"generated": "generated set"}
    data = {names.get(role, f"{role} rows"): value for role, value in spec["hashes"].items()}
    hashes = {**data, **encoders, **given}
    return {name: str(value)[:HASH] for name, value in hashes.items() if value}


def build_section(spec: Mapping[str, Any], store: Path, scores: Scores, rules: Rules) -> Section:
    """One section's rows, sorted by mean accuracy, then label; methods without any result come last.

    Without a verdict or a ranking, and sorted by label alone, where the section is not informative.
    """
    folded = spec.get("cross_validation")
    reader = Reader(store, scores, folded)
    shared = overlap(folded["folds"]) if folded else 0.0
    rows = [read_row(entry, spec["seeds"], reader, shared) for entry in spec["methods"]]
    reference = find(rows, COST_REFERENCE)
    rows = [replace(row, costs=costs(row, reference), is_baseline=row.label == rules.baseline) for row in rows]
    rows.sort(key=lambda row: (math.isnan(row.accuracy.mean), -row.accuracy.mean, row.label))
    pairs, uninformative, beat = None, tuple[str, ...](), frozenset[str]()
    test = with_clusters(reader.rows, spec, store) if reader.rows is not None else None
    if test is not None:
        looks = spec.get("looks", ())
        pairs = compare_pairs(rows, test, rules, looks)
        rows = with_comparisons(rows, test, pairs, rules, looks)
        beat = beats_majority(rows, test)
        uninformative = reasons(spec, rows, test, rules.baseline, beat)
    if too_early(spec):
        so_far = f"{spec['so_far']['seeds']} of {spec['so_far']['of']} seeds so far"
        rows, pairs, uninformative = [without_verdict(row, so_far) for row in rows], None, (so_far,)
    elif uninformative:
        rows, pairs = [without_verdict(row, "not informative") for row in rows], None
        rows.sort(key=lambda row: (math.isnan(row.accuracy.mean), row.label))
    return Section(
        spec=spec,
        rows=tuple(rows),
        quality=quality(spec, store),
        baseline=rules.baseline,
        classes=test.classes if test else len(spec["labels"]),
        test=test,
        pairs=pairs,
        rules=rules,
        root=store,
        uninformative=uninformative,
        beat_majority=beat,
    )


def too_early(spec: Mapping[str, Any]) -> bool:
    """Whether a section of an unfinished run has too few seeds for verdicts."""
    return "so_far" in spec and spec["so_far"]["seeds"] < FEWEST_SEEDS


def without_verdict(row: Row, reason: str) -> Row:
    """The row with its differences, but no verdict on them."""

    def withheld(paired: Paired | None) -> Paired | None:
        if paired is None or paired.withheld:
            return paired
        return replace(
            paired,
            p_corrected=math.nan,
            p_max_t=math.nan,
            p_equivalent=math.nan,
            needed=None,
            verdict=Verdict("", reason),
            withheld=reason,
        )

    return replace(row, paired=withheld(row.paired), information=withheld(row.information), best=None)


def with_comparisons(
    rows: Sequence[Row], test: Examples, pairs: Pairs | None, rules: Rules, looks: Sequence[int]
) -> list[Row]:
    """The rows with their comparisons: to the baseline, to their shuffle, and whether they are in the best group."""
    to_baseline = compare_with_baseline(rows, find(rows, rules.baseline), test, rules, looks)
    to_shuffle = information_gains(rows, test, rules, looks)
    return [
        replace(
            row,
            paired=paired,
            information=to_shuffle.get(row.label),
            best=row.label in pairs.best if pairs is not None and row.label in pairs.labels else None,
        )
        for row, paired in zip(rows, to_baseline, strict=True)
    ]


def read_row(spec: Mapping[str, Any], seeds: Sequence[int], reader: Reader, shared: float) -> Row:
    """The cells of one method with its metrics; costs and comparisons need other rows and follow later.

    `shared` is the ratio of test to training rows in a cross-validation.
    """
    needs = spec.get("needs", {})
    # In a report over several grids a method is complete when all seeds of its own grid have a result.
    seeds = [seed for seed in seeds if str(seed) in spec["cells"]]
    read = {seed: reader.read(spec["cells"][str(seed)], needs.get(str(seed), [])) for seed in seeds}
    cells = {seed: cell for seed, cell in read.items() if isinstance(cell, Cell)}
    tested = min((cell.tested for cell in cells.values()), default=1)
    return Row(
        spec=spec,
        seeds=tuple(seeds),
        cells=cells,
        absent={seed: cell for seed, cell in read.items() if isinstance(cell, Absent)},
        metrics={
            name: t_interval(
                [cell.metrics[name] for cell in cells.values()],
                bounds=BOUNDS.get(name, ANY),
                overlap=shared,
                rows=tested if name in COUNTED else math.inf,
            )
            for name in METRICS
        },
        costs=Costs(math.nan, math.nan, math.nan, math.nan),
    )


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of no values."""
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else math.nan


def costs(row: Row, reference: Row | None) -> Costs:
    """A row's costs; passes are divided by the reference's, over the seeds that both have."""
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
    """Mean test metrics of the section's quality checkers that are finished."""
    folders = [store / name for name in spec.get("checkers", {}).get("quality", {}).values()]
    found = [read_json(folder / DONE, Metrics) for folder in folders if (folder / DONE).exists()]
    known = [metrics for metrics in found if metrics.get("accuracy") is not None]

    def measured(name: str) -> float:
        return mean(value for metrics in known if (value := metrics.get(name)) is not None)

    return Quality(len(known), measured("accuracy"), measured("log_loss"), measured("ece"))
