"""`bench compare A B`: shows all numbers of the comparison of two methods on each task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.commands.reports.report import looked
from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.columns import NOTHING, gain, percent, signed
from bench.leaderboard.compare.baseline import stacked
from bench.leaderboard.compare.families import alone, judge
from bench.leaderboard.read.examples import FEWEST_PER_CLASS
from bench.leaderboard.results import Paired, Row, Section
from bench.leaderboard.rules import Rules
from bench.stats.conditional import label_swap, per_seed
from bench.stats.crossed import Comparison
from bench.stats.verdict import ALPHA, exact_points, with_interval
from bench.store.manifest import stored
from bench.store.merge import refuse_mixed_rows
from tasks.errors import did_you_mean_or_all, plural


def compare(store: Path, a: str, rules: Rules, *, task: str | None, margin: float | None = None) -> Iterator[str]:
    """Lines on `a` minus the baseline, for each section of a store that has both. Raises UserError if none has.

    `margin`: also test whether `a` is worse by less than this share.
    """
    if margin is not None and not margin > 0:
        raise UserError(f"--non-inferior must be a number of points above 0, not {100 * margin:g}")
    b = rules.baseline
    manifest = stored(store)
    sections = sections_of(manifest, task, str(store))
    for label in (a, b):
        if not any(label in method_labels(section) for section in sections):
            known = set().union(*map(method_labels, manifest["sections"]))
            raise UserError(f"no method {label!r} in {store}{did_you_mean_or_all(label, sorted(known))}")
    both = [section for section in sections if {a, b} <= method_labels(section)]
    apart = f"no section has both {a} and {b}; `bench run --methods {a},{b}` trains them on the same task"
    if a == b or not both:
        raise UserError(f"compare takes two methods, not {a} twice" if a == b else apart)
    # A family that is the report has the comparisons of all sections.
    read = manifest["sections"] if rules.family == "report" else both
    shown = {**manifest, "sections": read}
    if not rules.allow_mixed:
        refuse_mixed_rows(store, shown)
    built = build(shown, store, rules).sections
    for spec, section in zip(read, built, strict=True):
        if spec in both:
            yield from section_lines(section, a, rules, margin)
    looked([store], store, {**manifest, "sections": both})


def method_labels(section: dict[str, Any]) -> set[str]:
    """The labels of the methods of a section."""
    return {entry["label"] for entry in section["methods"]}


def names_of_task(section: Mapping[str, Any]) -> tuple[str, str]:
    """The task of a section as `--task` may write it: its name alone, or with its options."""
    return section["task"], section["task_ref"]


def sections_of(manifest: Mapping[str, Any], task: str | None, place: str) -> list[dict[str, Any]]:
    """The sections of a task; None: all. Raises UserError where `place` has no such task."""
    found = [section for section in manifest["sections"] if task in (None, *names_of_task(section))]
    if not found:
        known = sorted({name for section in manifest["sections"] for name in names_of_task(section)})
        raise UserError(f"no task {task} in {place}{did_you_mean_or_all(str(task), known)}")
    return found


def section_lines(section: Section, a: str, rules: Rules, margin: float | None) -> Iterator[str]:
    """The comparison on one section."""
    base = next(row for row in section.rows if row.is_baseline)
    row = next(row for row in section.rows if row.label == a)
    yield f"{row.label} against {base.label}: {section.spec['title']} ({section.spec['task_ref']}, {where(section)})"
    if row.paired is None or row.paired.accuracy is None:
        yield f"  no difference: {row.paired.withheld if row.paired else 'no cell has a result'}"
        yield ""
        return
    accuracy = row.paired.accuracy
    yield from ("", "For new seeds and new test rows" if not accuracy.conditional else "For new test rows only")
    for name, text in primary(row, base, row.paired, accuracy, section, rules):
        yield f"  {name:<14}{text}"
    if margin is not None:
        yield f"  {'non-inferior':<14}{non_inferiority(row.paired, margin, rules)}"
    for reason in section.uninformative:
        yield f"  not informative: {reason}"
    yield from needed_to_decide(row.paired)
    yield from conditional(row, base, section)
    yield ""


def where(section: Section) -> str:
    """The source of the data, and the settings that differ from other sections of the task."""
    human = ["no human text"] if section.spec["stand_in"] else []
    return ", ".join([section.spec["source"], *human, *section.axes])


def primary(
    row: Row, base: Row, paired: Paired, accuracy: Comparison, section: Section, rules: Rules
) -> Iterator[tuple[str, str]]:
    """Names and values of the inference that the leaderboard uses."""
    shared = sorted(set(row.cells) & set(base.cells))[: accuracy.seeds]  # those up to the last planned look
    means = [sum(part.cells[seed].accuracy for seed in shared) / len(shared) for part in (row, base)]
    yield "accuracy", f"{percent(means[0])} against {percent(means[1])} on {rows_tested(accuracy, row, shared)}"
    yield "difference", f"{gain(paired.shown or accuracy)} points{together(paired, rules)}"
    silent = paired.match is not None and bool(paired.match.withheld)  # cells or seeds are missing: no p
    if not silent:
        p = accuracy.p if paired.withheld else paired.p_alone
        over_looks = ", over all planned looks so far" * (p != accuracy.p)
        yield "p", f"{p:.3g}, not corrected for other comparisons{over_looks}"
    df = "not defined" if math.isnan(accuracy.df) else f"{accuracy.df:.1f}"
    yield "std. error", f"{100 * accuracy.se:.2f} points; degrees of freedom of t: {df}"
    if paired.withheld:
        yield "verdict", f"none: {paired.withheld}"
    else:
        yield "verdict", f"{paired.verdict.text}: {behind(paired, rules)}"
        if paired.match is not None:
            [only] = judge([paired.match], ["alone"], alone([paired.match], rules), rules)
            text = f"{only.verdict.text}, {gain(only.shown or accuracy)} points"
            yield "alone", f"{text}, if it were the only comparison"
    if paired.verdict.detectable:
        yield "detectable", f"{with_interval(paired.verdict.detectable)} with 80 % power"
    known = {name: NOTHING if math.isnan(value) else f"{value:.3g}" for name, value in accuracy.components.items()}
    yield "variances", ", ".join(f"{name} {value}" for name, value in known.items())
    if not accuracy.conditional:
        by_seed = [row.cells[seed].accuracy - base.cells[seed].accuracy for seed in shared]
        better = sum((gap > 0) + (gap == 0) / 2 for gap in by_seed)
        effect = f"{accuracy.effect:+.2f} sd of one more seed"
        effect = "not defined: nothing varies" if math.isnan(accuracy.effect) else effect
        yield "effect", f"{effect}; better at {better:g} of {len(by_seed)} seeds (a tie is half)"
    if (f1 := paired.macro_f1) is not None:
        unit = "test rows" if section.test is None or section.test.clusters is None else "clusters of test rows"
        few = f"; no interval: a class has fewer than {FEWEST_PER_CLASS} {unit}"
        said = few if math.isnan(f1.p) else "" if silent else f", p {f1.p:.3g}, not corrected"
        yield "macro-F1", f"{gain(paired.shown_f1 or f1)} points{said}"
    gained = row.information
    if gained is not None and gained.accuracy is not None:
        yield (
            "information",
            f"{gain(gained.shown)} points over its within-class shuffle: {gained.verdict.text}",
        )


def rows_tested(result: Comparison, row: Row, seeds: Sequence[int]) -> str:
    """`1,374 test rows`, or `1,374 test rows in 1,300 clusters` where clusters count, or the rows of all folds."""
    predictions = [row.cells[seed].predictions.tolist() for seed in seeds]
    count = len(predictions[0])
    if any(min(one) < 0 for one in predictions):
        seen = sum(max(of_row) >= 0 for of_row in zip(*predictions, strict=True))
        return f"{seen:,} of {plural(count, 'real row')}, a fold per seed"
    clusters = "" if count == result.examples else f" in {plural(result.examples, 'cluster')}"
    return f"{count:,} test rows{clusters}"


def non_inferiority(paired: Paired, margin: float, rules: Rules) -> str:
    """Whether a loss of the margin or more is excluded at 5 %, by Bonferroni over the family."""
    if paired.match is None or paired.withheld:
        return f"no test: {paired.withheld}"
    alone = paired.match.p_non_inferior(margin)
    p = min(1.0, alone * paired.size)
    said = f"a loss of {exact_points(margin)} or more is {'excluded' if p < ALPHA else 'not excluded'}"
    times = "" if paired.size == 1 else f", {p:.3g} by Bonferroni {over(paired, rules)}"
    return f"{'yes' if p < ALPHA else 'not shown'}: {said}; p {alone:.3g}{times}"


def behind(paired: Paired, rules: Rules) -> str:
    """The p-values that the verdict of the leaderboard rests on."""
    if paired.family == "exploratory":
        return "not a core method, so not corrected"
    max_t = "" if math.isnan(paired.p_max_t) else f", {paired.p_max_t:.3g} by step-down max-T"
    p_values = f"p {paired.p_corrected:.3g} by {rules.author}{max_t}"
    return f"{p_values} {over(paired, rules)}"


def over(paired: Paired, rules: Rules) -> str:
    """The family of the comparison: `over the section's 8 core methods`."""
    if rules.family == "report":
        return f"over the report's {plural(paired.size, 'comparison')}"
    return f"over the section's {plural(paired.size, 'core method')}"


def together(paired: Paired, rules: Rules) -> str:
    """What the interval of the verdict holds for, unless it is a plain one."""
    if rules.intervals == "plain" or paired.family == "exploratory" or paired.size == 1:
        return ""
    family = over(paired, rules).removeprefix("over ")
    if rules.correction == "bh":
        return f"; of the intervals of {family} that exclude 0, at most 5 % are expected to miss"
    return f", 95 % for all {family} together"


def needed_to_decide(paired: Paired) -> Iterator[str]:
    """How many seeds or test rows would decide an undecided comparison, as in the leaderboard."""
    if paired.needed is None:
        return
    corrected = "" if paired.family == "exploratory" else f", corrected over {plural(paired.size, 'comparison')}"
    truth = "if the true difference and the variances are as estimated"
    yield from ("", f"Needed for a decision with 80 % power{corrected}, {truth}")
    if paired.needed.seeds:
        yield f"  seeds         {paired.needed.seeds.text} in all"
    yield f"  {f'{paired.needed.unit}s':<13} {paired.needed.examples.text} in all"


def conditional(row: Row, base: Row, section: Section) -> Iterator[str]:
    """McNemar's test per seed, and the permutation test over all seeds."""
    assert section.test is not None, "a difference has test rows"
    shared = sorted(set(row.cells) & set(base.cells))
    a, b = (stacked(part, shared) == section.test.labels for part in (row, base))
    yield from ("", "For these trained models only (new test rows, no new seeds)")
    clusters = section.test.clusters
    for seed, one in zip(shared, per_seed(a, b), strict=True):
        gap = row.cells[seed].accuracy - base.cells[seed].accuracy
        yield (
            f"  seed {seed:<9}{signed(gap):>5} points; only {row.label} right: {one.a_alone}, only {base.label} "
            f"right: {one.b_alone}; exact McNemar p {one.p:.3g}"
        )
    if clusters is not None:
        yield "                McNemar's test counts rows as independent, which these are not"
    unit = "example" if clusters is None else "cluster of test rows"
    yield (
        f"  all seeds     labels swapped per {unit}, permutation p {label_swap(a, b, clusters):.3g} (exact if the "
        f"methods are alike on each {unit}, not only in the mean)"
    )
