"""The sentences of a report, shared by Markdown, HTML and TeX. `explain` holds how to read the columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bench.leaderboard.columns import number, percent
from bench.leaderboard.formats.tuned_settings import tuned_settings
from bench.leaderboard.results import Report, Section
from bench.seeds import SOURCES
from bench.stats.looks import shares
from bench.store.layout import ENVIRONMENT
from tasks.errors import MAX_NAMES, join_names, plural
from tasks.findings import large_shift, real_shares_help

MANY_PASSES, USUAL_EPOCHS = 4, 5  # of a quality checker over its rows
NUMBERS = "All numbers"  # the title of a section's second table
# Characters that are markup in Markdown, or in that of GitHub: an underscore only at the edge of a word, a bracket only
# after a link's text, a dollar only before a formula.
SPECIAL = re.compile(r"[\\`*|]|<(?=[A-Za-z/!?])|(?<=\])\(|(?<!\w)_|_(?!\w)|~(?=~)|\$(?=\S)|&(?=#?\w+;)")


def escape(text: Any) -> str:
    """Text on one line that Markdown shows as it is, also inside a table."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def markdown_row(cells: Iterable[str]) -> str:
    """A row of a Markdown table; its cells are escaped already."""
    return "| " + " | ".join(cells) + " |"


def opening(report: Report) -> Iterator[str]:
    """Where the terms are explained, which reference methods are missing, and which methods the grid left out."""
    yield (
        "A cell is the result of one method with one seed on one task. *How to read it*, at the end, explains every "
        "column."
    )
    references = report.manifest.get("references_missing", [])
    if references:
        yield f"**Reference methods missing:** {', '.join(map(escape, references))}."
    left_out = report.manifest.get("left_out", {})
    if left_out:
        yield "Left out: " + "; ".join(f"{escape(name)} ({escape(why)})" for name, why in left_out.items()) + "."


def heading(section: Section) -> str:
    """Title, task, source, and the settings that distinguish it from other sections of the task.

    A task of the user's files has one name, which is not repeated.
    """
    title, task = section.spec["title"], section.spec["task_ref"]
    named = title == task or title.startswith(f"{task} (")
    details = ", ".join([*([] if named else [task]), section.spec["source"], *section.axes])
    return escape(f"{title} ({details})")


def conditions(section: Section) -> str:
    """Encoder, preset, protocol, numbers of rows and seeds as a list."""
    spec = section.spec
    tuned = str(spec["protocol"]).startswith("tuned")
    settings = ", ".join(
        f"{escape(key)} {escape(value)}" for key, value in spec["settings"].items() if value is not None
    )
    guess = f"constant guess {percent(spec['majority'])} % (always answering the most frequent class of the test)"
    return "\n".join(
        [
            f"- encoder: {escape(spec['encoder'])}" + checker_encoder(section),
            f"- preset: {escape(spec['preset'])} ({settings})",
            f"- protocol: {escape(spec['protocol'])}" + ("" if tuned else " (untuned defaults)"),
            *([f"- text: {escape(spec['about'])}"] if spec.get("about") else []),
            f"- rows: {sizes(section)}; {section.classes} classes, {guess}",
            *([f"- label shares: {label_shares(section)}"] if spec.get("label_shares") else []),
            f"- seeds: {', '.join(map(str, spec['seeds']))}; baseline: {escape(section.baseline)}",
            f"- intervals and verdicts cover {covered(section)}",
        ]
    )


def covered(section: Section) -> str:
    """The sources of variation that a table's seeds draw, and those that are the same in all its cells."""
    if len(section.spec["seeds"]) == 1:
        return "new test rows only, since there is one seed"
    vary, counts = section.spec["settings"].get("vary"), section.spec["sizes"]
    fixed = {"generated"}
    if "real" in counts and counts["real"] == counts.get("pool"):
        fixed.add("real")  # every seed draws all of them
    drawn = [text for name, text in SOURCES.items() if (name == vary if vary else name not in fixed)]
    if vary == "generated" and (several := section.spec.get("generations")):
        drawn = [f"the generated set, of which there are {plural(len(several), 'generation')}, another at each seed"]
    if vary:
        rest = "everything else is that of seed 0"
    elif "real" in fixed:
        rest = f"the generated set and the small real set (all {counts['real']:,} real rows) are the same in all cells"
    else:
        rest = "the generated set is the same in all cells"
    return f"new draws of {', '.join(drawn)}, and new test rows; {rest}"


def sizes(section: Section) -> str:
    """`1,000 of 10,280 generated (preset quick; --generated-rows all), 100 real from a pool of 200, 400 test`."""
    counts = dict(section.spec["sizes"])
    pool = counts.pop("pool", None) if "real" in counts else None
    counted = {role: f"{count:,} {escape(role)}" for role, count in counts.items()}
    if pool is not None:
        counted["real"] += f" from a pool of {pool:,}"
    if folded := section.spec.get("cross_validation"):
        folds, rows = folded["folds"], f"the same {counts['test']:,} rows"
        tested = len({seed % folds for seed in section.spec["seeds"]})
        counted["test"] = (
            f"{tested} of {folds} folds of {rows} tested" if tested < folds else f"{rows} tested in {folds} folds"
        )
    size = section.spec.get("generated_size")  # older manifests do not have it
    if size and size["used"] < size["of"]:
        same, cause = size["used"] == counts["generated"], escape(size["cause"])
        of_all = f"{size['used']:,} of {size['of']:,} generated"
        counted["generated"] = f"{of_all} ({cause})" if same else f"{counted['generated']} (from {of_all}; {cause})"
    return ", ".join(counted.values())


def label_shares(section: Section) -> str:
    """`negative 50 / 31 / 31 %, positive 50 / 69 / 69 % (generated / real / test rows)`; of many, the most frequent."""
    shares = section.spec["label_shares"]
    classes = list(zip(section.spec["labels"], *shares.values(), strict=True))
    if len(classes) > MAX_NAMES:
        classes.sort(key=lambda one: -max(one[1:]))
    listed = (
        f"{escape(name)} {' / '.join(f'{100 * share:.0f}' for share in of_class)} %" for name, *of_class in classes
    )
    return f"{join_names(listed)} ({' / '.join(shares)} rows)"


def checker_encoder(section: Section) -> str:
    """The checkers' encoder if it differs from the classifier's."""
    name = section.spec.get("checker_encoder")
    return f"; checkers: {escape(name)}" if name else ""


def notes(section: Section) -> Iterator[str]:
    """Warnings about the data, shown below the short table."""
    yield from constant_guess(section)
    shares = section.spec.get("label_shares", {"generated": [], "real": []})
    if (found := large_shift(shares["generated"], shares["real"])) is not None:
        effect = "gains from" if real_shares_help(found[0], shares) else "may lose by"
        yield (
            f"The label shares of the generated rows differ from those of the real rows by up to {100 * found[1]:.0f} "
            f"points. A method that learns the real shares {effect} that alone. `ce-prior` learns nothing else, so "
            "compare the methods with it too."
        )
    if (found := large_shift(shares["real"], shares.get("test", shares["real"]))) is not None:
        yield (
            f"The label shares of the real rows differ from those of the test rows by up to {100 * found[1]:.0f} "
            "points, so methods that use real rows may learn other shares than those of the test."
        )
    yield from planned(section)
    for note in section.spec.get("notes", []):
        text = escape(note).rstrip(".") + "."
        yield text[0].upper() + text[1:] if re.match(r"[a-z]+,? ", text) else text


def planned(section: Section) -> Iterator[str]:
    """The looks that were planned for a section, and which of its numbers do not know of them."""
    if looks := section.spec.get("looks"):
        spent = ", ".join(f"{n} seeds: {100 * share:.1f} %" for n, share in zip(looks, shares(looks), strict=True))
        yield (
            "Verdicts are read at planned looks: a method whose verdict stands gets no more seeds. Each look may use "
            f"its share of the 5 % ({spent} of it), so p-values and verdicts keep their error rate over all looks. "
            "So do simultaneous intervals, the best group and all pairs, each pair on the seeds that both methods "
            "have. Plain intervals are those of a fixed number of seeds. After an early stop, differences tend to be "
            "too large."
        )


def constant_guess(section: Section) -> Iterator[str]:
    """The methods whose mean accuracy is not above always predicting the class that is most frequent in the test.

    Nothing where that is said of all: the section then begins with it.
    """
    majority = section.spec["majority"]
    measured = [row for row in section.rows if not math.isnan(row.accuracy.mean)]
    not_above = [escape(row.label) for row in measured if row.accuracy.mean <= majority]
    if not_above and len(not_above) < len(measured):
        yield (
            f"**Not above the constant guess ({percent(majority)} %):** {', '.join(not_above)}. This compares numbers "
            "and is no statistical test: they may be better on other rows."
        )


def checker(section: Section) -> Iterator[str]:
    """The test metrics of the quality checker where a method uses one, with a warning if they are those of a guess."""
    quality, majority = section.quality, section.spec["majority"]
    if math.isnan(quality.accuracy):
        return
    yield (
        "Quality checker (a classifier trained with cross-entropy on the small real set; some methods read its "
        f"scores): mean test accuracy {percent(quality.accuracy)} %, log-loss {number(quality.log_loss, 3)} and "
        f"calibration error {number(100 * quality.ece, 1)} points over {plural(quality.n, 'seed')}. A constant guess "
        f"has accuracy {percent(majority)} %; equal probabilities have log-loss {number(math.log(section.classes), 3)}."
    )
    if quality.accuracy <= majority:
        yield (
            "**Warning: the quality checker is not above the constant guess here. Methods that rely on it may have no "
            "information.**"
        )
    if quality.log_loss > math.log(section.classes):
        yield (
            "**Warning: the quality checker's probabilities are worse than equal ones. Its weights are those of an "
            f"overconfident classifier; use `calibrate=True` where a method has it{fewer_passes(section.spec)}.**"
        )


def fewer_passes(spec: Mapping[str, Any]) -> str:
    """The setting that trains the quality checker less than it was trained; empty where that is little already."""
    settings, rows = spec["settings"], spec["sizes"].get("real")
    updates, batch = settings.get("checker_updates") or settings.get("updates"), settings.get("batch_size")
    passes = settings.get("checker_epochs") or (updates * batch / rows if updates and batch and rows else 0)
    if passes < MANY_PASSES:
        return ""
    return (
        f", or train the checker less: it went {passes:.1f} times through the {rows:,} real rows, "
        f"`--set checker_epochs={min(USUAL_EPOCHS, int(passes / 2))}` is fewer"
    )


def without_result(section: Section) -> Iterator[str]:
    """Failed and missing cells, with seed and cause."""
    lines = [
        f"- {escape(row.label)}, seed {seed}: {'failed' if absent.failed else 'missing'}"
        + (f": {escape(absent.cause)}" if absent.cause else "")
        for row in section.rows
        for seed, absent in row.absent.items()
    ]
    if lines:
        yield "**Cells without a result:**"
        yield "\n".join(lines)


def tuned(section: Section) -> Iterator[str]:
    """The settings that tuning chose for each method and seed; nothing where settings were not searched."""
    lines = [f"- {escape(label)}, seed {seed}: {escape(settings)}" for label, seed, settings in tuned_settings(section)]
    if lines:
        yield from ("Settings chosen by tuning:", "\n".join(lines))


def limits(section: Section) -> str:
    """The limits of a section's results."""
    counts = section.spec["sizes"]
    pool = counts.get("pool", counts.get("real", 0))
    generations = len(section.spec.get("generations", [])) if section.spec["settings"].get("vary") == "generated" else 0
    sets = plural(generations, "generated set") if generations else "one generated set"
    return f"*Limits: {sets}, one encoder and a pool of {plural(pool, 'real row')}. Do not generalise beyond them.*"


def footer(report: Report) -> Iterator[str]:
    """Versions, hashes of the data, and the command that wrote the report."""
    versions = {"data-weighting-bench": [report.provenance.package], **report.provenance.cells}
    lines = [f"- {key}: {escape(', '.join(values))}" for key, values in versions.items()]
    for section in report.sections:
        spec = section.spec
        hashes = {**spec["hashes"], "encoder": spec["encoder_hash"]}
        values = ", ".join(f"{escape(name)} {escape(value)}" for name, value in hashes.items())
        origins = "".join(f"; {escape(role)} rows from {escape(at)}" for role, at in spec.get("origins", {}).items())
        lines.append(f"- {escape(spec['task_ref'])}, hashes: {values}{origins}")
    yield "\n".join(lines)
    if report.rules.allow_mixed and any(len(versions.get(key, [])) > 1 for key in ENVIRONMENT):
        yield "**Cells trained by different code, versions or devices were compared (`--allow-mixed`).**"
    yield "Written by:"
    yield "    " + " ".join(str(report.manifest["command"]).split())
