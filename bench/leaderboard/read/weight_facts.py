"""What a report says about the weights of a cell, kept in the store's `.weights.npz`.

Reading and ranking a cell's weights takes longer than all else that a report reads of it. Kept facts are used while
the seal of the cell, the hidden columns of its rows and the scores of its quality checker are as they were (sizes and
times of files), and the code is the same.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bench.arrays import FloatArray
from bench.hashing import files_hash
from bench.leaderboard.read import kept, row_weights
from bench.leaderboard.read.cell_files import states
from bench.leaderboard.read.row_weights import Absence, RowWeights, ess, finds, rank_correlation, thirds
from bench.processes import pool
from bench.store import hidden_columns
from bench.store.layout import DONE, TRAIN_SCORES, place_of, precomputed_path, root_of

FILE = ".weights.npz"
MANY, PART = 200, 50  # number of new cells from which several processes read, and cells per task of a process


@dataclass(frozen=True)
class Source:
    """A finished cell with weights; `hidden_id`: of its rows' hidden columns; `quality`: folder of its checker.

    `seal` changes when anything does that is read.
    """

    folder: Path
    hidden_id: str | None
    quality: Path | None
    seal: str

    @classmethod
    def sealed(cls, folder: Path, seal: str, hidden_id: str | None, quality: Path | None) -> Self:
        """The source with its own seal, which the cell's `seal` is part of."""
        hidden = precomputed_path(root_of(folder), hidden_columns.KIND, hidden_id or "")
        files = states(hidden, [hidden_columns.FILE]) + (states(quality, [TRAIN_SCORES]) if quality else b"no checker")
        return cls(folder, hidden_id, quality, hashlib.sha256(f"{seal} {hidden_id} ".encode() + files).hexdigest())


@dataclass(frozen=True)
class WeightFacts:
    """The weights of one cell over its visits, and how they relate to its rows. NaN: not known.

    `why`: the reason if there are no weights. `unscored`: its rows have labels, but no final scores.
    """

    why: str = ""
    mean: float = math.nan
    low: float = math.nan  # 5 % quantile
    median: float = math.nan
    high: float = math.nan  # 95 % quantile
    largest: float = math.nan
    ess_first: float = math.nan  # share, first third of training
    ess_last: float = math.nan
    wrong: float = math.nan  # AUROC of a low weight for wrong labels
    repeated: float = math.nan  # ... for rows whose text occurs more than once
    quality: float = math.nan  # rank correlation with P'(y|x)
    model: float = math.nan  # rank correlation with the trained model's p(y|x)
    unscored: float = 0.0


@functools.lru_cache(maxsize=4096)  # tables and figures of a section read the same cells; about 70 kB each
def read(source: Source) -> RowWeights | Absence:
    """The weights of a cell, once per version of its files. Raises UserError for an unreadable one."""
    return row_weights.read(source.folder, root_of(source.folder), source.hidden_id, source.quality)


def facts_of(sources: Sequence[Source]) -> dict[Source, WeightFacts]:
    """The facts of cells, kept or computed. Raises UserError for an unreadable file."""
    found: dict[Source, WeightFacts] = {}
    by_root: dict[Path, list[Source]] = {}
    for source in sources:
        by_root.setdefault(root_of(source.folder), []).append(source)
    for root, own in by_root.items():
        known = load(root)
        kept_facts = ((one, known.get(place_of(one.folder)[1])) for one in own)
        found |= {one: pair[1] for one, pair in kept_facts if pair is not None and pair[0] == one.seal}
        if new := [one for one in own if one not in found]:
            found |= zip(new, computed(new), strict=True)
            save(root, known | {place_of(one.folder)[1]: (one.seal, found[one]) for one in new})
    return found


def computed(sources: Sequence[Source]) -> list[WeightFacts]:
    """The facts of cells, by several processes if they are many."""
    if len(sources) < MANY:
        return [summary(read(source)) for source in sources]
    parts = [sources[start : start + PART] for start in range(0, len(sources), PART)]
    with pool(len(parts)) as processes:
        return [one for part in processes.map(computed, parts) for one in part]


def summary(rows: RowWeights | Absence) -> WeightFacts:
    """The facts of one cell."""
    if isinstance(rows, Absence):
        return WeightFacts(why=rows.why)
    low, median, high = np.quantile(rows.visits, [0.05, 0.5, 0.95]).tolist()
    first, _, last = map(ess, thirds(rows.visits))
    return WeightFacts(
        mean=float(rows.visits.mean()),
        low=low,
        median=median,
        high=high,
        largest=float(rows.visits.max()),
        ess_first=first,
        ess_last=last,
        wrong=finds(rows, rows.wrong),
        repeated=finds(rows, rows.repeated),
        quality=correlation(rows, rows.quality),
        model=correlation(rows, rows.model),
        unscored=float(np.isnan(rows.model).all() and (rows.label >= 0).all()),
    )


def correlation(rows: RowWeights, other: FloatArray) -> float:
    """Rank correlation of the weights with other values of the rows; NaN for constant weights."""
    return math.nan if rows.constant else rank_correlation(rows.weight, other)


@functools.cache
def facts_version() -> str:
    """Hash of the code that facts depend on."""
    return files_hash([Path(str(module.__file__)) for module in (row_weights, hidden_columns)] + [Path(__file__)])


Known = dict[str, tuple[str, WeightFacts]]  # seals and facts by cell


def load(root: Path) -> Known:
    """The facts that a store keeps."""
    try:
        status = os.stat(root / FILE)
    except OSError:
        return {}
    return load_once(root / FILE, facts_version(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)  # each section of a report asks
def load_once(path: Path, code: str, time: int, size: int) -> Known:
    """`load`, once for each version of a file."""
    arrays = kept.read_arrays(path, code)
    try:
        columns = [arrays[name].tolist() for name in ("keys", "seals", "values", "reasons")]
        return {
            key.decode(): (seal.decode(), WeightFacts(why.decode(), *map(float, values)))
            for key, seal, values, why in zip(*columns, strict=True)
        }
    except kept.DAMAGED:
        return {}


def save(root: Path, known: Known) -> None:
    """Keep facts in their store; those of deleted cells are dropped."""
    there = {key: pair for key, pair in known.items() if os.path.exists(f"{root}/{key}/{DONE}")}
    arrays = {
        "keys": np.array([key.encode() for key in there], bytes),
        "seals": np.array([seal.encode() for seal, _ in there.values()], bytes),
        "reasons": np.array([one.why.encode() for _, one in there.values()], bytes),
        "values": np.array([astuple(one)[1:] for _, one in there.values()], np.float64),
    }
    kept.write_arrays(root / FILE, facts_version(), arrays)
