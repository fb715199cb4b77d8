"""A row's values in the formats for programs (JSON, CSV, the data frame). Numbers are shares; NaN becomes null."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from bench.leaderboard.results import Paired
from bench.stats.crossed import Comparison, Components
from bench.stats.interval import Interval
from bench.stats.needed import Count

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def interval(metric: Interval) -> dict[str, float]:
    """Mean, standard deviation and interval over seeds."""
    return {key: value for key, value in asdict(metric).items() if key != "n"}


def difference(paired: Paired | None) -> dict[str, Any]:
    """A difference of accuracy with its verdict; p-values are null where the verdict is withheld."""
    detectable = paired.verdict.detectable if paired else None
    return {
        **comparison("accuracy", paired),
        "p": paired.p_alone if paired and not paired.withheld else None,
        "detectable": detectable and detectable.difference,
        "detectable_low": detectable and detectable.low,
        "detectable_high": detectable and detectable.high,
        "p_corrected": paired.p_corrected if paired else None,
        "p_max_t": paired.p_max_t if paired else None,
        "shown_low": paired.shown.low if paired and paired.shown else None,
        "shown_high": paired.shown.high if paired and paired.shown else None,
        "p_equivalent": paired.p_equivalent if paired else None,
        "family": paired.family if paired else "",
        "family_size": paired.size if paired else None,
        "word": paired.verdict.word if paired else "",
        "verdict": paired.verdict.text if paired else "",
        **counts("needed_seeds", paired.needed.seeds if paired and paired.needed else None),
        **counts("needed_examples", paired.needed.examples if paired and paired.needed else None),
    }


def counts(name: str, count: Count | None) -> dict[str, int | None]:
    """A needed number and its interval; null where it is above the limit of the search or not needed."""
    known = (
        {"": count.number, "_low": count.low, "_high": count.high} if count else dict.fromkeys(("", "_low", "_high"))
    )
    return {name + end: value for end, value in known.items()}


def comparison(metric: str, paired: Paired | None) -> dict[str, Any]:
    """A comparison, with its difference under the metric's name; p is null where the verdict is withheld."""
    result: Comparison | None = getattr(paired, metric, None)
    value = {field.name: getattr(result, field.name, None) for field in fields(Comparison)}
    estimate, components, _ = value.pop("difference"), value.pop("components") or {}, value.pop("sizes")
    variances = {f"s2_{name}": components.get(name) for name in Components._fields}
    allowed = paired is not None and not paired.withheld
    return {metric: estimate, **value, **variances, "p": value["p"] if allowed else None}


def seconds(row: Row) -> dict[str, float]:
    """Mean seconds per cell, to the millisecond."""
    return {"own": round(row.costs.seconds, 3), "standalone": round(row.costs.seconds_standalone, 3)}
