"""`bench compare A B`: one comparison of two methods, whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UserError, nearest
from bench.leaderboard.columns import percent, signed
from bench.leaderboard.paired import stacked
from bench.leaderboard.table import Row, Section, build
from bench.manifest import stored
from bench.stats.conditional import label_swap, per_seed
from bench.stats.crossed import Comparison
from bench.stats.needed import needed
from bench.stats.verdict import points, verdict


def compare(store: Path, a: str, b: str, *, task: str | None, delta: float, allow_mixed: bool) -> Iterator[str]:
    """The lines on A - B for each section of a store that has both. Raises UserError where none has."""
    manifest = stored(store)
    sections = [narrowed(section, a, b) for section in manifest["sections"] if task in (None, *names(section))]
    if not sections:
        raise UserError(f"no task {task} in {store}{nearest(str(task), tasks(manifest))}")
    for label in (a, b):
        if not any(entry["label"] == label for section in sections for entry in section["methods"]):
            known = {entry["label"] for section in manifest["sections"] for entry in section["methods"]}
            raise UserError(f"no method {label} in {store}{nearest(label, sorted(known))}")
    both = [section for section in sections if len(section["methods"]) == 2]
    if not both:
        raise UserError(f"{a} and {b} are two different methods of one task" if a == b else f"no task has {a} and {b}")
    table = build({**manifest, "sections": both}, store, baseline=b, delta=delta, allow_mixed=allow_mixed)
    for section in table.sections:
        yield from told(section, delta)


def narrowed(section: dict[str, Any], a: str, b: str) -> dict[str, Any]:
    """A section of two methods."""
    return {**section, "methods": [entry for entry in section["methods"] if entry["label"] in (a, b)]}


def names(section: dict[str, Any]) -> tuple[str, str]:
    """What `--task` may call a section."""
    return section["task"], section["task_ref"]


def tasks(manifest: dict[str, Any]) -> list[str]:
    """All names of tasks."""
    return sorted({name for section in manifest["sections"] for name in names(section)})


def told(section: Section, delta: float) -> Iterator[str]:
    """One section's comparison."""
    base = next(row for row in section.rows if row.is_baseline)
    row = next(row for row in section.rows if not row.is_baseline)
    yield f"{row.label} against {base.label}: {section.spec['title']} ({section.spec['task_ref']}, {where(section)})"
    if row.paired is None or row.paired.accuracy is None or row.paired.macro_f1 is None:
        yield f"  no difference: {row.paired.withheld if row.paired else 'no cell has a result'}"
        yield ""
        return
    found = row.paired.accuracy
    yield from ("", "For new seeds and new test examples" if not found.conditional else "For new test examples alone")
    for name, text in primary(row, base, found, row.paired.macro_f1, delta):
        yield f"  {name:<14}{text}"
    yield from settling(found, row.paired.withheld, delta)
    yield from conditional(row, base, section)
    yield ""


def where(section: Section) -> str:
    """Where the data come from."""
    return f"{section.spec['source']}, no human text" if section.spec["stand_in"] else str(section.spec["source"])


def primary(row: Row, base: Row, found: Comparison, f1: Comparison, delta: float) -> Iterator[tuple[str, str]]:
    """Names and values of the inference that the leaderboard uses."""
    shared = set(row.cells) & set(base.cells)
    accuracy = [sum(part.cells[seed].accuracy for seed in shared) / len(shared) for part in (row, base)]
    yield "accuracy", f"{percent(accuracy[0])} against {percent(accuracy[1])} on {found.examples:,} test rows"
    yield "difference", f"{interval(found)} points"
    yield "p", f"{found.p:.3g}, of this comparison alone; correct it when several are made"
    yield "t", f"standard error {100 * found.se:.2f} points, {found.df:.1f} degrees of freedom"
    held = row.paired.withheld if row.paired else ""
    yield "verdict", f"none: {held}" if held else verdict(found, found.p, delta=delta).text
    yield "detectable", f"{points(found.detectable)} with 80 % power"
    yield "variances", ", ".join(f"{name} {value:.3g}" for name, value in found.components.items())
    if not found.conditional:
        by_seed = [row.cells[seed].accuracy - base.cells[seed].accuracy for seed in sorted(shared)]
        better = sum((gap > 0) + (gap == 0) / 2 for gap in by_seed)
        sd = math.sqrt(found.components["seed"])
        size = f"{found.difference / sd:+.2f} sd between seeds" if sd > 0 else "not defined: the seeds agree"
        yield "effect", f"{size}; better at {better:g} of {len(by_seed)} seeds (a tie is half)"
    yield "macro-F1", f"{interval(f1)} points, p {f1.p:.3g}"


def interval(found: Comparison) -> str:
    """`+1.2 [-0.3, +2.7]`."""
    return f"{signed(found.difference)} [{signed(found.low)}, {signed(found.high)}]"


def settling(found: Comparison, withheld: str, delta: float) -> Iterator[str]:
    """What would settle an undecided comparison."""
    if withheld or verdict(found, found.p, delta=delta).word != "undecided":
        return
    more = needed(found, delta)
    yield from ("", "What would settle it, if difference and variances stay as they are")
    if not found.conditional:
        yield "  seeds         " + (f"{more.seeds:,} in all" if more.seeds else "no number of seeds on these test rows")
    rows = f"{more.examples:,} in all" if more.examples else "no number of test rows with these seeds"
    yield f"  test rows     {rows}"


def conditional(row: Row, base: Row, section: Section) -> Iterator[str]:
    """McNemar per seed and the joint permutation."""
    assert section.test is not None, "a difference has test rows"
    shared = sorted(set(row.cells) & set(base.cells))
    a, b = (stacked(part, shared) == section.test.labels for part in (row, base))
    yield from ("", "These trained models only (new test examples, not new seeds)")
    for seed, one in zip(shared, per_seed(a, b), strict=True):
        gap = row.cells[seed].accuracy - base.cells[seed].accuracy
        yield (
            f"  seed {seed:<9}{signed(gap):>5} points; right alone: {row.label} {one.a_alone}, {base.label} "
            f"{one.b_alone}; exact McNemar p {one.p:.3g}"
        )
    yield f"  all seeds     names swapped per example, exact permutation p {label_swap(a, b):.3g}"
