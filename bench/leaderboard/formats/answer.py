"""The answer with which a section begins: three sentences of advice, or why the section is not informative."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.leaderboard.advice import DEFAULT, PLAIN, REAL_ONLY, nothing_decided, uses_generated
from bench.leaderboard.columns import gain, percent
from bench.leaderboard.fold_seeds import USUAL_SEEDS, more_seeds, unequal_folds
from bench.leaderboard.formats.prose import escape
from bench.leaderboard.informative import FINDS_NOTHING
from bench.leaderboard.results import Advice, Against, Helps, Row, Section, find
from bench.stats.needed import Needed
from tasks.errors import join_names, plural
from tasks.roles import FILES

FULL = "full"  # the preset that trains every layer
NAMED = 3  # methods that a sentence names
IN_DOUBT = (
    "Open: no core method is shown to differ from another. If you need one now, train "
    f"**{DEFAULT}**, generated rows first and real rows last"
)
REASON = "why: docs/recommended.md in the repository"


def answer(section: Section) -> Iterator[str]:
    """Markdown: a banner, or a list of three sentences; neither for a section without any result."""
    if section.spec["stand_in"]:
        yield (
            "**Stand-in data, no human text: a language model wrote the real and test rows of this section too. The "
            "results show that the methods run, not how well they do on human data.**"
        )
    if section.uninformative:
        yield banner(section)
    elif section.advice is not None:
        yield "\n".join(f"- {sentence}" for sentence in sentences(section, section.advice))


def banner(section: Section) -> str:
    """Why there is no verdict and no ranking, and what would change that."""
    why = "; ".join(map(escape, section.uninformative))
    order = "" if "so_far" in section.spec else " Methods are in alphabetical order."
    return f"**Not informative: {why}.** So there are no verdicts, no ranking and no advice.{order}{remedy(section)}"


def remedy(section: Section) -> str:
    """The options that may make the section informative: more seeds, rows or layers that are trained."""
    if "so_far" in section.spec:
        return ""
    if len(section.spec["seeds"]) == 1:
        return f" `{more_seeds(section.spec)}` trains more seeds; finished cells are kept."
    few = FINDS_NOTHING in section.uninformative and len(section.spec["seeds"]) < USUAL_SEEDS
    seeds = [f"more seeds (`{more_seeds(section.spec)}`)"] if few and not section.spec.get("cross_validation") else []
    ways = [*seeds, *larger(section.spec)]
    return f" What may help: {'; '.join(ways)}." if ways else ""


def larger(spec: Mapping[str, Any]) -> Iterator[str]:
    """The options that use all rows that are there, or train more."""
    real, pool = (spec["sizes"].get(role, 0) for role in ("real", "pool"))
    if spec.get("cross_validation"):
        yield f"{'whole repeats' if unequal_folds(spec) else 'another repeat'} of the folds (`{more_seeds(spec)}`)"
    elif real < pool:
        own = f'`[real={pool}]` after the task in `--tasks`, or `--tasks "files[real={pool}]"` with `--generated`'
        named = f'`--tasks "{escape(spec["task"])}[real={pool}]"`'
        yield f"all {pool:,} real rows ({own if spec['source'] == FILES else named})"
    size = spec.get("generated_size")
    if size and size["used"] < size["of"]:
        yield f"all {size['of']:,} generated rows (`--generated-rows all`)"
    if spec["preset"] != FULL:
        yield f"training every layer (`--preset {FULL}`)"


def sentences(section: Section, advice: Advice) -> tuple[str, str, str]:
    """Does the generated set help; which method, how sure and what it is worth; what is open."""
    return helps(section, advice), use(section, advice), still_open(section, advice)


def helps(section: Section, advice: Advice) -> str:
    """Whether generated rows help, against the real rows alone and against the majority class."""
    title = "**Does the generated set help?**"
    constant = f"a constant guess ({percent(section.spec['majority'])} %)"
    shown = (
        f"; {share(len(advice.beat_majority), advice.measured)} shown, as trained here, to be better than {constant}"
    )
    beat = shown if advice.measured else ""
    most = advice.helped[0] if advice.helped else advice.closest
    if most is None or advice.helps is Helps.UNKNOWN:
        return f"{title} Not known, as {unknown(section)}{beat}."
    among = advice.with_generated
    lacking = sum(bool(row.spec["core"]) and uses_generated(row) for row in section.rows) - among
    highest = f"{escape(most.label)}, {worth(most)}" + (f"; {lacking} more without a comparison" if lacking else "")
    noun = "core method with generated rows"
    none = share(0, among, noun) if among == 1 else f"none of {plural(among, 'core method')} with generated rows is"
    if advice.helps is Helps.YES:
        return (
            f"{title} Yes: {share(len(advice.helped), among, noun)} shown to be better "
            f"than the real rows alone (highest: {highest}){beat}."
        )
    if advice.helps is Helps.NO:
        return (
            f"{title} No: {none} better than the real rows "
            f"alone, and a gain that matters is excluded for each (highest: {highest}){beat}."
        )
    return f"{title} Not shown: {none} shown to be better than the real rows alone (highest: {highest}){beat}."


def unknown(section: Section) -> str:
    """Why nothing is known of generated rows."""
    real = find(section.rows, REAL_ONLY)
    alone = f"{REAL_ONLY} (the real rows alone)"
    if real is None or not real.cells:
        return f"{alone} has no result here"
    if not real.complete:
        return f"{alone} is incomplete: {len(real.cells)}/{len(real.seeds)}"
    if not any(row.spec["core"] and uses_generated(row) for row in section.rows):
        return "there is no core method with generated rows"
    return f"no core method with generated rows is complete and comparable with {alone}"


def share(count: int, of: int, noun: str = "method") -> str:
    """`3 of 9 methods are`, `the one method is`."""
    if of == 1:
        return f"the one {noun} is" + ("" if count else " not")
    first, _, rest = noun.partition("method")
    number = f"all {of}" if count == of else f"{count or 'none'} of {of}"
    return f"{number} {first}methods{rest} {'is' if count == 1 else 'are'}"


def use(section: Section, advice: Advice) -> str:
    """The choice, how sure it is, and what it is worth."""
    title = "**Which method?**"
    if advice.choice is None:
        return f"{title} {nameless(section)}"
    parts = [f"{title} **{escape(advice.choice)}**, {why(section, advice)}"]
    if nothing_decided(section.rows, advice):
        row = find(section.rows, DEFAULT)
        how = "" if row is not None and row.complete else f"`--methods core,{DEFAULT}` compares it; "
        choice = f"Of the core methods, {escape(advice.choice)} is {why(section, advice)}"
        parts = [f"{title} {IN_DOUBT} ({how}{REASON}). {choice}"]
    values = [
        f"over {name}: {worth(one)}"
        for name, one in (("plain cross-entropy (ce)", advice.over_plain), ("the real rows alone", advice.over_real))
        if one is not None
    ]
    parts += [f"worth {'; '.join(values)}"] if values else []
    if advice.exploratory_above:
        parts.append(f"exploratory methods above it, to be confirmed on new seeds: {some(advice.exploratory_above)}")
    return "; ".join(parts) + "."


def why(section: Section, advice: Advice) -> str:
    """What speaks for the choice: it is alone in the best group, or the simplest there."""
    apart = f"; not compared with it, as seeds, code or device differ: {some(advice.apart)}" if advice.apart else ""
    if (other := advice.two_sided_rival) is not None:
        apart = (
            f"; {escape(other)} is shown to be worse than some method by the one-sided tests of the best group, but is "
            f"undecided against {escape(advice.choice)} by the two-sided one of the verdict{apart}"
        )
    chosen = next(row for row in section.rows if row.label == advice.choice)
    if not chosen.best and sum(bool(row.spec["core"]) for row in section.rows) == 1:
        return f"the only core method, but shown to be worse than some other method{apart}"
    if not chosen.best:
        return f"the simplest core method, but each that is compared is worse than some other method{apart}"
    if not advice.rivals:
        return f"the only core method that no other is shown to beat{apart}"
    others = plural(len(advice.rivals), "other core method")
    verb = "is" if len(advice.rivals) == 1 else "are"
    return (
        f"the simplest that no other is shown to beat; {others} {verb} not ruled out as the best: {some(advice.rivals)}"
        + apart
    )


def nameless(section: Section) -> str:
    """Why no method can be named."""
    core = [row for row in section.rows if row.spec["core"]]
    if not core:
        return "None can be named, as all methods are exploratory."
    complete = [row for row in core if row.cells and row.complete]
    if not complete:
        return "No core method is complete, so none can be named."
    if len(complete) == 1:
        return f"{escape(complete[0].label)} is the only complete core method, so there is nothing to compare it with."
    return "None can be named, as no two core methods share two seeds, code, versions and device."


def still_open(section: Section, advice: Advice) -> str:
    """The most important open comparison, what would settle it, and the core methods that lack cells."""
    title = "**What is open?**"
    one, lacking = advice.question, unfinished(section)
    retried = any(cell.failed for row in lacking for cell in row.absent.values())
    how = f"the same command{' with `--retry-failed`' if retried else ''} continues them"
    if advice.choice is None and lacking:
        return f"{title} Everything, until the cells of this section are finished: {how}."
    if advice.choice is None:
        return f"{title} Everything, as core methods are not compared here."
    counts = [f"{row.label} ({len(row.cells)}/{len(row.seeds)})" for row in lacking]
    rest = f" Not compared, as cells are missing: {some(counts)}; {how}." if lacking else ""
    if one is None or one.paired.needed is None:
        return f"{title} No core method is undecided against the choice.{rest}"
    return (
        f"{title} Whether {escape(one.label)} is better than {name_of(one.reference)} "
        f"({gain(one.paired.shown)} points); {settle(one.paired.needed)}.{rest}"
    )


def unfinished(section: Section) -> list[Row]:
    """The core methods that lack cells."""
    return [row for row in section.rows if row.spec["core"] and row.absent]


def name_of(label: str) -> str:
    """A reference method in words."""
    return {PLAIN: "plain cross-entropy (ce)", REAL_ONLY: "the real rows alone (real-only)"}.get(label, escape(label))


def settle(more: Needed) -> str:
    """`a new run with 12 seeds, or with 5,000 test rows, would settle it ...`; which numbers are out of reach.

    A number of test rows whose interval has no upper end is not named as a way: it appears where seeds happen not to
    vary, and then its power is far below 80 % (docs/evidence.md, *Power*).
    """
    rows = (more.examples, more.unit)
    counts = [(more.seeds, "seed"), rows] if more.seeds else [rows]
    doubt = ""
    if more.seeds and (span := interval(more.examples)) and more.examples.number and more.examples.high is None:
        counts.remove(rows)
        doubt = f"; whether more {more.unit}s alone would settle it is not known (80 % interval {span})"
    ways = [
        f"{plural(count.number, noun)} in all" + (f" (80 % interval {text})" if (text := interval(count)) else "")
        for count, noun in counts
        if count is not None and count.number is not None
    ]
    beyond = [(f"{count.most:,}", f"{noun}s") for count, noun in counts if count is not None and count.number is None]
    truth = "if the difference and the variances are as estimated"
    if not ways:
        numbers = " nor ".join(map(" ".join, beyond))
        neither = f"neither {numbers} would" if len(beyond) > 1 else f"not even {numbers} would"
        return f"{truth}, {neither} settle it with 80 % power{doubt}"
    alone = f"; more {beyond[0][1]} alone would not (computed up to {beyond[0][0]})" if beyond else ""
    return f"{truth}, a new run with {' or with '.join(ways)} would settle it with 80 % power{alone}{doubt}"


def interval(count: Any) -> str:
    """`6 to 36`; empty where there is none."""
    if count.low is None:
        return ""
    return f"{count.low:,} to {f'{count.high:,}' if count.high is not None else f'more than {count.most:,}'}"


def worth(one: Against) -> str:
    """`+1.2 [-0.3, +2.7] points, undecided`."""
    return f"{gain(one.paired.shown)} points, {escape(one.paired.verdict.word)}"


def some(labels: Sequence[str]) -> str:
    """The first labels, and how many more there are."""
    return join_names(map(escape, labels), NAMED)


def answer_json(section: Section) -> dict[str, Any]:
    """The advice for programs: `informative`, the reasons if not, and the comparisons behind each sentence."""
    advice = section.advice
    value: dict[str, Any] = {"informative": not section.uninformative, "reasons": list(section.uninformative)}
    if advice is None:
        return value
    return {
        **value,
        "helps": str(advice.helps),
        "helped": [one.label for one in advice.helped],
        "choice": advice.choice,
        "over_ce": against_json(advice.over_plain),
        "over_real_only": against_json(advice.over_real),
        "not_ruled_out": list(advice.rivals),
        "not_compared": list(advice.apart),
        "unfinished": [row.label for row in unfinished(section)],
        "exploratory_above": list(advice.exploratory_above),
        "better_than_majority": sorted(advice.beat_majority),
        "open": against_json(advice.question),
        "sentences": list(sentences(section, advice)),
    }


def against_json(one: Against | None) -> dict[str, Any] | None:
    """A comparison: difference with its interval, corrected p, verdict, and what would settle it."""
    if one is None or one.paired.shown is None:
        return None
    result, more = one.paired.shown, one.paired.needed
    return {
        "method": one.label,
        "reference": one.reference,
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "p_corrected": one.paired.p_corrected,
        "verdict": one.paired.verdict.word,
        "needed_seeds": more.seeds.number if more and more.seeds else None,
        "needed_test_rows": more.examples.number if more else None,
    }
