"""`leaderboard.json`: everything that the leaderboard knows, for programs. Numbers are shares; NaN is null."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import Any

from bench.leaderboard.overall import overall
from bench.leaderboard.table import Row, Section, Table
from bench.stats.crossed import Comparison, Components
from bench.stats.interval import Interval

SCHEMA = 1
SECTION = ("task", "task_ref", "source", "stand_in", "encoder", "preset", "protocol", "sizes")
METHOD = ("method", "label", "hyperparameters", "core", "real_use", "real_rows", "pairing")
WHOLE = ("hyperparameters", "failed", "sizes")  # objects that stay one value in a flat row


def as_json(table: Table) -> dict[str, Any]:
    """The JSON value of a report."""
    value = {
        "schema": SCHEMA,
        "command": table.manifest["command"],
        "baseline": table.baseline,
        "delta": table.delta,
        "allow_mixed": table.allow_mixed,
        "references_missing": list(table.manifest.get("references_missing", [])),
        "provenance": {"counterweight": table.provenance.package, **table.provenance.cells},
        "overall": [asdict(group) for group in overall(table.sections)],
        "sections": [section_json(section) for section in table.sections],
        "rows": [row_json(section, row) for section in table.sections for row in section.rows],
    }
    return dict(clean(value))


def section_json(section: Section) -> dict[str, Any]:
    """What the rows of a section have in common."""
    spec = section.spec
    known = ("title", "labels", "encoder_hash", "settings", "hashes", "majority", "notes", "seeds")
    return {
        **{key: spec[key] for key in (*SECTION, *known) if key in spec},
        "baseline": section.baseline,
        "quality_checker": {"n": section.quality.n, "accuracy": section.quality.accuracy},
    }


def row_json(section: Section, row: Row) -> dict[str, Any]:
    """One method label in one section."""
    return {
        **{key: section.spec[key] for key in SECTION},
        **{key: row.spec.get(key) for key in METHOD},
        "n_seeds": len(row.cells),
        "n_planned": len(row.seeds),
        "missing": [seed for seed, absent in row.absent.items() if not absent.failed],
        "failed": {str(seed): absent.cause for seed, absent in row.absent.items() if absent.failed},
        "best_group": row.best,
        "accuracy": interval_json(row.accuracy),
        "macro_f1": interval_json(row.macro_f1),
        **difference_json(row),
        "passes": {"own": row.costs.passes, "standalone": row.costs.passes_standalone},
        "seconds": {"own": seconds(row.costs.seconds), "standalone": seconds(row.costs.seconds_standalone)},
    }


def interval_json(interval: Interval) -> dict[str, float]:
    """Mean, sd and interval over seeds."""
    return {key: value for key, value in asdict(interval).items() if key != "n"}


def difference_json(row: Row) -> dict[str, Any]:
    """Differences to the baseline; numbers are null where they are withheld."""
    paired = row.paired
    accuracy, macro_f1 = (paired.accuracy, paired.macro_f1) if paired else (None, None)
    judged = paired is not None and not paired.withheld
    return {
        "difference": {
            **comparison_json("accuracy", accuracy, judged),
            "p_corrected": paired.p_corrected if paired else None,
            "p_max_t": paired.p_max_t if paired else None,
            "family": paired.family if paired else "",
            "word": paired.verdict.word if paired else "",
            "verdict": paired.verdict.text if paired else "",
        },
        "macro_f1_difference": comparison_json("macro_f1", macro_f1, judged),
    }


def comparison_json(metric: str, found: Comparison | None, judged: bool) -> dict[str, Any]:
    """A comparison whose estimate is called by its metric; without a verdict there is no p either."""
    value = {field.name: getattr(found, field.name, None) for field in fields(Comparison)}
    estimate, components = value.pop("difference"), value.pop("components") or {}
    variances = {f"s2_{name}": components.get(name) for name in Components._fields}
    return {metric: estimate, **value, **variances, "p": value["p"] if judged else None}


def seconds(value: float) -> float:
    """Seconds to the millisecond."""
    return round(value, 3)


def clean(value: Any) -> Any:
    """The same value as JSON has it: NaN and infinity are null, tuples lists."""
    if isinstance(value, dict):
        return {str(key): clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [clean(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flatten(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `leaderboard.json` with nested keys joined: `accuracy_mean`, `difference_p_corrected`."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and key not in WHOLE:
            flat.update({f"{key}_{name}": entry for name, entry in flatten(value).items()})
        else:
            flat[key] = value
    return flat
