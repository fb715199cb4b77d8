"""`leaderboard.json`: everything that the leaderboard knows, for programs. Numbers are shares; NaN is null."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.extra_tables import section_parts, table_parts
from bench.leaderboard.results import Row, Section, Table
from bench.store.files import flatten

SCHEMA = 1
SECTION = ("task", "task_ref", "source", "stand_in", "encoder", "checker_encoder", "preset", "protocol", "sizes")
METHOD = ("method", "label", "hyperparameters", "core", "real_use", "real_rows", "select_rows", "selection", "pairing")
WHOLE = ("hyperparameters", "failed", "sizes")  # objects that stay one value in a flat row


def as_json(table: Table) -> dict[str, Any]:
    """The JSON value of a report."""
    value = {
        "schema": SCHEMA,
        "command": table.manifest["command"],
        **asdict(table.rules),
        "references_missing": list(table.manifest.get("references_missing", [])),
        "provenance": {"counterweight": table.provenance.package, **table.provenance.cells},
        "overall": [asdict(group) for group in overall(table.sections)],
        "parts": {part.key: [asdict(row) for row in part.rows] for part in table_parts(table)},
        "sections": [section_json(section) for section in table.sections],
        "rows": [row_json(section, row) for section in table.sections for row in section.rows],
    }
    return dict(clean(value))


def section_json(section: Section) -> dict[str, Any]:
    """What the rows of a section have in common."""
    spec = section.spec
    known = ("title", "labels", "encoder_hash", "settings", "origins", "hashes", "majority", "notes", "seeds")
    return {
        **{key: spec[key] for key in (*SECTION, *known) if key in spec},
        "baseline": section.baseline,
        "quality_checker": {"n": section.quality.n, "accuracy": section.quality.accuracy},
        "parts": {part.key: [asdict(row) for row in part.rows] for part in section_parts(section)},
    }


def row_json(section: Section, row: Row) -> dict[str, Any]:
    """One method label in one section."""
    return {
        **{key: section.spec.get(key) for key in SECTION},
        **{key: row.spec.get(key) for key in METHOD},
        "n_seeds": len(row.cells),
        "n_planned": len(row.seeds),
        "missing": [seed for seed, absent in row.absent.items() if not absent.failed],
        "failed": {str(seed): absent.cause for seed, absent in row.absent.items() if absent.failed},
        **{column.key: column.value(row) for column in COLUMNS if column.value is not None},
    }


def clean(value: Any) -> Any:
    """The same value as JSON has it: NaN and infinity are null, tuples lists."""
    if isinstance(value, dict):
        return {str(key): clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [clean(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flat_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `leaderboard.json` with nested keys joined: `accuracy_mean`, `difference_p_corrected`."""
    return flatten(row, "_", WHOLE)
