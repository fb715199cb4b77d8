"""`bench plan`: what a grid could show and what it would cost, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.commands.reports.calibrate import TABLE, designs_by_task
from bench.commands.reports.plan_costs import Expense, cost_lines, expense
from bench.config.request import Request
from bench.devices import on_gpu
from bench.errors import UserError
from bench.execution.engines import Engine
from bench.execution.grid import Options, planned, require_usable
from bench.execution.progress import Say
from bench.leaderboard.build import differing_axes
from bench.leaderboard.formats.prose import escape, markdown_row
from bench.leaderboard.rules import Rules, require_baseline
from bench.planning import estimate
from bench.planning.costs import measure
from bench.seeds import seeds_option
from bench.stats.calibration import Design
from bench.stats.design import Question
from bench.stats.needed import MOST_EXAMPLES
from bench.stats.power import Effects
from bench.stats.verdict import exact_points
from bench.store.files import write_together
from tasks.errors import join_names, plural

SUPPOSED_SD = 0.025  # of a difference between seeds, where neither --seed-sd nor --from says it
SEEDS = (2, 3, 5, 7, 10, 15, 20, 30)  # of the table
TITLES = 3  # sections that a line names


@dataclass(frozen=True)
class Wishes:
    """What the user asks for: `effect` and `seed_sd` in points, `power` as a share, `budget` in seconds."""

    effect: float = 2.0
    power: float = 0.8
    seed_sd: float | None = None
    store: Path | None = None
    budget: float | None = None


@dataclass(frozen=True)
class Prospect:
    """The power of one section: what it is about, its test rows or all rows of its folds, and the question."""

    title: str
    rows: int
    cells: int  # of one seed
    question: Question
    source: str  # where the variances come from

    @property
    def tested(self) -> str:
        """`1,374 test rows`, `300 cross-validated real rows`."""
        return plural(self.rows, self.question.unit)


def plan_grid(request: Request, options: Options, wishes: Wishes, engine: Engine, say: Say) -> Path:
    """Print power and cost of a grid, and write both to `plan.md` with a figure. Raises UserError."""
    require_usable(request, options, engine)
    workers = engine.count(options.workers)
    measured = measure(wishes.store or options.out, on_gpu())
    whole = expense(planned(request, options), options, measured)
    require_baseline({"sections": whole.plan.sections}, options.rules, "this grid")
    lines = [*trimmed(request, options, wishes, workers, measured, whole)] if wishes.budget is not None else []
    kept = lines.pop() if lines else whole
    assert isinstance(kept, Expense), "the last entry is what remains"
    sections = kept.plan.sections
    titles = [", ".join([section["task_ref"], *differing_axes(section, sections)]) for section in sections]
    families = families_of(sections, options.rules)
    prospects = grouped(
        [
            prospect(section, title, max(family, 1), options.rules, wishes)
            for section, title, family in zip(sections, titles, families, strict=True)
        ]
    )
    blocks = ["# Plan", *map(str, lines), "## Power", *power_blocks(prospects, wishes, kept, options.rules), "## Cost"]
    blocks += cost_lines(kept, workers)
    for block in blocks[1:]:
        say(block.removeprefix("## ") + ("\n" if block.startswith("|") else ""))
    return write_plan(options.reports, blocks, prospects, wishes, kept.seeds)


def trimmed(
    request: Request, options: Options, wishes: Wishes, workers: int, measured: Any, whole: Expense
) -> list[str | Expense]:
    """What of a grid fits the budget: a sentence, and the expense that remains. Raises UserError if no seed fits.

    Seeds go, the last one first, in all tasks and methods alike. Methods and tasks never go: whoever drops one that
    would have done well has chosen by nothing.
    """
    budget = wishes.budget or 0.0
    spelt, time = estimate.spell(budget), whole.schedule(workers).seconds
    on = plural(workers, "worker")
    if time <= budget:
        return [f"The grid fits the budget of {spelt} on {on}: {estimate.spell(time)}.", whole]
    low, high, best = 0, len(request.seeds), None  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        tried = expense(planned(replace(request, seeds=request.seeds[:middle]), options), options, measured)
        if tried.schedule(workers).seconds <= budget:
            low, best = middle, tried
        else:
            high = middle
    if best is None:
        one = expense(planned(replace(request, seeds=request.seeds[:1]), options), options, measured)
        raise UserError(
            f"--budget {spelt} is not enough for one seed, which takes about "
            f"{estimate.spell(one.schedule(workers).seconds)} on {on}; no method is dropped: name fewer in --methods"
        )
    dropped = ", ".join(map(str, request.seeds[low:]))
    left_out = f"seeds {dropped} are" if low < len(request.seeds) - 1 else f"seed {dropped} is"
    sentence = (
        f"The budget of {spelt} on {on} is enough for {low} of {plural(len(request.seeds), 'seed')} "
        f"({estimate.spell(best.schedule(workers).seconds)} of {estimate.spell(time)}): {left_out} left out, "
        f"all methods and tasks stay. `{seeds_option(request.seeds[:low])}` runs this; it is what follows."
    )
    return [sentence, best]


def families_of(sections: Sequence[Mapping[str, Any]], rules: Rules) -> list[int]:
    """The number of comparisons that the verdicts of each section are corrected over."""
    sizes = [
        sum(method["core"] and method["label"] != rules.baseline for method in section["methods"])
        for section in sections
    ]
    return [sum(sizes)] * len(sizes) if rules.family == "report" else sizes


def prospect(section: dict[str, Any], title: str, family: int, rules: Rules, wishes: Wishes) -> Prospect:
    """The question that a section of a plan answers, in a family of so many comparisons."""
    design, source = variances(section, rules, wishes)
    truth = Effects(design.sd**2, design.example, design.residual)
    known = design.seeds if wishes.store is not None and wishes.seed_sd is None else 0
    folds = (section.get("cross_validation") or {}).get("folds", 0)
    question = Question(wishes.effect / 100, wishes.power, family, rules.delta, truth, known, folds)
    return Prospect(title, section["sizes"]["test"], len(section["methods"]), question, source)


def variances(section: dict[str, Any], rules: Rules, wishes: Wishes) -> tuple[Design, str]:
    """The variances of a difference on a section, and where they come from."""
    if wishes.store is None:
        sd = SUPPOSED_SD if wishes.seed_sd is None else wishes.seed_sd / 100
        said = "supposed, since neither --seed-sd nor --from is given" if wishes.seed_sd is None else "--seed-sd"
        return Design(0, 0, sd), f"seed sd {exact_points(sd)} ({said}); variances over rows supposed"
    designs = known_designs(wishes.store, rules.baseline)
    wanted = [str(section[name]) for name in TABLE]
    # The table that agrees in most: first the task, then encoder, preset, protocol and rows. An encoder is its hash.
    key = max(designs, key=lambda key: [one == other for one, other in zip(key, wanted, strict=False)])
    design = by_row(designs[key])
    task, _, preset, protocol, encoder, *_ = key
    source = (
        f"{wishes.store}: {task}, {encoder}, {preset}, {protocol}, medians over its methods on {design.seeds} seeds"
    )
    if task != wanted[0]:
        source += " (another task, because the store has no comparison on this one)"
    if wishes.seed_sd is not None:
        return replace(design, sd=wishes.seed_sd / 100), f"seed sd --seed-sd; the rest from {source}"
    return design, f"seed sd {100 * design.sd:.2f} points; {source}"


def by_row(design: Design) -> Design:
    """A design whose examples are test rows: those of a cluster say less than as many others."""
    fewer = design.rows / design.examples if design.rows else 1.0
    return replace(design, total=design.total * fewer, examples=design.rows or design.examples)


@cache
def known_designs(store: Path, baseline: str) -> dict[tuple[str, ...], Design]:
    """`designs_by_task`, read once."""
    return designs_by_task(store, baseline)


def grouped(prospects: Sequence[Prospect]) -> list[Prospect]:
    """The sections with one answer as one: those with the same test rows, question and variances."""
    groups: dict[Any, list[Prospect]] = {}
    for one in prospects:
        groups.setdefault((one.rows, one.question, one.source), []).append(one)
    return [
        replace(group[0], title=join_names((one.title for one in group), TITLES), cells=sum(one.cells for one in group))
        for group in groups.values()
    ]


def power_blocks(prospects: Sequence[Prospect], wishes: Wishes, kept: Expense, rules: Rules) -> list[str]:
    """What is needed on each section, and the power by number of seeds as a table."""
    blocks, seeds = [], kept.seeds
    per_seed = len(kept.plan.cells) / seeds  # sections may share cells
    first_step = f"{rules.author}'s first step"
    margin = f"*equivalent* within {exact_points(rules.delta)}, or *better*, "
    find = "find a" if wishes.effect / 100 > rules.delta else f"call {margin}a"
    for one in prospects:
        question, truth = one.question, one.question.truth
        count = question.seeds(one.rows)
        rows = question.examples(seeds)
        total = truth.example + truth.rest
        lasting = 100 * truth.example / total if total else 0.0
        unit = question.unit
        enough = f"{rows:,} {unit}s would do" if rows else f"not even {MOST_EXAMPLES:,} {unit}s would do"
        cells = f", at most {count.number * one.cells:,} cells" if count.number else ""
        blocks.append(
            f"**{escape(one.title)}**: to {find} true difference of {exact_points(wishes.effect / 100)} in "
            f"{100 * wishes.power:g} % of cases, in a family of {plural(question.family, 'comparison')} "
            f"({first_step}), needs **{count.text} seeds** on {one.tested}{cells}. "
            f"With {plural(seeds, 'seed')}: {needed_rows(seeds, enough)}. "
            f"Variances: {one.source}; variance of an example {total:.3f}, of which {lasting:.0f} % lasts over seeds."
        )
    numbers = sorted({*SEEDS, *({seeds} if seeds > 1 else ())})
    head = ["seeds", *(f"power %, {escape(one.title)}" for one in prospects), "cells"]
    table = [head, ["---:"] * len(head)]
    for number in numbers:
        powers = [f"{100 * one.question.at(number, one.rows):.0f}" for one in prospects]
        table.append([str(number), *powers, f"{round(number * per_seed):,}"])
    return [*blocks, "\n".join(markdown_row(line) for line in table)]


def needed_rows(seeds: int, enough: str) -> str:
    """What is said of test rows; one seed says nothing about new seeds."""
    return enough if seeds > 1 else "nothing is known of new seeds"


def write_plan(reports: Path, blocks: Sequence[str], prospects: Sequence[Prospect], wishes: Wishes, seeds: int) -> Path:
    """Write `plan.md` and the figure of power by seeds."""
    from bench.leaderboard.figures.power import power_curves
    from bench.leaderboard.figures.style import render, styled

    numbers = list(range(2, 1 + max(30, seeds)))
    lines = {f"{one.title}, {one.tested}": one.question.curve(numbers, one.rows) for one in prospects}
    bands = {
        f"{one.title}, {one.tested}": [
            one.question.curve(numbers, one.rows, truth) for truth in one.question.extremes()
        ]
        for one in prospects
        if one.question.known_from > 1
    }
    with styled():
        svg, png = render(power_curves(numbers, lines, bands, wishes.effect, wishes.power, seeds))
    path = reports / "plan.md"
    picture = "![Power of a verdict by number of seeds](figures/plan-power.png)"
    place = list(blocks).index("## Cost")
    text = "\n\n".join([*blocks[:place], picture, *blocks[place:]]) + "\n"
    figures = {reports / "figures" / f"plan-power.{kind}": one for kind, one in (("svg", svg), ("png", png))}
    write_together({**figures, path: text.encode()})
    return path
