"""Resamples rows: another set of the same size, drawn from the rows themselves with replacement (the bootstrap).

It stands for another generation of the same generator, as far as the rows at hand can show it (Efron, 1979). Texts that
this set does not have cannot occur, so a new generation may differ by more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def resampled(rows: Rows, seed: int) -> Rows:
    """As many rows, drawn with replacement, in the order of the set. A row drawn again is a copy with its own id."""
    import numpy as np

    index = np.sort(np.random.default_rng(seed).integers(len(rows), size=len(rows)))
    again = repeats(index)
    origins, hidden = rows.origins, {"copy_of": np.full(len(rows), -1, dtype=np.int64), **rows.hidden}
    new = replace(rows, hidden=hidden).take(index)
    new.hidden["copy_of"][again] = origins[index[again]]
    new.ids[again] = rows.ids.max() + 1 + np.arange(int(again.sum()))
    return new


def repeats(index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether an entry of a sorted array is the one before it."""
    import numpy as np

    return np.concatenate([[False], index[1:] == index[:-1]])
