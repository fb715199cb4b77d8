"""`bench compare A B`: one comparison of two methods, whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.columns import percent, signed
from bench.leaderboard.compare.baseline import stacked
from bench.leaderboard.results import Paired, Row, Section
from bench.leaderboard.rules import Rules
from bench.stats.conditional import label_swap, per_seed
from bench.stats.crossed import Comparison
from bench.stats.needed import needed
from bench.stats.verdict import points, verdict
from bench.store.manifest import stored
from tasks.errors import did_you_mean_or_all


def compare(store: Path, a: str, rules: Rules, *, task: str | None) -> Iterator[str]:
    """The lines on `a` minus the baseline for each section of a store that has both.

    Raises UserError where none has.
    """
    b = rules.baseline
    manifest = stored(store)
    sections = [section for section in manifest["sections"] if task in (None, *names(section))]
    if not sections:
        raise UserError(f"no task {task} in {store}{did_you_mean_or_all(str(task), tasks(manifest))}")
    for label in (a, b):
        if not any(label in labels(section) for section in sections):
            known = set().union(*map(labels, manifest["sections"]))
            raise UserError(f"no method {label} in {store}{did_you_mean_or_all(label, sorted(known))}")
    both = [section for section in sections if {a, b} <= labels(section)]
    if a == b or not both:
        raise UserError(f"compare takes two methods, not {a} twice" if a == b else f"no task has {a} and {b}")
    for section in build({**manifest, "sections": both}, store, rules).sections:
        yield from told(section, a, rules)


def labels(section: dict[str, Any]) -> set[str]:
    """The methods of a section."""
    return {entry["label"] for entry in section["methods"]}


def names(section: dict[str, Any]) -> tuple[str, str]:
    """What `--task` may call a section."""
    return section["task"], section["task_ref"]


def tasks(manifest: dict[str, Any]) -> list[str]:
    """All names of tasks."""
    return sorted({name for section in manifest["sections"] for name in names(section)})


def told(section: Section, a: str, rules: Rules) -> Iterator[str]:
    """One section's comparison."""
    base = next(row for row in section.rows if row.is_baseline)
    row = next(row for row in section.rows if row.label == a)
    yield f"{row.label} against {base.label}: {section.spec['title']} ({section.spec['task_ref']}, {where(section)})"
    if row.paired is None or row.paired.accuracy is None or row.paired.macro_f1 is None:
        yield f"  no difference: {row.paired.withheld if row.paired else 'no cell has a result'}"
        yield ""
        return
    found = row.paired.accuracy
    yield from ("", "For new seeds and new test examples" if not found.conditional else "For new test examples alone")
    for name, text in primary(row, base, row.paired, found, row.paired.macro_f1, rules):
        yield f"  {name:<14}{text}"
    yield from settling(found, row.paired.withheld, rules.delta)
    yield from conditional(row, base, section)
    yield ""


def where(section: Section) -> str:
    """Where the data come from, and what tells the section from others of the task."""
    human = ["no human text"] if section.spec["stand_in"] else []
    return ", ".join([section.spec["source"], *human, *section.axes])


def primary(
    row: Row, base: Row, paired: Paired, found: Comparison, f1: Comparison, rules: Rules
) -> Iterator[tuple[str, str]]:
    """Names and values of the inference that the leaderboard uses."""
    shared = set(row.cells) & set(base.cells)
    accuracy = [sum(part.cells[seed].accuracy for seed in shared) / len(shared) for part in (row, base)]
    yield "accuracy", f"{percent(accuracy[0])} against {percent(accuracy[1])} on {found.examples:,} test rows"
    yield "difference", f"{interval(found)} points"
    yield "p", f"{found.p:.3g}, of this comparison alone"
    yield "t", f"standard error {100 * found.se:.2f} points, {found.df:.1f} degrees of freedom"
    if paired.withheld:
        yield "verdict", f"none: {paired.withheld}"
    else:
        yield "verdict", f"{verdict(found, found.p, delta=rules.delta).text}, of this comparison alone"
        yield "among others", among(paired, rules)
    yield "detectable", f"{points(found.detectable)} with 80 % power"
    yield "variances", ", ".join(f"{name} {value:.3g}" for name, value in found.components.items())
    if not found.conditional:
        by_seed = [row.cells[seed].accuracy - base.cells[seed].accuracy for seed in sorted(shared)]
        better = sum((gap > 0) + (gap == 0) / 2 for gap in by_seed)
        size = "not defined: nothing varies" if math.isnan(found.effect) else f"{found.effect:+.2f} sd of one more seed"
        yield "effect", f"{size}; better at {better:g} of {len(by_seed)} seeds (a tie is half)"
        yield "P(better)", f"{found.improvement:.2f} with one more seed on as many new test rows"
    yield "macro-F1", f"{interval(f1)} points, p {f1.p:.3g}"
    gained = row.information
    if gained is not None and gained.accuracy is not None:
        yield "information", f"{interval(gained.accuracy)} points over its within-class shuffle: {gained.verdict.text}"


def among(paired: Paired, rules: Rules) -> str:
    """The verdict that the leaderboard gives, which knows how many methods were compared."""
    if paired.family == "exploratory":
        return "exploratory: not a core method, not corrected"
    corrected = f"p {paired.p_corrected:.3g} by {rules.correction.author}, {paired.p_max_t:.3g} by step-down max-T"
    return f"{paired.verdict.word}: {corrected} over the section's core methods"


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
