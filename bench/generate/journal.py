"""The journal of a file of generated rows: every answer as one line, from which a run that was killed continues.

The journal lies beside the file, as `FILE.journal`. Lines are only added. A line that a kill cut off is dropped: its
prompt is asked again, so nothing is lost and nothing is there twice. The file itself is written as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import system
from bench.errors import UserError
from bench.generate.answers import AnswerOutcome
from bench.hashing import file_hash
from bench.store.files import first_problem, parse_json, sync, write_bytes
from tasks.errors import short_repr

VERSION = 1


class Record(BaseModel):
    """One answer: to which prompt, what became of it, and what it used."""

    model_config = ConfigDict(extra="forbid")
    label: str
    number: int
    outcome: AnswerOutcome
    answer: str
    tokens_in: int
    tokens_out: int
    estimated: bool = False  # whether the tokens are the most possible, for lack of counts
    row: dict[str, Any] | None = None  # of the file, for outcome `row`


class Line(BaseModel):
    """A line of the journal. The first holds the settings; `written` is the SHA-256 of the file when it was written."""

    model_config = ConfigDict(extra="forbid")
    journal: int | None = None
    settings: dict[str, Any] | None = None
    record: Record | None = None
    written: str | None = None


class Journal:
    """The journal of one output file, locked for this process. Raises UserError where the file cannot be continued."""

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self.output, self.settings = output, dict(settings)
        self.path = output.with_name(f"{output.name}.journal")
        self.records: list[Record] = []
        self.dropped = 0  # bytes of a line that was cut off
        self._written: set[str] = set()
        self._file: BinaryIO | None = None
        if self.path.exists():
            self._open()
            self._read()
        self._check_output()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, records: Sequence[Record]) -> None:
        """Add answers, on the disk before this returns."""
        if not records:
            return
        self.records += records
        self._append(*(Line(record=record) for record in records))

    def write_output(self) -> bool:
        """Write the rows so far as the output file, ordered by prompt; returns whether there are any."""
        order = {label: place for place, label in enumerate(self.settings["labels"])}
        rows = sorted((record for record in self.records if record.row), key=lambda r: (r.number, order[r.label]))
        content = "".join(json.dumps(record.row, ensure_ascii=False) + "\n" for record in rows).encode()
        digest = hashlib.sha256(content).hexdigest()
        if rows and not (self.output.exists() and digest == file_hash(self.output)):
            self._append(Line(written=digest))  # before the file, so that a kill between the two leaves a known file
            write_bytes(self.output, content)
        return bool(rows)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")
        try:
            free = system.lock(self._file.fileno(), wait=False)
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be locked ({error.strerror}); --to with a folder on another disk helps"
            ) from error
        if not free:
            raise UserError(f"another bench generate writes {self.output}; wait for it or choose another --to")

    def _append(self, *lines: Line) -> None:
        if self._file is None:
            self._open()
        assert self._file is not None
        if not os.fstat(self._file.fileno()).st_size:  # not tell(): a first line that was cut off has been removed
            lines = (Line(journal=VERSION, settings=self.settings), *lines)
        for line in lines:
            if line.written:
                self._written.add(line.written)
        text = "".join(line.model_dump_json(exclude_none=True) + "\n" for line in lines)
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        if lines[0].settings:
            sync([self.path.parent])

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        self.dropped = len(content) - len(whole)
        assert self._file is not None
        self._file.truncate(len(whole))
        for number, text in enumerate(whole.splitlines(), start=1):
            line = self._parsed(number, text)
            if line.settings is not None:
                self._check_settings(line.settings)
            if line.record is not None:
                self.records.append(line.record)
            if line.written is not None:
                self._written.add(line.written)

    def _parsed(self, number: int, text: bytes) -> Line:
        try:
            line = Line.model_validate(parse_json(text))
            if number == 1 and (line.journal != VERSION or line.settings is None):
                raise ValueError("it is no journal of this version")
        except ValidationError as error:
            reason = first_problem(error)
        except ValueError as error:
            reason = str(error)
        else:
            return line
        raise UserError(f"{self.path}, line {number} is damaged ({reason}); choose another --to, or remove the file")

    def _check_settings(self, stored: Mapping[str, Any]) -> None:
        """Raise UserError, which lists the differences, if the rows so far were asked for with other settings."""
        names = [name for name in {**stored, **self.settings} if stored.get(name) != self.settings.get(name)]
        if names:
            listed = ", ".join(
                f"{name} {short_repr(stored.get(name))} there and {short_repr(self.settings.get(name))} now"
                for name in names
            )
            raise UserError(f"{self.output} was begun with other settings: {listed}; choose another --to")

    def _check_output(self) -> None:
        """Raise UserError if the output file was not written from this journal."""
        if not self.output.exists():
            return
        if not self._written:
            raise UserError(f"{self.output} exists and was not written by bench generate; choose another --to")
        if file_hash(self.output) not in self._written:
            raise UserError(f"{self.output} was changed after bench generate wrote it; move it, or choose another --to")
