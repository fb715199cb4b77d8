"""The parts of the page on single methods: what a method is, its settings, and its results in every section."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.leaderboard.columns import NOTHING, gain, mean_and_interval, number, percent, real_rows
from bench.leaderboard.extra_tables import ExtraTable
from bench.leaderboard.extra_tables.weights import WeightRow
from bench.leaderboard.figures import distinct_slugs
from bench.leaderboard.formats.html_text import blocks
from bench.leaderboard.method_facts import FAILS, REAL_USE, facts
from bench.leaderboard.results import Row, Section


def anchors(names: Sequence[str], kind: str) -> dict[str, str]:
    """An id of the page by name, in letters, digits and hyphens; equal ones get a number."""
    different = list(dict.fromkeys(names))
    return dict(zip(different, distinct_slugs(different, f"{kind}-"), strict=True))


def method_names(sections: Sequence[Section]) -> list[str]:
    """The methods of a report, sorted; one with several settings once."""
    return sorted({method_of(row) for section in sections for row in section.rows})


def method_of(row: Row) -> str:
    """A row's method without its settings."""
    return str(row.spec.get("method", row.label))


def tags(sections: Sequence[Section]) -> dict[str, dict[str, str]]:
    """What the page filters by, by label: family and use of real rows."""
    uses: dict[str, dict[str, None]] = {}
    names: dict[str, str] = {}
    for section in sections:
        for row in section.rows:
            names[row.label] = method_of(row)
            uses.setdefault(row.label, {})[str(row.spec.get("real_use", ""))] = None
    return {label: {"family": facts(names[label]).family, "real": "|".join(used)} for label, used in uses.items()}


def method_parts(sections: Sequence[Section], extra: Sequence[Sequence[ExtraTable]]) -> Iterator[dict[str, Any]]:
    """A part for each method, for the template. `extra`: the extra tables of each section."""
    weights = [weights_of(tables) for tables in extra]
    for name in method_names(sections):
        known = facts(name)
        rows = [
            (place, row, weights[place].get(row.label))
            for place, section in enumerate(sections)
            for row in section.rows
            if method_of(row) == name
        ]
        uses = sorted({str(row.spec.get("real_use", "")) for _, row, _ in rows})
        yield {
            "name": name,
            "idea": blocks(known.idea.replace("``", "`").split("\n\n")) if known.idea else [],
            "fails": blocks([FAILS + known.fails]) if known.fails else [],
            "family": known.family,
            "uses": "|".join(uses),
            "real": "; ".join(REAL_USE.get(use, use) for use in uses if use),
            "settings": list(settings_of(name, [row for _, row, _ in rows])),
            "formula": known.formula,
            "labels": sorted({row.label for _, row, _ in rows}),
            "results": [result(place, row, row_weights) for place, row, row_weights in rows],
        }


def settings_of(name: str, rows: Sequence[Row]) -> Iterator[tuple[str, str, str, str]]:
    """Name, values in this report, default and meaning of each hyper-parameter that is the method's own."""
    for entry in facts(name).settings:
        used = dict.fromkeys(str(row.spec.get("hyperparameters", {}).get(entry.name, entry.default)) for row in rows)
        yield entry.name, ", ".join(used), str(entry.default), entry.note


def weights_of(tables: Sequence[ExtraTable]) -> Mapping[str, WeightRow]:
    """The rows of a section's table of weights by label; empty where it has none."""
    return {row.label: row for table in tables if table.key == "weights" for row in table.rows}


def result(place: int, row: Row, weights: WeightRow | None) -> dict[str, Any]:
    """A method in one section: the place of the section, and the texts of its cells."""
    by_seed = [f"{seed}: {percent(cell.accuracy)}" for seed, cell in row.cells.items()]
    by_seed += [f"{seed}: {'failed' if absent.failed else 'missing'}" for seed, absent in row.absent.items()]
    texts = {
        "label": row.label,
        "accuracy": mean_and_interval(row.accuracy),
        "difference": gain(row.shown),
        "verdict": (row.paired.verdict.text if row.paired else "") or NOTHING,
        "seeds": ", ".join(by_seed),
        "weights": weights_in_words(weights),
        "cost": cost(row),
        "seconds": number(row.costs.seconds, 1),
    }
    return {"section": place, "word": row.word, **texts}


def weights_in_words(row: WeightRow | None) -> str:
    """`mean 1.02, 5 to 95 %: 0.10 to 2.31, ESS 0.84`; a dash without stored weights."""
    if row is None or math.isnan(row.mean):
        return NOTHING
    return (
        f"mean {number(row.mean, 2)}, 5 to 95 %: {number(row.low, 2)} to {number(row.high, 2)}, "
        f"largest {number(row.largest, 2)}, ESS {number(row.ess_last, 2)}"
    )


def cost(row: Row) -> str:
    """Passes with all that the method needs as a multiple of `ce`, and its real rows."""
    passes = number(row.costs.passes_standalone, 2)
    rows = real_rows(row)
    return f"{passes} × ce" + (f"; real rows: {rows}" if rows not in (NOTHING, "0") else "")
