"""`bench changes OLD NEW`: what changed between two reports: rules, data, methods, seeds, accuracies and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.leaderboard.columns import NOTHING, percent, signed, signed_interval
from bench.leaderboard.formats.prose import escape, markdown_row
from bench.leaderboard.formats.to_json import NAMES
from bench.store.files import read_json
from bench.store.manifest import ENCODERS, GIVEN, table_in_words, with_one_name
from bench.store.schemas import ComparedReport
from tasks.errors import join_names, plural

DETAILS = ("settings", "sizes", "hashes", "encoder_hash")  # in which sections of the same names may differ
RULES = ("baseline", "delta", "correction", "family", "intervals", "allow_mixed")


def changes(old: Path, new: Path) -> Iterator[str]:
    """The changes from one report to another as Markdown paragraphs. Raises UserError if a folder holds no report."""
    before, after = read(old), read(new)
    yield f"# What changed from {escape(old)} to {escape(new)}"
    rules = [
        f"- {name}: {before.get(name)} → {after.get(name)}" for name in RULES if before.get(name) != after.get(name)
    ]
    versions = sorted({*before["provenance"], *after["provenance"]})
    rules += [
        f"- {name}: {words(before['provenance'].get(name))} → {words(after['provenance'].get(name))}"
        for name in versions
        if before["provenance"].get(name) != after["provenance"].get(name)
    ]
    if rules:
        yield "\n".join(["Rules and versions:", "", *map(escape, rules)])
    pairs = paired(before["sections"], after["sections"])
    for name, report, seen in (("old", before, [one for one, _ in pairs]), ("new", after, [two for _, two in pairs])):
        if alone := [section for section in report["sections"] if all(section is not other for other in seen)]:
            yield f"Sections only in the {name} report: {'; '.join(sorted(escape(title(one)) for one in alone))}."
    for first, second in pairs:
        yield f"## {escape(title(second))}"
        yield from changes_of(first, second, rows(before, first), rows(after, second))
    yield (
        "A verdict that changed is no test of the difference between the reports: they may share cells, and more seeds "
        "or methods change the correction."
    )


def read(folder: Path) -> Mapping[str, Any]:
    """The JSON of a report, named by its folder or file."""
    path = folder / "leaderboard.json" if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(f"there is no {path}; name the folder of a report, or its leaderboard.json")
    try:
        return read_json(path, ComparedReport)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not the JSON of a report: {error}") from error


def words(value: Any) -> str:
    """A version, or the versions of several cells."""
    return NOTHING if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def names(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """The names of the section that an entry is or belongs to."""
    return tuple(entry.get(name) for name in NAMES)


def title(section: Mapping[str, Any]) -> str:
    """`twitter, bundled, MiniLM, quick, fixed`, and what tells it from sections with the same names."""
    known = list(dict.fromkeys([*map(str, filter(None, names(section))), section.get("section")]))
    return ", ".join(str(part) for part in known if part)


def paired(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The sections of two reports that are compared, in the order of the new one.

    They have the same names, where an encoder that was moved counts as one. Where several sections have, those are
    compared that differ in the fewest settings, sizes, data and encoders.
    """
    known = list(map(names, with_one_name([*old, *new])))
    places = [(i, k) for k in range(len(new)) for i in range(len(old)) if known[i] == known[len(old) + k]]
    chosen: dict[int, int] = {}  # new -> old
    for i, k in sorted(places, key=lambda place: distance(old[place[0]], new[place[1]])):
        if k not in chosen and i not in chosen.values():
            chosen[k] = i
    return [(old[chosen[k]], new[k]) for k in sorted(chosen)]


def distance(first: Mapping[str, Any], second: Mapping[str, Any]) -> int:
    """In how many settings, sizes and hashes of data and encoders two sections differ."""
    return sum(len(differing(first.get(name), second.get(name))) for name in DETAILS)


def rows(report: Mapping[str, Any], section: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The rows of a section by label. Raises UserError where the report does not say which rows these are."""
    alike = [other for other in report["sections"] if names(other) == names(section)]
    keys = ("section", "sizes") if len(alike) > 1 else ()
    if sum(all(other.get(key) == section.get(key) for key in keys) for other in alike) > 1:
        raise UserError(
            f"a report of an earlier version has {len(alike)} sections {title(section)}, and does not say to which of "
            "them its rows belong; write it again with `bench report`"
        )
    own = [row for row in report["rows"] if names(row) == names(section)]
    return {row["label"]: row for row in own if all(row.get(key) == section.get(key) for key in keys)}


def changes_of(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    old: Mapping[str, Mapping[str, Any]],
    new: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """The changes of one section: its data and settings, its methods, and their numbers."""
    lines = [
        f"- {name}: {words_of(before, after, name, key)}"
        for name in ("baseline", "seeds", "settings", "sizes", "hashes", "notes")
        for key in differing(before.get(name), after.get(name))
    ]
    for role in ENCODERS:
        old_hash, new_hash = (section.get(f"{role}_hash") for section in (before, after))
        if old_hash and new_hash and old_hash != new_hash:
            lines.append(f"- {role.replace('_', ' ')}: its weights or its tokenizer are others")
    lines += other_values(before.get(GIVEN, {}), after.get(GIVEN, {}))
    if lines:
        yield "\n".join(map(escape_line, lines))
    for name, labels in (("New methods", new.keys() - old), ("Methods that are gone", old.keys() - new)):
        if labels:
            yield f"{name}: {', '.join(map(escape, sorted(labels)))}."
    both = [label for label in new if label in old]
    changed = [label for label in both if numbers(old[label]) != numbers(new[label])]
    if changed:
        head = ("method", "seeds", "accuracy", "difference", "verdict")
        table = [markdown_row(head), "| --- | ---: | ---: | ---: | --- |"]
        table += [markdown_row(map(escape, line(label, old[label], new[label]))) for label in changed]
        yield "\n".join(table)
    yield f"{plural(len(both) - len(changed), 'method')} without a change."


def differing(old: Any, new: Any) -> Sequence[str]:
    """The keys in which two objects differ; for other values one empty key if they differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [""] if old != new else []


def other_values(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A line for each method that reads other values of columns, or of own checkers, than it did."""
    for label, own in new.items():
        known = old.get(label, {})
        if names := [table_in_words(name) for name, value in own.items() if known.get(name, value) != value]:
            yield f"- {label}: the values of {join_names(names)} are others"


def words_of(before: Mapping[str, Any], after: Mapping[str, Any], name: str, key: str) -> str:
    """`updates 48 → 96`; of notes and hashes only that they differ."""
    if name == "hashes":
        return f"the content of the {key} rows is another"
    if name == "notes":
        old, new = (section.get("notes") or [] for section in (before, after))
        gone = [note for note in old if note not in new]
        come = [note for note in new if note not in old]
        return "; ".join([*(f"gone: {note}" for note in gone), *(f"new: {note}" for note in come)]) or "another order"
    if key:
        return f"{key} {before[name].get(key)} → {after[name].get(key)}"
    return f"{words(before.get(name))} → {words(after.get(name))}"


def escape_line(text: str) -> str:
    """A line of a list, escaped behind its hyphen."""
    return f"- {escape(text.removeprefix('- '))}"


def line(label: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of a changed method; a value that stayed is shown once."""
    pairs = zip(numbers(old), numbers(new), strict=True)
    return label, *(one if one == other else f"{one} → {other}" for one, other in pairs)


def numbers(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Seeds, accuracy, difference and verdict of a method, as a report shows them."""
    return str(row["n_seeds"]), accuracy(row), gain_of(row), str(row["difference"].get("verdict") or NOTHING)


def accuracy(row: Mapping[str, Any]) -> str:
    """Mean accuracy in per cent."""
    mean = row["accuracy"].get("mean")
    return NOTHING if mean is None else percent(mean)


def gain_of(row: Mapping[str, Any]) -> str:
    """The difference with its interval, in points."""
    value, low, high = (row["difference"].get(name) for name in ("accuracy", "shown_low", "shown_high"))
    if value is None:
        return NOTHING
    return signed(value) if low is None or high is None else signed_interval(value, low, high)
