"""The registry of sources: each reads the rows of a role and has the schema of its block in a task's YAML."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from tasks.errors import DataError, user_path
from tasks.roles import COURSE, FILES, SPLITS, ColumnRole, Role
from tasks.sources.course import LARGEST, SIZES, read_course
from tasks.sources.files import read_table
from tasks.sources.hub import hub_place, read_folder, read_hub
from tasks.sources.packaged import read_packaged
from tasks.sources.places import read_place
from tasks.sources.table import Table


class Strict(BaseModel):
    """A part of a task's YAML: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Strict):
    """How many real rows become the test, for a source without a test set of its own."""

    test: PositiveInt


class Block(Strict):
    """One source's block in a task's YAML: a place for each role. Each source gives places a meaning of its own."""

    about: str | None = None  # whose text the rows are
    licence: str | None = None  # of this source's rows, in place of the task's
    citation: str | None = None  # the same
    rows: dict[Role, PositiveInt] = Field(default_factory=dict)  # numbers of rows as published
    stand_in: bool = False  # True if a language model wrote the real and test rows too
    generated: str | None = None
    real: str | None = None
    test: str | None = None
    split: Split | None = None
    title: str | None = None  # if the source holds another data set than the task's other sources
    columns: dict[ColumnRole, str] = Field(default_factory=dict)  # names that differ from the task's
    leave_out: tuple[str, ...] = ()  # labels whose rows do not belong to the task

    complete: ClassVar[bool] = True  # whether the block must say where the test rows come from

    @model_validator(mode="after")
    def _test_rows_come_from_one_place(self) -> Block:
        if self.test is not None and self.split is not None:
            raise ValueError("real rows need either test or split, not both")
        if self.complete and self.real is not None and self.test is None and self.split is None:
            raise ValueError("real rows need either test or split: the place of the test rows, or how many to hold out")
        if self.complete and self.real is None and (self.test, self.split) != (None, None):
            raise ValueError("test and split need real: a place of the real rows")
        return self

    def place(self, role: Role) -> str | None:
        """The place of a role's rows; None if the source has none."""
        return getattr(self, role)  # type: ignore[no-any-return]


class FilesBlock(Block):
    """The user's files. The command may name roles that the block lacks; without a test, real rows are held out."""

    complete: ClassVar[bool] = False


class HubBlock(Block):
    """Data sets of the hub: `ORG/NAME[:CONFIG[:SPLIT]][@REVISION]`."""

    @field_validator("generated", "real", "test")
    @classmethod
    def _written_as_a_place(cls, place: str | None) -> str | None:
        if place is not None and hub_place(place) is None:
            raise ValueError(f"{place!r} is not written ORG/NAME[:CONFIG[:SPLIT]][@REVISION]")
        return place


class CourseBlock(FilesBlock):
    """The course's files: `real` is `full`, `small` or `largest`."""

    @field_validator("real")
    @classmethod
    def _a_size(cls, place: str | None) -> str | None:
        if place not in (None, LARGEST, *SIZES):
            raise ValueError(f"{place!r} is not one of {LARGEST}, {', '.join(SIZES)}")
        return place


class Source(ABC):
    """Reads the rows of a role. A subclass and its entry in `SOURCES` are all that a new source needs."""

    schema: ClassVar[type[Block]] = Block  # of its block in a task's YAML

    def has(self, block: Block, role: Role, data_dir: Path | None) -> bool:
        """Whether the source should have the rows of a role. If it should and they are missing, `read` raises."""
        return block.place(role) is not None

    @abstractmethod
    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        """The rows of a role, unchecked. Raises `DataError` if they cannot be read.

        `data_dir` is the user's data folder, or None without one.
        """


class Bundled(Source):
    """Files that are installed with this package. Each must have the digest that is on its card."""

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return read_packaged(str(block.place(role)))


class Local(Source):
    """Files in the user's data folder, one folder per data set."""

    def has(self, block: Block, role: Role, data_dir: Path | None) -> bool:
        return block.place(role) is not None and self._path(block, role, data_dir).parent.is_dir()

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return replace(read_table(self._path(block, role, data_dir)), origin=str(block.place(role)))

    def _path(self, block: Block, role: Role, data_dir: Path | None) -> Path:
        return _data_folder("local", data_dir) / str(block.place(role))


class Hub(Source):
    """Data sets of the Hugging Face hub. A copy `ORG/NAME` in the user's data folder is read instead of the hub."""

    schema = HubBlock

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        place = hub_place(str(block.place(role)))
        assert place is not None  # the schema has checked it
        copy = user_path(data_dir) / place.id if data_dir else None
        if copy and copy.is_dir():
            return read_folder(copy, place.config, place.split, SPLITS[role])
        return read_hub(place, SPLITS[role])


class Files(Source):
    """The user's own files, beside the task's YAML or in the task's folder, which here is `data_dir`."""

    schema = FilesBlock

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return read_place(str(block.place(role)), role, data_dir or Path())


class Course(Source):
    """The files of the tweet-polarity course in the user's data folder: one file per class."""

    schema = CourseBlock

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return read_course(_data_folder(COURSE, data_dir), str(block.place(role)))


def _data_folder(source: str, data_dir: Path | None) -> Path:
    """The user's data folder. Raises `DataError` if no folder is set or it does not exist."""
    if data_dir is None:
        raise DataError(f"source {source} needs a data folder: give --data-dir or set BENCH_DATA")
    folder = user_path(data_dir)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data folder; give --data-dir or set BENCH_DATA")
    return folder


SOURCES: dict[str, Source] = {
    "bundled": Bundled(),
    "local": Local(),
    "hub": Hub(),
    COURSE: Course(),
    FILES: Files(),
}
