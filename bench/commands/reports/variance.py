"""`bench variance`: how far each source of variation moves a method's accuracy and its difference to the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.compare.baseline import mixture
from bench.leaderboard.formats.prose import escape, markdown_row
from bench.leaderboard.results import Row, Section
from bench.leaderboard.rules import Rules, require_baseline
from bench.seeds import ALL_SOURCES, SOURCES
from bench.stats.interval import Spread, rounding, spread_of
from bench.store.files import flatten, write_together
from bench.store.manifest import FIRST_GENERATION, SECTION, section_key, stored
from bench.store.merge import unmixed
from tasks.errors import plural

ORDER = (*SOURCES, ALL_SOURCES)
GENERATED = "generated"  # the source
HEAD = ("method", "source", "seeds", "sd of accuracy [95 %]", "share of the sum %", "sd of the difference [95 %]")


@dataclass(frozen=True)
class Line:
    """What one source does to one method, in shares; `difference` is None for the baseline."""

    label: str
    source: str
    accuracy: Spread
    difference: Spread | None
    share: float  # of the sum of variances over the sources that vary by themselves; NaN for `all`


class Decomposition(NamedTuple):
    """The lines of one table, and the names of its generations if the generated set varies by taking another.

    `withheld`: sentences on differences that are not shown, as code, versions or devices differ.
    """

    lines: list[Line]
    generations: tuple[str, ...]
    withheld: tuple[str, ...] = ()


def variance(store: Path, rules: Rules, reports: Path) -> Iterator[str]:
    """Lines of the decomposition, table by table; also written to `variance.md` with a figure. Raises UserError."""
    from bench.leaderboard.figures.style import render, styled
    from bench.leaderboard.figures.variance import spreads

    require_baseline(stored(store), rules, str(store))
    tables = decompositions(store, rules)
    blocks, figures = ["# Where the variance between seeds comes from", INTRODUCTION], dict[Path, bytes]()
    for place, (title, found) in enumerate(tables.items(), 1):
        with styled():
            svg, png = render(spreads(title, found.lines))
        name = reports / "figures" / f"variance-{place}"
        figures |= {name.with_suffix(".svg"): svg, name.with_suffix(".png"): png}
        own = [f"## {escape(title)}", table(found.lines), *generated_sets(found), *unmeasured(found.lines)]
        own += found.withheld
        yield from own
        blocks += [*own, f"![Standard deviation by source](figures/variance-{place}.png)"]
    write_together({**figures, reports / "variance.md": ("\n\n".join(blocks) + "\n").encode()})
    yield f"written: {reports / 'variance.md'}"


INTRODUCTION = (
    "Each line is one source of variation: its draws differ between seeds, and everything else is that of seed 0. "
    "*all*: the usual seeds, which draw every source but the generated set. Standard deviations are over seeds, on the "
    "same test rows, in points; their intervals are those of normal values. *Difference*: to the baseline at the same "
    "seeds. *Share*: of the sum of the variances of accuracy over the sources measured. Sources interact, so *all* "
    "need not be the sum."
)


def decompositions(store: Path, rules: Rules) -> dict[str, Decomposition]:
    """The tables of a store in which sources vary by themselves, by title. Raises UserError, also for mixed code."""
    groups: dict[str, list[Section]] = {}
    for section in build(unmixed(store), store, rules).sections:
        groups.setdefault(section_key(with_all_sources(section.spec)), []).append(section)
    kept = [group for alike in groups.values() for group in by_source(alike) if set(group) - {ALL_SOURCES}]
    titles = titles_of([facts_of(group) for group in kept])
    found = {
        title: Decomposition(table_lines(group, rules), generations_of(group), tuple(mixtures(group, rules)))
        for title, group in zip(titles, kept, strict=True)
    }
    if not found:
        raise UserError(
            f"{store} has no cells in which one source varies by itself; `bench run --vary {','.join(SOURCES)}` trains "
            "them"
        )
    return found


def by_source(alike: Sequence[Section]) -> list[dict[str, Section]]:
    """The sections of a table by what varies. Each version of the generations that seeds take has a table."""
    usual = {source: section for section in alike if (source := varying(section.spec)) != GENERATED}
    taken = [section for section in alike if varying(section.spec) == GENERATED]
    return [{**usual, GENERATED: section} for section in taken] or [usual]


def varying(spec: Mapping[str, Any]) -> str:
    """The source that varies in a section."""
    return spec["settings"].get("vary") or ALL_SOURCES


def facts_of(group: Mapping[str, Section]) -> dict[str, Any]:
    """A section of a table as if all sources varied, with the hash of all its generations."""
    spec = with_all_sources(next(iter(group.values())).spec)
    taken = {"generations": group[GENERATED].spec["hashes"].get("generated")} if generations_of(group) else {}
    return {**spec, "hashes": {**spec["hashes"], **taken}}


def generations_of(group: Mapping[str, Section]) -> tuple[str, ...]:
    """The generations that the seeds take where the generated set varies; empty where its rows are resampled."""
    return tuple(group[GENERATED].spec.get("generations", ())) if GENERATED in group else ()


def with_all_sources(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A section as if all sources varied: its generated set is the first of those that its seeds take."""
    vary = spec["settings"].get("vary")
    return {
        **spec,
        "title": spec["title"].removesuffix(f" (only {vary} varies)"),
        "settings": {name: value for name, value in spec["settings"].items() if name != "vary"},
        "hashes": {**spec["hashes"], "generated": spec.get(FIRST_GENERATION, spec["hashes"].get("generated"))},
    }


def titles_of(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The titles of tables. Those of one task, encoder, preset and protocol also name what else differs."""
    plain = [
        f"{spec['title']} ({spec['task_ref']}, {spec['encoder']}, {spec['preset']}, {spec['protocol']}), "
        f"{spec['settings'].get('updates')} updates, {spec['sizes'].get('generated')} generated rows"
        for spec in specs
    ]
    facts = [flatten({name: spec.get(name) for name in (*SECTION, "checker_encoder")}) for spec in specs]
    alike = [[other for name, other in zip(plain, facts, strict=True) if name == title] for title in plain]
    return [
        ", ".join([title, *(f"{name} {own[name]}" for name in own if len({repr(one.get(name)) for one in group}) > 1)])
        for title, own, group in zip(plain, facts, alike, strict=True)
    ]


def table_lines(group: Mapping[str, Section], rules: Rules) -> list[Line]:
    """The lines of one table: method by method, source by source."""
    labels = list(dict.fromkeys(row.label for section in group.values() for row in section.rows))
    labels.sort(key=lambda label: (label != rules.baseline, label))
    return [line for label in labels for line in method_lines(label, group, rules)]


def method_lines(label: str, group: Mapping[str, Section], rules: Rules) -> list[Line]:
    """The lines of one method."""
    found = {}
    for name in ORDER:
        rows = {row.label: row for row in group[name].rows} if name in group else {}
        if label in rows and rows[label].cells:
            base = rows.get(rules.baseline)
            without = label == rules.baseline or mixed(rows[label], base, rules)
            gap = None if without else paired_spread(rows[label], base)
            found[name] = own_spread(rows[label]), gap
    total = sum(own.sd**2 for name, (own, _) in found.items() if name != ALL_SOURCES and not math.isnan(own.sd))
    return [
        Line(label, name, own, gap, own.sd**2 / total if total > 0 and name != ALL_SOURCES else math.nan)
        for name, (own, gap) in found.items()
    ]


def mixed(row: Row, base: Row | None, rules: Rules) -> str:
    """What differs between the environments of a method's cells and the baseline's, unless the rules allow it."""
    return "" if base is None or rules.allow_mixed else mixture(row, base)


def mixtures(group: Mapping[str, Section], rules: Rules) -> Iterator[str]:
    """A sentence on each difference that is not shown since environments differ."""
    for source, section in group.items():
        base = next((row for row in section.rows if row.is_baseline), None)
        for row in section.rows:
            if row.cells and not row.is_baseline and (why := mixed(row, base, rules)):
                yield f"No difference of {escape(row.label)} ({source}): mixed environments, {escape(why)}."


def own_spread(row: Row) -> Spread:
    """The spread of a method's accuracy."""
    return spread_of([cell.accuracy for cell in row.cells.values()], rounded(row))


def paired_spread(row: Row, base: Row | None) -> Spread:
    """The spread of the difference to the baseline over the seeds that both have."""
    cells = base.cells if base is not None else {}
    shared = sorted(set(row.cells) & set(cells))
    return spread_of([row.cells[seed].accuracy - cells[seed].accuracy for seed in shared], 2 * rounded(row))


def rounded(row: Row) -> float:
    """The variance that rounding adds to the accuracy of a cell, which is a share of its test rows."""
    return float(rounding(min((cell.tested for cell in row.cells.values()), default=math.inf)))


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    rows = [HEAD, ("---", "---", *["---:"] * (len(HEAD) - 2))]
    for line in lines:
        share = "" if math.isnan(line.share) else f"{100 * line.share:.0f}"
        gap = "" if line.difference is None else spelt_spread(line.difference)
        rows.append((escape(line.label), line.source, str(line.accuracy.n), spelt_spread(line.accuracy), share, gap))
    return "\n".join(markdown_row(row) for row in rows)


def spelt_spread(value: Spread) -> str:
    """`1.21 [0.72, 3.48]` in points; a dash for fewer than two seeds."""
    if math.isnan(value.sd):
        return "-"
    return f"{100 * value.sd:.2f} [{100 * value.low:.2f}, {100 * value.high:.2f}]"


def generated_sets(found: Decomposition) -> list[str]:
    """A sentence on how the generated set is drawn, where it varies."""
    if all(line.source != GENERATED for line in found.lines):
        return []
    if found.generations:
        listed = ", ".join(map(escape, found.generations))
        return [f"*generated*: each seed takes another of {plural(len(found.generations), 'generation')} ({listed})."]
    return [
        "*generated*: each seed resamples the rows of the one generated set with replacement. Another generation has "
        "other texts and may differ by more."
    ]


def unmeasured(lines: Sequence[Line]) -> list[str]:
    """A sentence on the sources that the table lacks."""
    missing = [name for name in ORDER if name not in {line.source for line in lines}]
    return [f"Not measured: {', '.join(missing)} ({plural(len(missing), 'source')})."] if missing else []
