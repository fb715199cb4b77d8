"""The weights of all generated rows of a grid as one table, from one cell or as the mean over several seeds.

docs/weights.md says what each column is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.errors import UserError
from bench.leaderboard.read.file_rows import file_rows
from bench.leaderboard.read.row_flags import MOST_COMPARED, other_label, repeats, unlike
from bench.leaderboard.read.row_weights import effective, final_probabilities, visits_of
from bench.store import hidden_columns, role_texts
from bench.store.files import read_json
from bench.store.layout import DONE, TRAIN_SCORES
from bench.store.manifest import hidden_of, quality_checker
from bench.store.tables import read_table
from tasks.errors import plural

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 20  # visited rows from which the weight of a row without visits is estimated


@dataclass(frozen=True, eq=False)
class CellRows:
    """One cell on the n rows of the table: NaN and -1 where it has no value."""

    labels: IntArray  # (n,) as trained on
    weight: FloatArray  # (n,) mean over visits
    visits: IntArray  # (n,)
    quality: FloatArray  # (n, C) P'(.|x)
    model: FloatArray  # (n, C) p(.|x)


def weight_table(root: Path, section: Mapping[str, Any], cells: Mapping[int, Path]) -> tuple[pd.DataFrame, list[str]]:
    """The table of the finished cells of one method by seed, and lines on what is estimated, absent or unknown.

    Raises UserError if the cells have no weights, differ in labels, or their texts are not in the store.
    """
    import pandas as pd

    texts = role_texts.read(root, section.get("texts", {}).get("generated"))
    records = {seed: hidden_columns.read(root, hidden_of(section, seed)) for seed in cells}
    checkers = {seed: quality_checker(section, seed, root) for seed in cells}
    origin = origins_of(texts, list(records.values()), next(iter(cells.values())))
    ids, origins = np.asarray(origin.index, np.int64), np.asarray(origin, np.int64)
    source = texts.loc[origins]
    given = np.asarray(source["label"], dtype=np.int64)
    classes = len(section["labels"])
    read = [
        cell_rows(path, records[seed], ids, origins, given, classes, checkers[seed]) for seed, path in cells.items()
    ]
    labels = common_labels(read)
    weight = over_cells(np.array([cell.weight for cell in read]))
    probabilities = over_cells(np.array([cell.quality for cell in read]))
    model = over_cells(np.array([cell.model for cell in read]))
    place = np.arange(len(ids))
    own = {"quality": probabilities[place, labels], "model": model[place, labels]}
    visits = np.sum([cell.visits for cell in read], axis=0)
    filled, estimated = estimate(weight, visits > 0, own)
    deviation = spread(np.array([cell.weight for cell in read]))
    names = np.array(section["labels"], dtype=object)
    numbers, files = file_rows(section, ids, origins)
    columns: dict[str, Any] = {"row": numbers, **({"generation": files} if files else {})}
    columns |= {str(name): source[name].to_numpy() for name in source if name != "label"}
    frame = pd.DataFrame(columns)
    frame = frame.assign(
        label=names[labels], weight=filled, weight_sd=deviation, visits=visits, estimated=estimated, **own
    )
    real = role_texts.read(root, section["texts"].get("real"))
    notes = remarks(frame, len(cells)) + checker_remarks(section, [*checkers.values()])
    return with_flags(frame, probabilities, labels, names, joined(real)), notes


def origins_of(texts: pd.DataFrame, records: Sequence[pd.DataFrame | None], cell: Path) -> pd.Series[int]:
    """By row id in order, the id under which the row's text is scored: its own, or that of the row that it copies.

    With copies, rows outside the run are left out, because copies may have their ids.
    Raises UserError if the copies of an axis of stress differ between cells.
    """
    import pandas as pd

    origin: pd.Series[int] = texts.index.to_series()
    copies = [
        record[record["copy_of"] >= 0].set_index("id")["copy_of"]
        for record in records
        if record is not None and "copy_of" in record
    ]
    if not copies:
        return origin
    if not all(copies[0].equals(other) for other in copies):
        raise UserError("the copies of rows differ between seeds, as duplicates are drawn anew for each; name one cell")
    scored = read_table(cell / TRAIN_SCORES, {"id": "whole"})["id"]
    origin = pd.concat([origin[origin.isin(scored)], copies[0]]).sort_index()
    return origin


def cell_rows(
    folder: Path,
    record: pd.DataFrame | None,
    ids: IntArray,
    origins: IntArray,
    source_labels: IntArray,
    classes: int,
    quality: Path | None,
) -> CellRows:
    """A cell's values for rows (n,) whose texts are scored under `origins` (n,)."""
    by_row = effective(visits_of(folder)).groupby("id")["weight"]
    labels = source_labels if record is None else record.set_index("id")["label"].reindex(ids).to_numpy()
    labels = np.where(np.isnan(labels.astype(float)), source_labels, labels).astype(np.int64)
    return CellRows(
        labels=labels,
        weight=by_row.mean().reindex(ids).to_numpy(np.float64),
        visits=np.asarray(by_row.count().reindex(ids, fill_value=0)).astype(np.int64),
        quality=probabilities(quality, origins, classes),
        model=probabilities(folder, origins, classes),
    )


def probabilities(folder: Path | None, origins: IntArray, classes: int) -> FloatArray:
    """(n, C) stored probabilities of all classes, NaN where a row or the folder has none."""
    found = final_probabilities(folder, origins)
    if found is None:
        return np.full((len(origins), classes), np.nan)
    if found.shape[1] != classes:
        raise UserError(f"{folder} has scores of {found.shape[1]} classes, and the task has {classes}")
    return found


def common_labels(cells: Sequence[CellRows]) -> IntArray:
    """(n,) the labels that all cells trained on. Raises UserError if they differ."""
    for cell in cells[1:]:
        if differ := int((cell.labels != cells[0].labels).sum()):
            rows = plural(differ, "row")
            raise UserError(
                f"the labels of {rows} differ between seeds, as noise is drawn anew for each; name one cell"
            )
    return cells[0].labels


def over_cells(values: FloatArray) -> FloatArray:
    """(n, ...) the mean over the cells (S, n, ...) that have a value; NaN where none has."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def spread(values: FloatArray) -> FloatArray:
    """(n,) the standard deviation over the cells (S, n) that have a value; NaN where fewer than two have one."""
    known = ~np.isnan(values)
    count, mean = known.sum(axis=0), over_cells(values)
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan))


def estimate(
    weight: FloatArray, visited: BoolArray, probabilities: Mapping[str, FloatArray]
) -> tuple[FloatArray, BoolArray]:
    """(n,) weights with those of rows without visits filled in where a probability of theirs is known, and which.

    The estimate is the mean over the visited rows nearest in the ranks of P'(y|x) and p(y|x). Raises UserError if the
    visited rows have no weights.
    """
    known = visited & ~np.isnan(weight)
    if not known.any():
        raise UserError(
            "these cells have no weights: they train on no generated row, or their loss is not a function of the "
            "label's probability alone"
        )
    features = [values for values in probabilities.values() if not np.isnan(values[known]).any()]
    usable = np.all([~np.isnan(values) for values in features], axis=0) if features else np.zeros(len(weight), bool)
    missing = ~known & usable
    if missing.any():
        from sklearn.neighbors import KNeighborsRegressor

        ranks = np.stack([np.searchsorted(np.sort(values[known]), values) for values in features], axis=1)
        nearest = KNeighborsRegressor(min(NEAREST, int(known.sum()))).fit(ranks[known], weight[known])
        weight = weight.copy()
        weight[missing] = nearest.predict(ranks[missing])
    return weight, missing


def with_flags(
    frame: pd.DataFrame, probabilities: FloatArray, labels: IntArray, names: Any, real: Sequence[str]
) -> pd.DataFrame:
    """The table with its flags; a flag that cannot be known is empty in all rows."""
    import pandas as pd

    unknown: BoolArray = np.asarray(np.isnan(probabilities).any(axis=1))
    other = other_label(probabilities, labels)
    wrong = other >= 0
    texts = joined(frame)
    earlier, foreign = repeats_in_file(frame, texts), unlike(texts, real)
    rows = pd.Series(frame["row"].to_numpy()[earlier], frame.index, dtype="Int64")
    return frame.assign(
        likely_mislabelled=pd.Series(wrong, frame.index, dtype="boolean").mask(unknown),
        suggested_label=pd.Series(names[other], frame.index).where(wrong),
        redundant=earlier >= 0,
        repeats=rows.where(earlier >= 0),
        out_of_distribution=pd.array([pd.NA] * len(frame) if foreign is None else foreign, dtype="boolean"),
    )


def repeats_in_file(frame: pd.DataFrame, texts: Sequence[str]) -> IntArray:
    """(n,) the place of the earliest row of the same file whose words each row repeats, -1 for none."""
    if "generation" not in frame:
        return repeats(texts)
    earlier = np.full(len(frame), -1, dtype=np.int64)
    for rows in frame.groupby("generation", sort=False).indices.values():
        found = repeats([texts[row] for row in rows])
        earlier[rows] = np.where(found >= 0, rows[found], -1)
    return earlier


def checker_remarks(section: Mapping[str, Any], checkers: Sequence[Path | None]) -> list[str]:
    """How good the quality checkers of the cells are, since quality and likely_mislabelled are no better."""
    known = [folder / DONE for folder in checkers if folder is not None and (folder / DONE).exists()]
    scores = [read_json(path).get("accuracy") for path in known]
    accuracies = [score for score in scores if isinstance(score, float)]
    if not accuracies:
        return []
    return [
        "the columns quality and likely_mislabelled come from a quality checker, whose accuracy on the test rows is "
        f"{100 * np.mean(accuracies):.1f} %; a constant guess has {100 * section['majority']:.1f} %"
    ]


def joined(frame: pd.DataFrame) -> list[str]:
    """The texts of rows, those of a pair as one."""
    if "text_pair" not in frame:
        return list(frame["text"])
    return [f"{first}\n{second}" for first, second in zip(frame["text"], frame["text_pair"], strict=True)]


def remarks(frame: pd.DataFrame, cells: int) -> list[str]:
    """What a reader of the table must know: counts of rows by the source of their weight."""
    estimated, without = int(frame["estimated"].sum()), int(frame["weight"].isna().sum())
    files = frame["generation"].nunique() if "generation" in frame else 1
    cells_read = plural(cells, "cell")
    over = (
        f", mean over {cells_read}" if files == 1 else f" of {files} files; a cell trains on one of them ({cells_read})"
    )
    lines = [f"{plural(len(frame), 'generated row')}{over}"]
    if estimated:
        lines.append(
            f"{plural(estimated, 'row')} without a visit: weight estimated from the {NEAREST} nearest visited rows"
        )
    if without:
        lines.append(
            f"{plural(without, 'row')} not in the run, so without a weight; --generated-rows all takes every row"
        )
    if frame["model"].isna().all():
        lines.append("model is empty: these cells have no final scores (--final-scores checkers)")
    if frame["quality"].isna().all():
        lines.append("likely_mislabelled is empty: no method of the grid uses a quality checker (dimp does)")
    if (len(frame) if files == 1 else frame["generation"].value_counts().max()) > MOST_COMPARED:
        lines.append(f"redundant marks equal texts alone in files of more than {MOST_COMPARED:,} rows")
    return lines
