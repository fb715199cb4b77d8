"""The sentences of the report, which Markdown and HTML share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from bench.leaderboard.columns import percent
from bench.leaderboard.compare.across_tasks import LEAST_TASKS, Overall
from bench.leaderboard.formats.tuned_settings import chosen
from bench.leaderboard.results import Section, Table
from bench.stats.verdict import exact_points
from bench.store.layout import ENVIRONMENT

T = TypeVar("T")
# What Markdown takes for more than text: an underscore or a bracket only where it stands at the side of a word.
SPECIAL = re.compile(r"[\\`*|]|<(?=[A-Za-z/!?])|(?<=\])\(|(?<!\w)_|_(?!\w)|~(?=~)|&(?=#?\w+;)")


def escape(text: Any) -> str:
    """Text that Markdown shows as it is, inside a table too; brackets are left alone unless they make a link."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def missing(table: Table) -> Iterator[str]:
    """References that the grid did not have, and methods that it left out."""
    references = table.manifest.get("references_missing", [])
    if references:
        yield f"**References missing:** {', '.join(map(escape, references))}."
    left_out = table.manifest.get("left_out", {})
    if left_out:
        yield "Left out: " + "; ".join(f"{escape(name)} ({escape(why)})" for name, why in left_out.items()) + "."


def tuned(section: Section) -> Iterator[str]:
    """What was chosen for each method and seed, where settings were searched."""
    lines = [f"- {escape(label)}, seed {seed}: {escape(settings)}" for label, seed, settings in chosen(section)]
    if lines:
        yield from ("Chosen settings:", "\n".join(lines))


def heading(section: Section) -> str:
    """Title, reference, source, and what tells it from other sections of the task."""
    told = ", ".join([section.spec["task_ref"], section.spec["source"], *section.axes])
    return escape(f"{section.spec['title']} ({told})")


def notes(section: Section) -> Iterator[str]:
    """What one should know before reading the table."""
    if section.spec["stand_in"]:
        yield (
            "**Stand-in data: no human text is in this section. Its real and test rows were written by a language "
            "model too, so it shows how the methods run, not how they do on human data.**"
        )
    for note in section.spec.get("notes", []):
        yield escape(note).rstrip(".") + "."


def conditions(section: Section) -> str:
    """Encoder, preset, protocol, sizes and settings as a list."""
    spec = section.spec
    tuned = str(spec["protocol"]).startswith("tuned")
    sizes = ", ".join(f"{value:,} {escape(role)}" for role, value in spec["sizes"].items())
    settings = ", ".join(f"{escape(key)} {escape(value)}" for key, value in spec["settings"].items())
    return "\n".join(
        [
            f"- encoder: {escape(spec['encoder'])}" + checker_encoder(section),
            f"- preset: {escape(spec['preset'])} ({settings})",
            f"- protocol: {escape(spec['protocol'])}" + ("" if tuned else " (untuned defaults)"),
            f"- rows: {sizes}; {section.classes} classes, majority class {percent(spec['majority'])} % of the test",
            f"- seeds: {', '.join(map(str, spec['seeds']))}; baseline: {escape(section.baseline)}",
        ]
    )


def checker_encoder(section: Section) -> str:
    """The checkers' encoder where it is another one."""
    name = section.spec.get("checker_encoder")
    return f"; checkers: {escape(name)}" if name else ""


def across(group: Overall) -> str:
    """Which tasks a summary is of, and how they were run."""
    told = ", ".join(map(escape, group.tasks))
    how = ", ".join(escape(group.spec[key]) for key in ("source", "encoder", "preset", "protocol"))
    return f"{len(group.tasks)} tasks: {told} ({how})."


def beyond(group: Overall) -> Iterator[str]:
    """What a summary leaves out, and what it does not license."""
    if group.left_out:
        named = "; ".join(f"{escape(label)} ({', '.join(map(escape, gone))})" for label, gone in group.left_out.items())
        yield f"Not ranked, since a task is missing or incomplete: {named}."
    if group.omitted:
        named = ", ".join(map(escape, group.omitted))
        yield f"Not summed up, since of several tables none is the task's plain one: {named}."
    claim = (
        "so few tasks license no claim about others"
        if len(group.tasks) < LEAST_TASKS
        else "they are no sample of all tasks"
    )
    yield (
        f"*The interval is for new seeds and test examples of these {len(group.tasks)} tasks, and the ranks describe "
        f"them: {claim}, and seeds are not tasks.*"
    )


def checker(section: Section) -> Iterator[str]:
    """What the quality checker is worth, where a method uses one."""
    found, majority = section.quality, section.spec["majority"]
    if math.isnan(found.accuracy):
        return
    seeds = f"{found.n} seed" + ("" if found.n == 1 else "s")
    yield (
        f"Quality checker (cross-entropy on the small real set): mean test accuracy {percent(found.accuracy)} over "
        f"{seeds}; the majority class is {percent(majority)}."
    )
    if found.accuracy <= majority:
        yield (
            "**Warning: the quality checker is not above the majority class. Methods that rest on it have no "
            "information here.**"
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


def limits(section: Section) -> str:
    """What no table of this kind can claim."""
    sizes = section.spec["sizes"]
    pool = sizes.get("pool", sizes.get("real", 0))
    return f"*Limits: one generated set, one encoder, a pool of {pool:,} real rows: no claim beyond them.*"


def reading(table: Table) -> str:
    """How to read the columns."""
    rules = table.rules
    delta, correction = exact_points(rules.delta), rules.correction
    return "\n".join(
        [
            "- **accuracy, macro-F1**: per cent, mean over seeds; the interval is for new seeds on the same test rows. "
            "JSON, CSV and the page also have log-loss (nats) and the expected calibration error "
            "(15 bins; per cent on the page, a share in JSON and CSV).",
            f"- **Δ**: difference to {escape(rules.baseline)} in points on the same seeds and test rows; its 95 % "
            "interval is for new seeds and new test examples (both random, crossed), not corrected for the number of "
            "methods, and with few seeds rather too wide than too narrow.",
            f"- **p**: of the difference of accuracy, corrected by {correction.author} over the core methods of the "
            f"section (confirmatory), which keeps {correction.bounds} at 5 %; † exploratory: not a core method, not "
            "corrected.",
            f"- **verdict**: *better* or *worse*: p < 0.05; *equivalent*: the interval lies within {delta} of zero; "
            "*undecided*: neither, with the difference that this design would detect with 80 % power (before "
            "correction). A method with missing cells gets none.",
            "- **best group**: *no*: another method of the section is better at a one-sided level of 5 % over their "
            "number; the best method is wrongly called *no* with a chance of at most 5 %. It answers another question "
            "than the verdict: *yes* is no praise, it says that nothing is shown to be better; and the baseline may "
            "be out of the group while each verdict on it is undecided, since *no* does not say by which method it is "
            "beaten and is not corrected over the methods that are called so.",
            "- **information gain**, where a method stands beside itself with `shuffle=class`: Δ between the two, what "
            f"its weights know of rows beyond their distribution; verdict corrected by {correction.author} over these.",
            "- **passes**: training passes over rows, scoring counted as a third, relative to a `ce` cell; "
            "*standalone* adds the checkers that the method needs. **s**: seconds per cell, of this machine.",
            "- **real rows (use)**: how many human-labelled rows the method sees, and what it does with them.",
            "- **P(better)** (page, JSON, CSV): estimated probability that the method comes out above the baseline "
            "when both are trained with one more seed and tested on as many new examples: Φ of the effect size, which "
            "is Δ in standard deviations of that one difference.",
            "- Seeds are repetitions on one data set, not data sets.",
        ]
    )


def footer(table: Table) -> Iterator[str]:
    """Versions, data and the command, all from the cells and the manifest."""
    found = {"counterweight": [table.provenance.package], **table.provenance.cells}
    lines = [f"- {key}: {escape(', '.join(values))}" for key, values in found.items()]
    for section in table.sections:
        spec = section.spec
        hashes = ", ".join(f"{escape(role)} {escape(value)}" for role, value in spec["hashes"].items())
        origins = "".join(f"; {escape(role)} from {escape(at)}" for role, at in spec.get("origins", {}).items())
        lines.append(f"- {escape(spec['task_ref'])}: data {hashes}{origins}; encoder {escape(spec['encoder_hash'])}")
    yield "\n".join(lines)
    if table.rules.allow_mixed and any(len(found.get(key, [])) > 1 for key in ENVIRONMENT):
        yield "**Cells of different code, versions or devices were paired, as asked for.**"
    yield "Made by:"
    yield "    " + " ".join(str(table.manifest["command"]).split())
