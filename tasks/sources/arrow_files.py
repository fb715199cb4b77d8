"""Reads data sets that the library `datasets` saved: a folder of `save_to_disk`, or one of its .arrow files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, did_you_mean, in_a_line, join_names
from tasks.sources.table import Table

if TYPE_CHECKING:
    from datasets import Dataset

TEST = "test"  # the split that never serves another role
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"  # the files by which folders of `save_to_disk` are known
MAX_BYTES = (
    2**29
)  # of the Arrow files, which are not compressed; as Python's objects the rows take about 3 times as much


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (folder / SAVED).is_file() or (folder / SAVED_SPLITS).is_file()


def read_saved(folder: Path, split: str) -> Table:
    """The rows of a folder of `save_to_disk`; of one with several splits, those of `split`. Raises `DataError`."""
    import datasets

    _check_size(folder, folder.rglob("*.arrow"))
    try:
        rows = datasets.load_from_disk(str(folder))
    except Exception as error:  # its readers raise many kinds
        raise DataError(f"{folder}: not a readable folder of save_to_disk: {in_a_line(error)}") from None
    name = folder.name
    if isinstance(rows, datasets.DatasetDict):
        chosen = chosen_split(list(map(str, rows)), str(folder), None, split)
        rows, name = rows[chosen], f"{folder.name}:{chosen}"
    return Table(str(folder), columns_of(rows, str(folder)), origin=name)


def read_arrow(path: Path) -> Table:
    """The rows of an .arrow file that `datasets` wrote. Raises `DataError`."""
    import datasets

    _check_size(path, [path])
    try:
        rows = datasets.Dataset.from_file(str(path))
    except Exception as error:  # its readers raise many kinds
        raise DataError(f"{path}: not an .arrow file of the library datasets: {in_a_line(error)}") from None
    return Table(str(path), columns_of(rows, str(path)), origin=path.name)


def chosen_split(splits: Sequence[str], name: str, wanted: str | None, split: str) -> str:
    """The split to read of the data set `name`: `wanted` if it is given, else the only split, else `split`.

    A split `test` alone is not taken for another one: test rows are never read as training rows. Raises `DataError`
    if the split does not exist.
    """
    chosen = wanted or (splits[0] if len(splits) == 1 and splits[0] != TEST else split)
    if chosen not in splits:
        raise DataError(f"{name}: no split {chosen!r}; splits: {join_names(splits)}{did_you_mean(chosen, splits)}")
    return chosen


def columns_of(rows: Dataset, place: str) -> dict[str, list[Any]]:
    """Lists of cells by column, with classes by name. The hub's label -1 means that the label is missing.

    `place` begins error messages. Raises `DataError` if there is no row, or if a cell cannot be read.
    """
    if not len(rows):
        raise DataError(f"{place}: no rows")
    try:
        columns = rows.with_format(None)[:]
        for name, feature in rows.features.items():
            if classes := getattr(feature, "names", None):
                columns[name] = [None if label is None or label < 0 else classes[label] for label in columns[name]]
    except Exception as error:  # decoders of images and sound, dates out of range, broken text, classes without a name
        raise DataError(f"{place}: rows cannot be read: {in_a_line(error)}") from None
    return dict(columns)


def _check_size(path: Path, files: Iterable[Path]) -> None:
    size = sum(file.stat().st_size for file in files)
    if size > MAX_BYTES:
        raise DataError(
            f"{path}: {size / 1e6:,.0f} MB of Arrow data, and at most {MAX_BYTES / 1e6:,.0f} MB are read at once; "
            "select fewer rows, or write JSON lines, which are read as a stream"
        )
