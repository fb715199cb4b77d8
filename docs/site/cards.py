"""Cards of methods and tasks, written from the registries and from the committed reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import methods as registry
from bench.commands.stores.list import membership, source_lines
from bench.leaderboard.method_facts import REAL_USE, facts, settings
from methods.base import Method
from methods.hooks import Budget
from tasks import load_spec

ROOT = Path(__file__).parents[2]
RESULTS = {"full": ROOT / "reports/human-full/leaderboard.csv", "quick": ROOT / "reports/human-all/leaderboard.csv"}


def results() -> pd.DataFrame:
    """The rows of the committed reports on human text; columns as in `leaderboard.csv`."""
    return pd.concat([pd.read_csv(path) for path in RESULTS.values()], ignore_index=True)


def method_card(name: str, measured: pd.DataFrame) -> str:
    """The page of a method in Markdown: idea, limits, needs, cost, settings, results on human text, formula."""
    cls, known = registry.METHODS[name], facts(name)
    config = cls.Config()
    cost = cls.declared_cost(config, Budget())
    groups = ", ".join(membership(name, group) for group in cls.groups) or "none"
    lines = [
        f"# `{name}`",
        "",
        known.idea,
        "",
        "## When it fails",
        "",
        f"{known.fails} *Our results* are those below, in [human data](../human-data.md),",
        "[methods](../methods.md) and [which method to use](../recommended.md).",
        "",
        "## Use",
        "",
        f"- **Real rows:** {REAL_USE[cls.real_use_of(config)]}.",
        f"- **Cost:** {cost:.3g} times that of `ce`, without the checkers that it reads.",
        f"- **Groups:** {groups}.",
        "",
        *code(f"python -m bench run --methods ce,{name} --tasks twitter --seeds 3"),
        *settings_table(cls),
        "## Results on human text",
        "",
        *results_table(name, measured),
        "## Formula and source",
        "",
        "The text at the head of the method's file, which it may share with its family:",
        "",
        *code(known.formula),
    ]
    return "\n".join(lines)


def code(*lines: str) -> list[str]:
    """A block of code."""
    return ["```text", *lines, "```", ""]


def settings_table(cls: type[Method]) -> Iterator[str]:
    """A table of the method's own hyper-parameters, or nothing where it has none."""
    own = settings(cls)
    if not own:
        return
    yield from ("## Settings", "", "| name | default | meaning | range of `tuned` |", "| --- | --- | --- | --- |")
    for entry in own:
        search = ", ".join(map(str, entry.search))
        note = entry.note.replace("|", "\\|")
        yield f"| `{entry.name}` | `{entry.default}` | {note} | {search} |"
    yield ""


def results_table(name: str, measured: pd.DataFrame) -> Iterator[str]:
    """A row for each report, task and configuration of the method, with its difference to `ce`."""
    rows = measured[measured["method"] == name]
    if rows.empty:
        yield from ("The committed reports have no cell of this method.", "")
        return
    yield "| preset | task | method | accuracy | difference to `ce` | verdict |"
    yield "| --- | --- | --- | ---: | --- | --- |"
    for row in rows.to_dict("records"):
        yield f"| {row['preset']} | {row['task']} | `{row['label']}` | {100 * row['accuracy_mean']:.1f} | {gain(row)} |"
    seeds = rows["n_seeds"].astype(int)
    yield from ("", f"{seeds.min()} to {seeds.max()} seeds." if seeds.min() < seeds.max() else f"{seeds.min()} seeds.")
    yield "Settings, costs and all methods are in [human data](../human-data.md)."
    yield ""


def gain(row: dict[Any, Any]) -> str:
    """The cells "difference" and "verdict" of one row of a report."""
    if pd.isna(row["difference_accuracy"]):
        return " | baseline" if row["label"] == "ce" else " | not compared"
    numbers = [100 * row[f"difference_{part}"] for part in ("accuracy", "shown_low", "shown_high")]
    return f"{numbers[0]:+.1f} [{numbers[1]:+.1f}, {numbers[2]:+.1f}] | {row['difference_verdict']}"


def task_card(name: str) -> str:
    """The page of a task in Markdown: labels, sources with their rows, licences and citations, options."""
    spec = load_spec(name)
    kind = "Pairs of texts" if spec.pair else "Texts"
    lines = [
        f"# `{name}`",
        "",
        f"{spec.title}. {kind}; labels: {', '.join(f'`{label}`' for label in spec.labels)}.",
        "",
    ]
    for source in spec.sources:
        about, *known = (line.strip() for line in source_lines(spec, source))
        lines += [f"## Source {about}", "", *(f"- {line}" for line in known), ""]
    if spec.process:
        lines += ["No source: rows are drawn from a known distribution.", ""]
        lines += [f"- licence: {spec.licence}", f"- citation: {spec.citation}", ""]
    if spec.options:
        lines += [
            "## Options",
            "",
            *(f"- `{name}[{key}=...]`: {entry.meaning}" for key, entry in spec.options.items()),
            "",
        ]
    lines += code(f"python -m bench validate {name}", f"python -m bench run --methods core --tasks {name} --seeds 3")
    return "\n".join(lines)


def index(title: str, folder: str, entries: dict[str, str]) -> str:
    """A page that lists cards: a line for each name."""
    lines = [f"# {title}", "", "| name | |", "| --- | --- |"]
    lines += [f"| [`{name}`]({folder}/{name}.md) | {about} |" for name, about in entries.items()]
    return "\n".join([*lines, ""])


def first_line(name: str) -> str:
    """The first line of a method's docstring."""
    return facts(name).idea.split("\n")[0]
