"""Reads the files of the tweet-polarity course: one file per class, one tweet per line.

The files may hold millions of lines. They are read twice in a stream: once for a hash of 8 bytes per tweet, once for
the rows that are used. So memory does not grow with the texts.
"""

from __future__ import annotations

import codecs
import hashlib
from array import array
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, did_you_mean, join_names, plural, user_path
from tasks.roles import normalised
from tasks.sources.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = {"negative": "neg", "positive": "pos"}
SIZES = {"full": "_full", "small": ""}  # how the names of the files end
LARGEST = "largest"  # in a task's YAML: the full files if they exist, else the small ones
MAX_ROWS = 100_000  # far more than any small real set and its test


def is_course(folder: Path | None) -> bool:
    """Whether a folder holds at least one file of the course's layout."""
    return folder is not None and any(path.is_file() for size in SIZES for path in course_files(folder, size).values())


def course_files(folder: Path, size: str) -> dict[str, Path]:
    """The path of each class's file, `size` being full or small. The files need not exist."""
    return {name: user_path(folder) / f"train_{short}{SIZES[size]}.txt" for name, short in CLASSES.items()}


def read_course(folder: Path, size: str = LARGEST, *, whole: bool = False) -> Table:
    """At most `MAX_ROWS` rows with `text` and `label`, chosen by a hash of the text; with `whole`, all of them.

    A tweet that repeats an earlier one of its class is read once. A tweet in both classes is left out, because nothing
    says which label is right. The table's notes count both. Raises `DataError`.
    """
    import numpy as np

    paths = _existing_files(folder, size)
    hashes = {name: _hashes(path) for name, path in paths.items()}
    distinct = {name: np.unique(values, return_index=True) for name, values in hashes.items()}
    negative, positive = (values for values, _ in distinct.values())
    both = np.intersect1d(negative, positive, assume_unique=True)
    # Without `kind`, numpy 2.0 raises OverflowError for whole numbers of 64 bits without a sign.
    single = {name: (values, first, ~np.isin(values, both, kind="sort")) for name, (values, first) in distinct.items()}
    usable = np.concatenate([values[alone] for values, _, alone in single.values()])
    too_many = len(usable) > MAX_ROWS and not whole
    limit = np.partition(usable, MAX_ROWS - 1)[MAX_ROWS - 1] if too_many else np.iinfo(np.uint64).max
    columns: dict[str, list[Any]] = {"text": [], "label": []}
    for name, (values, first, alone) in single.items():
        chosen = np.zeros(len(hashes[name]), dtype=np.bool_)
        chosen[first[alone & (values <= limit)]] = True
        texts = list(compress(_tweets(paths[name]), chosen))
        columns["text"] += texts
        columns["label"] += [name] * len(texts)
    names = join_names(path.name for path in paths.values())
    lines = sum(map(len, hashes.values()))
    repeats = lines - sum(len(values) for values, _ in distinct.values())
    notes = [
        f"{names}: {plural(lines, 'tweet')}; left out: {plural(repeats, 'repeat')} of an earlier tweet of the same "
        f"class, {plural(len(both), 'text')} in both classes"
    ]
    if too_many:
        notes.append(f"{MAX_ROWS:,} of {len(usable):,} different tweets are used, chosen by a hash of their text")
    if not columns["text"]:
        raise DataError(f"{folder}: every tweet of {names} is in both classes, so that no label can be trusted")
    return Table(f"{folder} ({names})", columns, origin=names, notes=tuple(notes))


def _existing_files(folder: Path, size: str) -> Mapping[str, Path]:
    """The file of each class. Raises `DataError` if one does not exist."""
    if size == LARGEST:
        size = next((known for known in SIZES if any(map(Path.is_file, course_files(folder, known).values()))), "small")
    paths = course_files(folder, size)
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        present = sorted(path.name for path in user_path(folder).glob("*.txt"))
        problem = f"{folder}: no {' and no '.join(missing)}; there must be two {size} files, one for each class"
        raise DataError(f"{problem}; the folder holds {join_names(present)}{did_you_mean(missing[0], present)}")
    return paths


def _hashes(path: Path) -> NDArray[np.uint64]:
    """(n,) a hash of each tweet's normalised text. Raises `DataError` if the file holds no tweet."""
    import numpy as np

    hashes = array("Q")
    for tweet in _tweets(path):
        hashes.append(int.from_bytes(hashlib.blake2b(normalised(tweet).encode(), digest_size=8).digest()))
    if not hashes:
        raise DataError(f"{path}: the file holds no tweet")
    return np.frombuffer(hashes, dtype=np.uint64)


def _tweets(path: Path) -> Iterator[str]:
    """The tweets of a file, one at a time, without empty lines. Raises `DataError` for a damaged file."""
    for _, line in numbered_lines(path):
        if line.strip():
            yield line


def numbered_lines(path: Path, *, whole: bool = True) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers from 1, read in a stream. Only line feeds end a line.

    Raises `DataError` if a line is not UTF-8. With `whole` it also does so if the last line has no line end,
    because the file may have been cut off.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                yield number, line.decode().rstrip("\r\n")
                if whole and not raw.endswith(b"\n"):
                    raise DataError(
                        f"{path}, line {number}: the last line has no line end, so the file may have been cut off; "
                        "get the file again, or add a line end if it is complete"
                    )
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(f"{path}, line {number}: not valid UTF-8 (byte 0x{byte:02x})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
