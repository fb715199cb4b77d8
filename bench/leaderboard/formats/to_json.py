"""`leaderboard.json`: all results of a report, for programs. Numbers are shares; NaN is null.

The extra tables are under `parts`: those of the whole report at the top, those of a section in the section.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.compare.across_tasks import Overall, overall
from bench.leaderboard.extra_tables import ExtraTable, report_tables, tables_by_section
from bench.leaderboard.formats.answer import answer_json
from bench.leaderboard.results import Report, Row, Section
from bench.store.files import flatten, plain_json
from bench.store.manifest import GIVEN

SCHEMA = 1
SECTION = ("task", "task_ref", "source", "stand_in", "encoder", "checker_encoder", "preset", "protocol", "sizes")
METHOD = ("method", "label", "hyperparameters", "core", "real_use", "real_rows", "select_rows", "selection", "pairing")
NAMES = ("task_ref", "source", "encoder", "checker_encoder", "preset", "protocol")  # the names of a section
WHOLE = ("hyperparameters", "failed", "sizes")  # objects that stay one value in the CSV and the data frame


@functools.lru_cache(maxsize=1)  # the JSON and the CSV of a report
def as_json(report: Report) -> dict[str, Any]:
    """The JSON value of a report."""
    names = [tuple(section.spec.get(name) for name in NAMES) for section in report.sections]
    alike = len(set(names)) < len(names)  # sections that differ in settings or data alone
    value = {
        "schema": SCHEMA,
        "command": report.manifest["command"],
        **({"formats": list(formats)} if (formats := report.manifest.get("formats")) else {}),
        **asdict(report.rules),
        "references_missing": list(report.manifest.get("references_missing", [])),
        "provenance": {"counterweight": report.provenance.package, **report.provenance.cells},
        "overall": [overall_json(group) for group in overall(report.sections)],
        "parts": {extra.key: [asdict(row) for row in extra.rows] for extra in report_tables(report)},
        "sections": [
            section_json(section, extra, alike)
            for section, extra in zip(report.sections, tables_by_section(report), strict=True)
        ],
        "rows": [row_json(section, row, alike) for section in report.sections for row in section.rows],
    }
    return dict(plain_json(value))


def overall_json(group: Overall) -> dict[str, Any]:
    """A summary over tasks; the rules are those of the report."""
    return {key: value for key, value in asdict(group).items() if key != "rules"}


def told_apart(section: Section, alike: bool) -> dict[str, str]:
    """What a section differs in from the others of its task, where the names of sections do not tell them apart."""
    return {"section": ", ".join(section.axes)} if alike else {}


def section_json(section: Section, extra: Sequence[ExtraTable], alike: bool) -> dict[str, Any]:
    """A section: what its rows have in common, and its extra tables."""
    spec = section.spec
    more = (
        "title",
        "labels",
        "encoder_hash",
        "settings",
        "origins",
        "hashes",
        "about",
        "label_shares",
        "majority",
        "notes",
        "seeds",
    )
    return {
        **{key: spec[key] for key in (*SECTION, *more, "generated_size") if key in spec},
        **(
            {GIVEN: given}
            if (given := {row.label: row.spec[GIVEN] for row in section.rows if GIVEN in row.spec})
            else {}
        ),
        **({"checker_encoder_hash": checker} if (checker := spec.get("checker_encoder_hash")) else {}),
        **told_apart(section, alike),
        "baseline": section.baseline,
        "advice": answer_json(section),
        "quality_checker": asdict(section.quality),
        "far_seeds": [asdict(one) for one in section.far],
        "parts": {table.key: [asdict(row) for row in table.rows] for table in extra},
    }


def row_json(section: Section, row: Row, alike: bool) -> dict[str, Any]:
    """One method in one section."""
    return {
        **{key: section.spec.get(key) for key in SECTION},
        **told_apart(section, alike),
        **{key: row.spec.get(key) for key in METHOD},
        "n_seeds": len(row.cells),
        "n_planned": len(row.seeds),
        "missing": [seed for seed, absent in row.absent.items() if not absent.failed],
        "failed": {str(seed): absent.cause for seed, absent in row.absent.items() if absent.failed},
        **{column.key: column.value(row) for column in COLUMNS if column.value is not None},
    }


def flat_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `leaderboard.json` with nested keys joined: `accuracy_mean`, `difference_p_corrected`."""
    return flatten(row, "_", WHOLE)
