"""The description of a task: the schema of its YAML file, and how a name or path becomes a description.

The registered tasks are the YAML files of this folder. `docs/` explains how to write one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    FiniteFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from tasks.errors import DataError, did_you_mean, did_you_mean_or_all, join_names, missing_file, short_repr, user_path
from tasks.roles import FILES, VALIDATION
from tasks.sources.files import READERS
from tasks.sources.places import role_files
from tasks.sources.registry import SOURCES, Block, Split, Strict
from tasks.strict_yaml import read_yaml

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# The name is part of paths and of task expressions, so brackets, commas and slashes are not allowed.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


KNOBS, OUTCOMES = ("conditional", "covariate"), 2  # parameters and labels of the process `oracle`
# Plainer than the words of pydantic, by its type of problem.
PROBLEMS = {
    "missing": "this key is required",
    "string_pattern_mismatch": "only letters, digits, '_', '.' and '-' are allowed, and the first is a letter or digit",
}


class Filter(Strict):
    """An option of a task: `task[name=value]` keeps real and test rows whose `column` is >= the value."""

    column: Text
    meaning: Text


class Knob(Strict):
    """An option of a task drawn from a process: `task[name=value]` sets a parameter of the process."""

    default: FiniteFloat
    meaning: Text


class PlaceOption(Strict):
    """An option of a task: `task[name=value]` reads the real rows of one source from another place."""

    source: Text
    values: tuple[Text, ...]  # places, in the form that the source reads
    meaning: Text


class Sizes(Strict):
    """Default numbers of rows: the small real set by source, and the largest test."""

    real: dict[str, PositiveInt]
    test: PositiveInt

    @model_validator(mode="after")
    def _known(self) -> Sizes:
        for name in self.real:
            if name != "default" and name not in SOURCES:
                raise ValueError(f"real: no source {name!r}{did_you_mean_or_all(name, ['default', *SOURCES])}")
        if "default" not in self.real:
            raise ValueError("real needs a default, as in {real: {default: 300}}")
        return self


class TaskSpec(Strict):
    """One task as its YAML describes it. Class i of every role is `labels[i]`."""

    name: Name
    version: PositiveInt
    title: Text
    labels: tuple[Text, ...] = ()  # empty: the labels found in the rows
    text: Text | None = None  # the column; None: columns with usual names
    text_pair: Text | None = None
    clean_label: Text | None = None  # the column of true labels if `label` may be wrong; goes to Rows.hidden
    citation: Text | None = None  # required, for the task or for each of its sources
    licence: Text | None = None  # the same
    sources: dict[str, Block] = Field(default_factory=dict)
    process: Literal["oracle"] | None = None  # rows are drawn from it instead of read from sources
    sizes: Sizes
    filters: dict[str, Filter] = Field(default_factory=dict)
    choices: dict[str, PlaceOption] = Field(default_factory=dict)
    knobs: dict[str, Knob] = Field(default_factory=dict)  # of the process

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> TaskSpec:
        if bool(self.sources) == (self.process is not None):
            raise ValueError("sources: give at least one source, or a process, and not both")
        if self.process is not None and (set(self.knobs) != set(KNOBS) or len(self.labels) != OUTCOMES):
            raise ValueError(f"process {self.process} needs the knobs {', '.join(KNOBS)} and {OUTCOMES} labels")
        return self

    @model_validator(mode="after")
    def _citation_and_licence(self) -> TaskSpec:
        for key in ("citation", "licence"):
            by_source = [getattr(block, key) for block in self.sources.values()]
            if getattr(self, key) is None and not (by_source and all(by_source)):
                raise ValueError(f"{key}: this key is required, for the task or for each of its sources")
        return self

    @property
    def pair(self) -> bool:
        """Whether an example is two texts."""
        return self.text_pair is not None

    @property
    def options(self) -> dict[str, Filter | PlaceOption | Knob]:
        """The options that `task[name=value]` may set, besides axes of stress."""
        return {**self.filters, **self.choices, **self.knobs}

    def complete_sources(self) -> list[str]:
        """The sources with real rows: those that a run can use."""
        return [name for name, block in self.sources.items() if block.real is not None or name == FILES]

    def source(self, requested: str) -> str:
        """The source to read: the one requested, or the user's files if the task has those instead."""
        return FILES if FILES in self.sources and requested not in self.sources else requested

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("the names must differ from each other")
        if len(labels) == 1:
            raise ValueError("give at least 2 names, or leave labels out to take those of the rows")
        return labels

    @field_validator("sources", mode="before")
    @classmethod
    def _blocks(cls, blocks: Any) -> Any:
        """Validate each block by the schema of its source."""
        if not isinstance(blocks, dict):
            return blocks
        for name in blocks:
            if name not in SOURCES:
                raise ValueError(f"no source {name!r}{did_you_mean(name, SOURCES)} (known: {join_names(SOURCES)})")
        return {name: _validated(SOURCES[name].schema, block, name) for name, block in blocks.items()}


def _validated(schema: type[Block], block: Any, name: str) -> Block:
    try:
        return schema.model_validate(block)
    except ValidationError as error:
        raise ValueError(f"{name}: {_problem(error, schema, Split)}") from None


def _problem(error: ValidationError, *models: type[Strict]) -> str:
    """The first problem of a YAML in one line: the key, what is wrong, and the nearest known key."""
    first = error.errors()[0]
    kind, key = first["type"], ".".join(str(part) for part in first["loc"])
    if kind == "extra_forbidden":
        if first["loc"][-1] == VALIDATION:
            return f"{key}: no run reads validation rows; remove the key (--test FILE tests on such rows)"
        known = [name for model in models for name in model.model_fields]
        return f"unknown key {key!r}{did_you_mean(first['loc'][-1], known)}"
    message = PROBLEMS.get(kind, first["msg"].removeprefix("Value error, ").replace("Input should be", "must be"))
    if kind == "string_type":
        value = first["input"]
        quotes = "" if isinstance(value, dict | list) else "; put it in quotation marks"
        message = "must be text, and is empty" if value is None else f"must be text, not {short_repr(value)}{quotes}"
    return (f"{key}: " if key else "") + message


def task_names() -> list[str]:
    """The names of the registered tasks, sorted. Reads no file."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load_spec(name: str | Path) -> TaskSpec:
    """The description of a task, given by a name, `files`, or the path of a YAML, a folder or a file of generated rows.

    Reads no rows. Raises `DataError` if there is no such task, or if its YAML is wrong.
    """
    if name in task_names():
        return _read_spec(Path(__file__).parent / f"{name}.yaml")
    if name == FILES:
        return _files_task(FILES, {})
    path = user_path(name)
    if path.suffix in (".yaml", ".yml"):
        return _read_spec(path)
    if path.is_dir():
        return _files_task(path.resolve().name, role_files(path))
    if path.is_file():
        return _files_task(path.stem, {"generated": path.name})
    if isinstance(name, Path) or path.suffix.lower() in READERS or len(path.parts) > 1:
        raise missing_file(path)
    names = task_names()
    raise DataError(f"no task {name!r}{did_you_mean(name, names)} (known: {join_names(names)}, or a path)")


def base_folder(name: str | Path) -> Path:
    """The folder that the files of a task's source `files` are relative to."""
    path = user_path(name)
    return Path() if name == FILES else path if path.is_dir() else path.parent


def _files_task(title: str, places: dict[str, str]) -> TaskSpec:
    """A task of the user's files. Its name is always `files`: draws and cells depend on it, not on where files are."""
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
