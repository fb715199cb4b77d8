"""`bench advise`: says whether the generated set helps, which method to use, and what would settle what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.commands.output_file import writable
from bench.commands.reports.compare import names_of_task, sections_of
from bench.commands.reports.report import gathered, looked
from bench.errors import UserError
from bench.leaderboard import Rules
from bench.leaderboard.build import build
from bench.leaderboard.formats.advice_alone import FORMS
from bench.leaderboard.rules import require_baseline
from tasks.errors import printable


def advice(stores: Sequence[Path], rules: Rules, *, task: str | None, form: str) -> str:
    """The advice on the cells of one or more stores. `form`: `.md`, `.html` or `.json`. Raises UserError.

    It is a look at the verdicts of the tasks that it shows, which later reports name.
    """
    manifest, root = gathered(stores, rules)
    place = ", ".join(map(str, stores))
    sections = sections_of(manifest, task, place)
    if rules.family == "task":  # else the tasks that are not shown are in the family too
        manifest = {**manifest, "sections": sections}
    require_baseline({"sections": sections}, rules, place)
    text = of_manifest(manifest, root, rules, form, task)
    looked(stores, root, {**manifest, "sections": sections})
    return text


def of_manifest(manifest: Mapping[str, Any], root: Path, rules: Rules, form: str, task: str | None = None) -> str:
    """The advice on the cells of a manifest, whose paths are relative to `root`; on one task, if it is named."""
    report = build(manifest, root, rules)
    shown = tuple(section for section in report.sections if task in (None, *names_of_task(section.spec)))
    return printable(FORMS[form](replace(report, sections=shown)))


def form_of(to: Path | None, *, json: bool) -> str:
    """The form in which to write, by the name of the file. Raises UserError for a name that says none."""
    if to is None:
        return ".json" if json else ".md"
    writable(to)
    if to.suffix not in FORMS or (json and to.suffix != ".json"):
        raise UserError(f"--to {to}: the name must end in {'.json' if json else ', '.join(FORMS)}")
    return to.suffix
