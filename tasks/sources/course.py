"""The layout of the tweet-polarity course: a file per class, a tweet per line.

The files may hold millions of lines. They are read twice in a stream, first for hashes of 8 bytes, then for the rows
that are kept, so that memory does not grow with the texts.
"""

from __future__ import annotations

import codecs
import hashlib
from array import array
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, listed, nearest
from tasks.roles import normalised
from tasks.sources.files import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = {"negative": "neg", "positive": "pos"}
SIZES = {"full": "_full", "small": ""}  # how the names of the files end
LARGEST = "largest"  # the place that means: the full files where they are, else the small ones
KEPT = 100_000  # rows: far more than any small real set and its test


def is_course(folder: Path | None) -> bool:
    """Whether a folder has one of the files that the course's layout is known by."""
    return folder is not None and any(path.is_file() for size in SIZES for path in files(folder, size).values())


def files(folder: Path, size: str) -> dict[str, Path]:
    """The file of each class, `size` full or small; whether they are there is not asked."""
    return {name: folder.expanduser() / f"train_{short}{SIZES[size]}.txt" for name, short in CLASSES.items()}


def read_course(folder: Path, size: str = LARGEST) -> Table:
    """At most `KEPT` rows with `text` and `label`, chosen by a hash of the text.

    A repeated tweet is read once, and one that stands in both classes not at all, since nothing says which is right;
    notes count both. Raises DataError.
    """
    import numpy as np

    paths = _present(folder, size)
    hashes = {name: _hashes(path) for name, path in paths.items()}
    own = {name: np.unique(values, return_index=True) for name, values in hashes.items()}
    negative, positive = (values for values, _ in own.values())
    both = np.intersect1d(negative, positive, assume_unique=True)
    single = {name: (values, first, ~np.isin(values, both)) for name, (values, first) in own.items()}
    every = np.concatenate([values[alone] for values, _, alone in single.values()])
    most = np.partition(every, KEPT - 1)[KEPT - 1] if len(every) > KEPT else np.iinfo(np.uint64).max
    columns: dict[str, list[Any]] = {"text": [], "label": []}
    for name, (values, first, alone) in single.items():
        chosen = np.zeros(len(hashes[name]), dtype=np.bool_)
        chosen[first[alone & (values <= most)]] = True
        found = list(compress(_tweets(paths[name]), chosen))
        columns["text"] += found
        columns["label"] += [name] * len(found)
    names = listed(path.name for path in paths.values())
    lines = sum(map(len, hashes.values()))
    notes = _counted(names, lines, repeats=lines - sum(len(values) for values, _ in own.values()), both=len(both))
    if len(every) > KEPT:
        notes += (f"{KEPT:,} of {len(every):,} different tweets are kept, chosen by a hash of their text",)
    if not columns["text"]:
        raise DataError(f"{folder}: every tweet of {names} stands in both classes")
    return Table(f"{folder} ({names})", columns, origin=names, notes=notes)


def _counted(names: str, lines: int, repeats: int, both: int) -> tuple[str, ...]:
    """What was counted: `lines` in both files, of which `repeats` say what an earlier one of the class says."""
    torn = f"{both:,} texts stand in both classes and are left out"
    return (f"{names}: {lines:,} tweets; {repeats:,} repeat an earlier one of their class and are left out; {torn}",)


def _present(folder: Path, size: str) -> Mapping[str, Path]:
    """The two files that a size names. Raises DataError for one that is not there."""
    if size == LARGEST:
        size = next((known for known in SIZES if any(map(Path.is_file, files(folder, known).values()))), "small")
    paths = files(folder, size)
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        held = sorted(path.name for path in folder.expanduser().glob("*.txt"))
        where = f"{folder}: no {' and no '.join(missing)}; the {size} files are two, one for each class"
        raise DataError(f"{where}; the folder holds {listed(held)}{nearest(missing[0], held)}")
    return paths


def _hashes(path: Path) -> NDArray[np.uint64]:
    """(n,) a hash of each tweet's normalised text. Raises DataError where there is no tweet."""
    import numpy as np

    found = array("Q")
    for tweet in _tweets(path):
        found.append(int.from_bytes(hashlib.blake2b(normalised(tweet).encode(), digest_size=8).digest()))
    if not found:
        raise DataError(f"{path}: the file holds no tweet")
    return np.frombuffer(found, dtype=np.uint64)


def _tweets(path: Path) -> Iterator[str]:
    """The tweets of a file, one at a time, without empty lines. Raises DataError for a file that is damaged."""
    for _, line in numbered_lines(path):
        if line.strip():
            yield line


def numbered_lines(path: Path, *, whole: bool = True) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers from 1, read in a stream; only line feeds end a line.

    Raises DataError where a line is not UTF-8, or, if `whole`, where the last one has no end: a file that was cut off
    looks so.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                yield number, line.decode().rstrip("\r\n")
                if whole and not raw.endswith(b"\n"):
                    raise DataError(
                        f"{path}, line {number}: the last line has no line end, as if the file were cut off; "
                        "get it again, or end the line if it is whole"
                    )
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(f"{path}, line {number}: not valid UTF-8 (byte 0x{byte:02x})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
