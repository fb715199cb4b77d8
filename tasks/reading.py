"""How the user's own rows are read: the columns, the mapping of labels, and the rows to leave out, by role."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tasks.errors import DataError
from tasks.roles import ROLES, ColumnRole, Role, normalised


@dataclass(frozen=True)
class Reading:
    """How the rows of a role are read. Without columns, those with usual names are taken."""

    columns: Mapping[ColumnRole, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)  # a label in the file -> the task's label
    drop_labels: tuple[str, ...] = ()  # labels (after the mapping) whose rows are left out
    skip_empty: bool = False  # whether rows without a text or a label are left out instead of being an error
    same_rows: bool = False  # whether roles may have the same rows, as where a checker is trained on the real ones
    drop_copies: bool = False  # whether near copies of test rows, and generated near copies of real rows, are left out

    def over(self, general: Reading) -> Reading:
        """This reading of one role, completed by that of all roles."""
        return replace(
            general,
            columns={**general.columns, **self.columns},
            labels={**general.labels, **self.labels},
        )


@dataclass(frozen=True)
class Columns:
    """The names of one table's text and label columns; `text_pair` is None if an example is one text."""

    text: str
    text_pair: str | None
    label: str = "label"


# By role; the reading without a role is that of all roles.
Readings = Mapping[Role | None, Reading]
USUAL: Readings = MappingProxyType({})


def reading_of(readings: Readings, role: str) -> Reading:
    """The reading of one role."""
    own = {str(name): reading for name, reading in readings.items() if name is not None}.get(role, Reading())
    return own.over(readings.get(None, Reading()))


def option_name(what: str, role: str | None = None) -> str:
    """The option that sets `what` (`text_pair`) for a role, as it is typed: `--generated-text-pair`."""
    return f"--{role}-{what}".replace("_", "-") if role in ROLES else f"--{what}".replace("_", "-")


def parsed_labels(value: str | Mapping[str, str] | None, option: str) -> dict[str, str]:
    """A mapping of labels, from a dict or from text such as `Good=good,"Very bad"=bad`. Raises `DataError`."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(label): str(name) for label, name in value.items()}
    mapping: dict[str, str] = {}
    for part in parsed_names(value):
        label, equals, name = (piece.strip() for piece in part.partition("="))
        if not (label and equals and name):
            raise DataError(f"{option}: {part!r} is not LABEL=NAME, as in {option} Good=good,Bad=bad")
        if mapping.setdefault(label, name) != name:
            raise DataError(f"{option}: {label!r} is given twice")
    return mapping


def parsed_names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Names from a list, or from text with commas; a name that holds a comma is put in quotes."""
    if value is None:
        return ()
    entries: Iterable[str] = value
    if isinstance(value, str):  # a line end separates names too, as in "$(cat names.txt)"
        lines = csv.reader(io.StringIO(value, newline=None), skipinitialspace=True)
        entries = (name for line in lines for name in line)
    return tuple(name for entry in entries if (name := str(entry).strip()))


def typed_names(names: Iterable[str]) -> str:
    """Names as an option takes them, quoted for a shell: `parsed_names` reads them again."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return shlex.quote(line.getvalue())


def spelling_option(name: str, labels: Iterable[str]) -> str:
    """The end of a message about a class with few rows: the option that joins it with another spelling of it."""
    other = next((label for label in labels if label != name and normalised(label) == normalised(name)), None)
    return "" if other is None else f"; --labels {typed_names([f'{name}={other}'])} makes one class of both spellings"
