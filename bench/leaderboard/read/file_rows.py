"""Where generated rows stand in their files: ids go on from one generated file to the next, numbers of rows do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.arrays import IntArray


def file_rows(section: Mapping[str, Any], ids: IntArray, origins: IntArray) -> tuple[IntArray, list[str]]:
    """(n,) the number of each row in its file, from 0, and the names of the n files; no names where there is one file.

    `origins` (n,): the ids of the rows that copies repeat. A copy that stress added has no place in a file: its number
    is its id. Of a file of which a sample was read, the rows of the sample are counted.
    """
    sizes: Mapping[str, int] = section.get("generation_rows") or {}
    if not sizes:
        return ids, []
    ends = np.cumsum(list(sizes.values()))
    file = np.minimum(np.searchsorted(ends, origins, side="right"), len(ends) - 1)
    names = list(sizes)
    numbers = np.where(ids == origins, ids - np.append(0, ends)[file], ids)
    return numbers.astype(np.int64), [names[k] for k in file.tolist()]
