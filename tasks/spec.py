"""The description of a task: the schema of its YAML, and the registry of the files that come with this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, ValidationError, field_validator, model_validator

from tasks.errors import DataError, listed, missing, nearest
from tasks.roles import FILES
from tasks.sources.files import READERS
from tasks.sources.places import role_files
from tasks.sources.registry import SOURCES, Block, Split, Strict
from tasks.strict_yaml import read_yaml

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# The name is part of paths and of task references, so brackets, commas and slashes are out.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class Filter(Strict):
    """`task[name=value]` keeps the real, test and validation rows whose `column` is at least the value."""

    column: Text
    meaning: Text


class Knob(Strict):
    """`task[name=value]` sets a number of the process that rows are drawn from."""

    default: float
    meaning: Text


class PlaceOption(Strict):
    """`task[name=value]` takes another place for the real rows of one source."""

    source: Text
    values: tuple[Text, ...]  # places, as the source understands them
    meaning: Text


class Sizes(Strict):
    """Default numbers of rows: the small real set by source, and the most that a test has."""

    real: dict[str, PositiveInt]
    test: PositiveInt

    @model_validator(mode="after")
    def _known(self) -> Sizes:
        for name in self.real:
            if name != "default" and name not in SOURCES:
                raise ValueError(f"real: no source {name!r}{nearest(name, ['default', *SOURCES])}")
        if "default" not in self.real:
            raise ValueError("real needs a default")
        return self


class TaskSpec(Strict):
    """One task. `labels` fixes the order of the classes: label i of every row set is `labels[i]`."""

    name: Name
    version: PositiveInt
    title: Text
    labels: tuple[Text, ...] = ()  # none: those of the rows
    text: Text | None = None  # none: columns with usual names
    text_pair: Text | None = None
    clean_label: Text | None = None  # column with the true label, where `label` may be wrong; see Rows.hidden
    citation: Text
    licence: Text
    sources: dict[str, Block] = Field(default_factory=dict)
    process: Literal["oracle"] | None = None  # the rows are drawn from it; there are no sources then
    sizes: Sizes
    filters: dict[str, Filter] = Field(default_factory=dict)
    choices: dict[str, PlaceOption] = Field(default_factory=dict)
    knobs: dict[str, Knob] = Field(default_factory=dict)  # of the process

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> TaskSpec:
        if bool(self.sources) == (self.process is not None):
            raise ValueError("sources: at least one, or else a process")
        return self

    @property
    def pair(self) -> bool:
        """Whether an example is two texts."""
        return self.text_pair is not None

    @property
    def options(self) -> dict[str, Filter | PlaceOption | Knob]:
        """What `task[name=value]` may name, besides axes of stress."""
        return {**self.filters, **self.choices, **self.knobs}

    def complete_sources(self) -> list[str]:
        """The sources that have real rows, so that a run can use them."""
        return [name for name, block in self.sources.items() if block.real is not None or name == FILES]

    def source(self, asked: str) -> str:
        """The source that is read: the one asked for, or the user's files where the task has those instead."""
        return FILES if FILES in self.sources and asked not in self.sources else asked

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("the names must differ")
        if len(labels) == 1:
            raise ValueError("at least 2 names, or none to take those of the rows")
        return labels

    @field_validator("sources", mode="before")
    @classmethod
    def _blocks(cls, blocks: Any) -> Any:
        """Read each block by the schema of its source."""
        if not isinstance(blocks, dict):
            return blocks
        for name in blocks:
            if name not in SOURCES:
                raise ValueError(f"no source {name!r}{nearest(name, SOURCES)} (known: {listed(SOURCES)})")
        return {name: _validated(SOURCES[name].schema, block, name) for name, block in blocks.items()}


def _validated(schema: type[Block], block: Any, name: str) -> Block:
    try:
        return schema.model_validate(block)
    except ValidationError as error:
        raise ValueError(f"{name}: {_problem(error, schema, Split)}") from None


def _problem(error: ValidationError, *models: type[Strict]) -> str:
    """The first problem of a YAML in one line: where, what, and the key that was probably meant."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [key for model in models for key in model.model_fields]
        return f"unknown key {where!r}{nearest(first['loc'][-1], known)}"
    message = first["msg"].removeprefix("Value error, ")
    hint = " (put it in quotation marks)" if first["type"] == "string_type" and first["input"] is not None else ""
    return (f"{where}: " if where else "") + message + hint


def task_names() -> list[str]:
    """The names of the tasks that come with this package, sorted. Reads no file."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load_spec(name: str | Path) -> TaskSpec:
    """The description of a task: a name, `files`, or the path of a YAML, a folder or a file of generated rows.

    Reads no data; raises `DataError`.
    """
    if name in task_names():
        return _read_spec(Path(__file__).parent / f"{name}.yaml")
    if name == FILES:
        return _files_task(FILES, {})
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return _read_spec(path)
    if path.is_dir():
        return _files_task(path.resolve().name, role_files(path))
    if path.is_file():
        return _files_task(path.stem, {"generated": path.name})
    if isinstance(name, Path) or path.suffix.lower() in READERS or len(path.parts) > 1:
        raise missing(path)
    raise DataError(f"no task {name!r}{nearest(name, task_names())} (known: {listed(task_names())}, or a path)")


def base_folder(name: str | Path) -> Path:
    """The folder that the files of a task's source `files` are relative to."""
    path = Path(name).expanduser()
    return Path() if name == FILES else path if path.is_dir() else path.parent


def _files_task(title: str, places: dict[str, str]) -> TaskSpec:
    """A task of the user's files. Its name, which draws and cells depend on, says nothing of where they lie."""
    return TaskSpec.model_validate(
        {
            "name": FILES,
            "version": 1,
            "title": title,
            "citation": "the user's own data",
            "licence": "the user's own data",
            "sources": {FILES: places},
            "sizes": {"real": {"default": 300}, "test": 2000},
        }
    )


def _read_spec(path: Path) -> TaskSpec:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: a task is a mapping of keys to values, not {type(content).__name__}")
    try:
        return TaskSpec.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path}: {_problem(error, TaskSpec, Sizes, Filter)}") from None
