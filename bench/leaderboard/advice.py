"""Advice of a section: whether the generated set helps, which method to use, and what would settle what is open.

All comparisons have the correction of the report, with its family. The rule of the choice:

1. Candidates are the core methods that no other method is shown to beat: members of the best group, except those that a
   core method beats in the corrected comparison with them as the baseline (`ce` and `real-only` only).
2. Of the candidates the simplest counts, since nothing shows that a more complex one is better: plain cross-entropy on
   one set (`real-only`, `ce`), then the other reference methods, then weighting methods by their cost with all they
   need. Equally simple ones are ordered by mean accuracy.

Exploratory methods are never chosen; they are named where they stand above the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import methods
from bench.leaderboard.results import Advice, Against, Helps, Row

PLAIN, REAL_ONLY = "ce", "real-only"  # plain cross-entropy on the generated rows, and on the real rows alone
DEFAULT = "real-finetune"  # the method to begin with where nothing is decided; docs/recommended.md has the trials
SAME_COST = 0.05  # passes relative to `ce`; methods whose costs round to the same multiple are equally simple


Comparisons = Callable[[str], Mapping[str, Against]]


def advise(rows: Sequence[Row], compared: Comparisons, beat_majority: frozenset[str]) -> Advice:
    """The advice of a section with these rows. `compared`: all methods against the one of a label, by label.

    `beat_majority`: the methods that are shown to be better than a constant guess.
    """
    against = {label: compared(label) for label in (PLAIN, REAL_ONLY)}
    helped, closest = with_generated_rows(rows, against[REAL_ONLY])
    chosen = choice(rows, against)
    others = compared(chosen.label) if chosen else {}
    over = {label: against[label].get(chosen.label) if chosen else None for label in against}
    helps = helps_of(rows, against[REAL_ONLY])
    question = open_question(helps, closest, over, others)
    unsettled = {question.label, question.reference} if question else set[str]()
    open_rivals = unsettled - {chosen.label} if chosen and chosen.label in unsettled else set[str]()
    return Advice(
        helps=helps,
        helped=helped,
        closest=closest,
        with_generated=sum(eligible(row, against[REAL_ONLY]) for row in rows),
        choice=chosen.label if chosen else None,
        over_plain=over[PLAIN],
        over_real=over[REAL_ONLY],
        over_choice=others.get(DEFAULT),
        rivals=tuple(row.label for row in rows if row is not chosen and row.spec["core"] and row.best),
        two_sided_rival=next((row.label for row in rows if row.label in open_rivals and row.best is False), None),
        apart=tuple(
            row.label for row in rows if chosen and row.spec["core"] and row.cells and row.complete and row.best is None
        ),
        exploratory_above=tuple(
            row.label
            for row in rows
            if chosen and row.best and not row.spec["core"] and row.accuracy.mean > chosen.accuracy.mean
        ),
        question=question,
        beat_majority=beat_majority,
        measured=sum(bool(row.cells) for row in rows),
    )


def uses_generated(row: Row) -> bool:
    """Whether the method trains on generated rows."""
    return row.label != REAL_ONLY and row.spec["hyperparameters"].get("train_on") != "real"


def with_generated_rows(
    rows: Sequence[Row], against_real: Mapping[str, Against]
) -> tuple[tuple[Against, ...], Against | None]:
    """`helped` and `closest` of an `Advice`."""
    core = [against_real[row.label] for row in rows if eligible(row, against_real)]
    core.sort(key=estimate, reverse=True)
    helped = tuple(one for one in core if one.paired.verdict.word == "better")
    return helped, next((one for one in core if one not in helped), None)


def eligible(row: Row, against: Mapping[str, Against]) -> bool:
    """Whether it is a core method that trains on generated rows and has such a comparison."""
    return bool(row.spec["core"]) and uses_generated(row) and row.label in against


def estimate(one: Against) -> float:
    """The difference of accuracy."""
    return one.paired.accuracy.difference if one.paired.accuracy else math.nan


def helps_of(rows: Sequence[Row], against_real: Mapping[str, Against]) -> Helps:
    """Whether the generated set helps; while a core method has no comparison, it is not known that none does."""
    words = [against_real[row.label].paired.verdict.word for row in rows if eligible(row, against_real)]
    if not words:
        return Helps.UNKNOWN
    if "better" in words:
        return Helps.YES
    of_generated = sum(bool(row.spec["core"]) and uses_generated(row) for row in rows)
    return Helps.OPEN if "undecided" in words or len(words) < of_generated else Helps.NO


def choice(rows: Sequence[Row], against: Mapping[str, Mapping[str, Against]]) -> Row | None:
    """The simplest core method that no other is shown to beat; None if no core method can be compared."""
    core = [row for row in rows if row.spec["core"]]
    beaten = {
        label
        for label, others in against.items()
        if any(row.label in others and others[row.label].paired.verdict.word == "better" for row in core)
    }
    group = [row for row in core if row.best] or [row for row in core if row.best is not None]
    order = partial(complexity, references=methods.group("references"))
    return min([row for row in group if row.label not in beaten] or group, key=order, default=None)


def complexity(row: Row, references: Collection[str]) -> tuple[int, float, float, str]:
    """The order of simplicity: kind, cost with all that the method needs, then accuracy."""
    kind = 0 if row.label in (PLAIN, REAL_ONLY) else 1 if row.label in references else 2
    cost = row.costs.passes_standalone
    steps = 0.0 if kind < 2 else math.inf if math.isnan(cost) else round(cost / SAME_COST / 2)
    return kind, steps, -row.accuracy.mean, row.label


def open_question(
    helps: Helps, closest: Against | None, over: Mapping[str, Against | None], others: Mapping[str, Against]
) -> Against | None:
    """The undecided comparison that matters most.

    First whether generated rows help, then whether the choice is better than plain cross-entropy, then whether another
    core method is better than the choice: the highest one that is undecided against it, even if it stands below.
    """
    if helps is Helps.OPEN and closest is not None and undecided(closest):
        return closest
    plain = over[PLAIN]
    if plain is not None and undecided(plain):
        return plain
    return max((one for one in others.values() if undecided(one) and is_core(one)), key=estimate, default=None)


def undecided(one: Against) -> bool:
    """Whether the verdict is open."""
    return one.paired.verdict.word == "undecided"


def is_core(one: Against) -> bool:
    """Whether the method's comparison is corrected over the core methods."""
    return one.paired.family == "confirmatory"


def nothing_decided(rows: Sequence[Row], advice: Advice) -> bool:
    """Whether no core method is shown to differ from another, and the method for this case not to be worse.

    Not worse than the baseline, and not worse than the choice.
    """
    core = [row for row in rows if row.spec["core"] and row.cells and row.complete]
    words = [row.paired.verdict.word for row in core if row.paired is not None and row.paired.verdict.word]
    default = [row.paired.verdict.word for row in rows if row.label == DEFAULT and row.paired is not None]
    default += [advice.over_choice.paired.verdict.word] if advice.over_choice is not None else []
    references = [one.paired.verdict.word for one in (advice.over_plain, advice.over_real) if one is not None]
    all_best = all(row.best for row in core)
    return all_best and len(words) > 0 and {*words, *references} == {"undecided"} and "worse" not in default
