"""How to read the leaderboard: each term and column in plain sentences, with the exact rules behind verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from bench.leaderboard.columns import COLUMNS, visible
from bench.leaderboard.formats.prose import escape
from bench.leaderboard.results import Report
from bench.leaderboard.rules import Rules
from bench.stats.verdict import exact_points


def reading(report: Report) -> str:
    """A list of explanations; those of columns that no section shows are left out."""
    visible_keys = {column.key for section in report.sections for column in visible(COLUMNS, section.rows)}
    entries = [
        *terms(report.rules),
        *comparisons(report),
        *cross_validated(report),
        *(information(report.rules) if "information_gain" in visible_keys else ()),
    ]
    return "\n".join(f"- {entry}" for entry in (*entries, *costs(report), *closing()))


def terms(rules: Rules) -> Iterator[str]:
    """Section, cell, baseline and the metrics."""
    plain = " (cross-entropy on the generated rows, without weights)" if rules.baseline == "ce" else ""
    yield (
        "**section**: one table: methods on one task, with one source of rows, encoder, preset and protocol. "
        "**cells**: one per seed; *4/5* means that 4 of 5 planned cells have a result."
    )
    yield f"**baseline**: the method that all others are compared with, here {escape(rules.baseline)}{plain}."
    yield (
        "**accuracy, macro-F1**: per cent, mean over seeds. The 95 % interval is for new seeds on the same test rows. "
        "**sd**: standard deviation over seeds. JSON, CSV and the HTML page also have log-loss (nats) and the expected "
        "calibration error (15 bins; per cent on the page, a share in JSON and CSV)."
    )


def comparisons(report: Report) -> Iterator[str]:
    """Differences, p-values, verdicts and the best group."""
    rules = report.rules
    yield (
        f"**Δ**: difference to {escape(rules.baseline)} in points, on the same seeds and test rows. Its 95 % interval "
        f"is for {new(report)}. {together(rules)} With few seeds it is too wide rather than too narrow."
    )
    yield (
        "**p**: p-value of Δ accuracy, first of this comparison alone, then corrected by "
        f"{rules.author} over the core methods that were planned for {place(rules)} (confirmatory). Of "
        f"these comparisons it keeps {rules.bounds} at 5 % or less. So a verdict depends on the number of "
        "methods in the family. †: exploratory; not a core method, p and interval not corrected."
    )
    yield (
        f"**verdict**: {equivalent(rules)} *better*, *worse*: not equivalent, and p < 0.05. *undecided*: "
        "neither; *detectable* is the true difference for which *better* or *worse* would have a chance of 80 % here, "
        "with the correction, if the variances are as estimated. *detectable: nothing*: not even a difference of 100 "
        "points would be found. A method with missing cells gets no verdict." + mixed(report)
    )
    yield (
        "**not shown to be worse** (the best group): *no*: some other method is significantly better. *yes*: none is; "
        "this does not show that the method is good, and with many methods and few seeds nearly all are *yes*. The "
        "rule: of M comparable methods (no cell missing, same code and versions), each is tested against the "
        "M − 1 others on the seeds that both have, one-sided at 5 % / (M − 1). So the best method is wrongly *no* with "
        "a chance of at most 5 %. *no* is not corrected for the number of methods or sections: with 4 / 9 core methods "
        "that are all equal, some core method is *no* in 14 / 26 % of simulated sections. The verdict is another test, "
        "two-sided against the baseline, so the baseline can be *no* although every verdict against it is *undecided*. "
        "*not ruled out as the best*, in the advice, are the core methods with *yes*."
    )


def equivalent(rules: Rules) -> str:
    """What *equivalent* means; with a margin of 0 nothing is."""
    if rules.delta == 0:
        return "*equivalent* is not used (`--delta 0`)."
    return (
        f"*equivalent*: a test at 5 %, corrected like p, excludes a true difference of {exact_points(rules.delta)} or "
        "more. The test allows for rows on which the methods would differ and that are not in this test. It does not "
        "allow for rare failed trainings that these seeds do not show."
    )


def place(rules: Rules) -> str:
    """The family of the corrections."""
    return "the report" if rules.family == "report" else "the section"


def new(report: Report) -> str:
    """What intervals of differences are for."""
    found = [row.paired.accuracy for section in report.sections for row in section.rows if row.paired]
    one_seed = [result.conditional for result in found if result is not None]
    if one_seed and all(one_seed):
        return "new test rows only, and these trained models, since there is one seed"
    crossed = "new seeds and new test rows: both are random effects, and they are crossed"
    return f"{crossed}; with one seed, for new test rows only" if any(one_seed) else crossed


def together(rules: Rules) -> str:
    """Whether intervals of differences are corrected."""
    if rules.intervals == "plain":
        return "It is not corrected for the number of methods, unlike the verdict (`--intervals simultaneous`)."
    kind = {
        "holm": "Simultaneous: with a chance of 95 % all intervals of the family contain the true "
        "differences. Where the verdict excludes 0 only because Holm corrects later steps for fewer methods, the "
        "interval ends at 0.",
        "bh": "Corrected: of the intervals that exclude 0, 5 % may miss, as of the verdicts.",
    }[rules.correction]
    return f"{kind} `--intervals plain` shows intervals of each comparison alone."


def cross_validated(report: Report) -> Iterator[str]:
    """What differs where real rows are cross-validated; nothing if no section is."""
    if not any(section.spec.get("cross_validation") for section in report.sections):
        return
    yield (
        "**cross-validation** (no test set and few real rows): each seed tests one fold of the real rows on a model "
        "that trained on the other folds. Folds share rows, so a seed is no new sample. The interval of Δ is for new "
        "real rows and seeds: from the variance between rows, as if there were only as many as a fold trains on, and "
        "the variance between seeds beyond it. The intervals of accuracy and macro-F1 are t intervals over seeds, "
        "corrected after Nadeau and Bengio (2003). There is no Δ of macro-F1. Accuracy is the mean over folds and Δ "
        "the mean over rows, so Δ may differ a little from the difference of two accuracies."
    )


def mixed(report: Report) -> str:
    """The meaning of *mixed environments*, if a method has this in place of a verdict."""
    withheld = [row.paired.withheld for section in report.sections for row in section.rows if row.paired]
    if not any(reason.startswith("mixed environments") for reason in withheld):
        return ""
    return (
        " *mixed environments*: the cells were trained by different code, versions or devices, so "
        "they are not compared "
        "(`--allow-mixed` compares them)."
    )


def information(rules: Rules) -> Iterator[str]:
    """The information gain."""
    yield (
        "**information gain**: the part of a method's effect that depends on which row gets which weight, not on "
        "the distribution of the weights. "
        "It is Δ accuracy between the method and itself with `shuffle=class`, which shuffles the weights among rows of "
        f"the same class. Its verdict is corrected by {rules.author} over these comparisons of "
        f"{place(rules)}, a family of their own."
    )


def costs(report: Report) -> Iterator[str]:
    """Human-labelled rows, passes and seconds."""
    fitted = any(row.spec.get("selection") == "fitted" for section in report.sections for row in section.rows)
    yield (
        "**real rows (use)**: how many human-labelled rows the method uses, and for what. *train*: it trains on them. "
        "*checker*: through the scores of the quality checker, a classifier trained on them. *prior*: their label "
        "shares alone. *texts*, *texts by class*: their texts without labels, or class by class. *gradient*: "
        "gradients of the loss on them. *select*: to choose the checkpoint or settings."
        + (" ‡: the same rows both fit and select." if fitted else "")
    )
    yield (
        "**passes**: rows that go through the model to train a cell, relative to a `ce` cell; scoring a row counts as "
        "a third of training on it. **seconds**: per cell, on the machine that trained it. **standalone**: includes "
        "what the method needs precomputed, such as its checkers. **cost**: the passes of the method and of all "
        "checkers that it needs; that of `ce` is 1."
    )


def closing() -> Iterator[str]:
    """The effect size, and what seeds are."""
    yield (
        "**effect size** (HTML page, JSON, CSV): Δ accuracy divided by the estimated standard deviation of the "
        "difference when both methods are trained with one more seed and tested on as many new examples."
    )
    yield "Seeds repeat a training on one data set. They are not further data sets."
