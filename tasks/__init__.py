"""Tasks: text classification data sets, each described by one YAML file: labels, sources of rows, and splits.

`load` reads a task's rows. `task_names` and `load_spec` describe tasks without reading rows. Nothing here imports
torch, and only `load` imports numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tasks.data import TaskData
from tasks.errors import DataError
from tasks.reading import USUAL, Readings
from tasks.roles import COURSE, FILES, Role, normalised
from tasks.rows import Rows
from tasks.sources.course import is_course
from tasks.sources.registry import SOURCES
from tasks.sources.table import Table
from tasks.spec import TaskSpec, load_spec, task_names
from tasks.stress import AXES, stressed

__all__ = [
    "AXES",
    "COURSE",
    "FILES",
    "SOURCES",
    "DataError",
    "Role",
    "Rows",
    "TaskData",
    "TaskSpec",
    "is_course",
    "load",
    "load_spec",
    "normalised",
    "stressed",
    "task_names",
]

NO_OPTIONS: Mapping[str, object] = MappingProxyType({})
NO_PLACES: Mapping[Role, str | Table] = MappingProxyType({})


def load(
    name: str | Path,
    *,
    source: str = "bundled",
    data_dir: Path | None = None,
    options: Mapping[str, object] = NO_OPTIONS,
    test_size: int | Literal["default"] | None = "default",
    places: Mapping[Role, str | Table] = NO_PLACES,
    readings: Readings = USUAL,
    folds: int | None = None,
    title: str | None = None,
) -> TaskData:
    """Read and check the rows of a task.

    - `name`: a task's name, `files`, or the path of a YAML, a folder or a file.
    - `source`: one of `SOURCES`.
    - `data_dir`: the folder that sources `local`, `hub` and `course` read.
    - `options`: options of the task, as in `{"agreement": 75}`.
    - `test_size`: the largest number of test rows. None takes all that the source holds out, `default` the task's.
    - `places`: by role, a file, a folder, a hub data set or a table that is read instead of the source's.
    - `readings`: by role, how the user's own rows are read.
    - `folds`: of a cross-validation of the user's own real rows without a test set. None: 5 if they are few, else half
      of them are held out, as for 0.
    - `title`: what the user calls a task of their own files.

    The generated set and the pool do not depend on `test_size`, and nothing here depends on a run's seed.

    Raises `DataError`, one line for the user, for anything wrong with the task, the arguments or the files.
    """
    from tasks.loading.load import load_task  # here, because listing tasks must not wait for numpy

    return load_task(name, source, data_dir, options, test_size, places, readings, folds, title)
