"""Where a task's rows come from: one entry per source, each with the schema of its block in a task's YAML."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from tasks.errors import DataError
from tasks.tables import Table, read_table

Role = Literal["generated", "real", "test", "validation"]


class Strict(BaseModel):
    """A part of a task's YAML: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Strict):
    """Rows held out of the real rows where the source has no test set of its own."""

    test: PositiveInt


class Block(Strict):
    """What a source says about a task: a place for each role. Sources narrow the type of a place."""

    generated: Any = None
    real: Any = None
    test: Any = None
    validation: Any = None
    split: Split | None = None

    @model_validator(mode="after")
    def _test_rows_come_from_one_place(self) -> Block:
        if self.real is not None and (self.test is None) == (self.split is None):
            raise ValueError("real rows need either test or split, and not both")
        if self.real is None and (self.test, self.validation, self.split) != (None, None, None):
            raise ValueError("test, validation and split need real")
        return self

    def place(self, role: Role) -> Any:
        """Where the rows of a role are, None if the source has none."""
        return getattr(self, role)


class FileBlock(Block):
    """A source of files: paths relative to the source's folder."""

    generated: str | None = None
    real: str | None = None
    test: str | None = None
    validation: str | None = None


class Source(ABC):
    """One kind of place that rows come from."""

    schema: ClassVar[type[Block]] = FileBlock  # of its block in a YAML
    stand_in: ClassVar[bool] = False  # True where the real and test rows are not human text

    def has(self, block: Block, role: Role, data_dir: Path | None) -> bool:
        """Whether to expect the rows of a role here; what is expected and missing is an error."""
        return block.place(role) is not None

    @abstractmethod
    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        """The rows of a role, unchecked. Raises `DataError` if they cannot be read."""


class Bundled(Source):
    """Files that are installed with this package."""

    stand_in = True

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return read_table(Path(__file__).parent / str(block.place(role)))


class Local(Source):
    """Files in the user's data folder, one folder per data set."""

    def has(self, block: Block, role: Role, data_dir: Path | None) -> bool:
        return block.place(role) is not None and self._path(block, role, data_dir).parent.is_dir()

    def read(self, block: Block, role: Role, data_dir: Path | None) -> Table:
        return read_table(self._path(block, role, data_dir))

    def _path(self, block: Block, role: Role, data_dir: Path | None) -> Path:
        if data_dir is None:
            raise DataError("source local needs the data folder: give --data-dir or set BENCH_DATA")
        folder = Path(data_dir).expanduser()
        if not folder.is_dir():
            raise DataError(f"{folder}: no such data folder; give --data-dir or set BENCH_DATA")
        return folder / str(block.place(role))


SOURCES: dict[str, Source] = {"bundled": Bundled(), "local": Local()}
