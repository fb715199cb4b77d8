"""Cross-validation of few real rows: each fold tests a model that the other folds train.

Seed s is fold s mod K of repeat s div K. So K seeds test every row once, and 2 K seeds twice, in other folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.errors import DataError, plural
from tasks.reading import spelling_option, typed_names
from tasks.roles import MINIMUM_PER_CLASS

if TYPE_CHECKING:
    from tasks.data import TaskData
    from tasks.rows import Rows

FOLDS = 5  # of own real rows without a test set, if there are few
FEW = 400  # real rows; of more, half are held out as the test. Half of 400 know an accuracy to within 7 points
LEAST = 20  # real rows; with fewer, a fold has so few that no method can be told from another
MOST_FOLDS = 20
TOGETHER = "together"  # the hidden column of the numbers of real rows that are either all trained on or all tested
NO_EXAMPLES = ("[]", "", "None", "nan")  # cells of the column `examples` of a prompt that showed none


def fold_count(rows: int, requested: int | None) -> int:
    """The number of folds for a number of real rows without a test set; 0: half of them are held out."""
    return requested if requested is not None else FOLDS if rows < FEW else 0


def whole_repeats(seeds: Iterable[int], folds: int) -> list[int]:
    """All seeds of the repeats that some of these seeds belong to, ascending: they test all rows alike."""
    repeats = sorted({seed // folds for seed in seeds})
    return [folds * repeat + fold for repeat in repeats for fold in range(folds)]


def showed_examples(generated: Rows) -> bool:
    """Whether `bench generate` wrote the rows and showed the model real rows, by the columns that it writes."""
    if not {"prompt_id", "examples"} <= set(generated.columns):
        return False
    return any(str(cell).strip() not in NO_EXAMPLES for cell in generated.columns["examples"])


def check_rows(rows: Rows, labels: Sequence[str], folds: int, prefix: str) -> None:
    """Raise `DataError` for too few rows, or too few of a class, for a number of folds."""
    import numpy as np

    if len(rows) < LEAST:
        raise DataError(
            f"{prefix}: no test set, and {plural(len(rows), 'real row')} are too few even for cross-validation; give "
            f"at least {LEAST} real rows, or --test FILE"
        )
    together = rows.hidden.get(TOGETHER)  # equal texts are in one fold, and so are the rows of a cluster
    unit, units = ("different text", rows.keys) if together is None else ("cluster", together.tolist())
    for label, name in enumerate(labels):
        of_class = np.flatnonzero(rows.labels == label)
        count = len({units[row] for row in of_class})
        if count - -(-count // folds) < MINIMUM_PER_CLASS:
            repeated = f" with {plural(count, unit)}" if count < len(of_class) else ""
            raise DataError(
                f"{prefix}: class {name} has {plural(len(of_class), 'real row')}{repeated}, and {folds} folds need at "
                f"least {MINIMUM_PER_CLASS + 1}{spelling_option(name, labels)}; give more, or --test FILE, or "
                f"--drop-labels {typed_names([name])}"
            )
    if (count := len(set(units))) < folds:
        more = "give more rows, or ask for fewer (--folds)"
        raise DataError(f"{prefix}: {plural(count, unit)} cannot be cut into {folds} folds; {more}")


def of_all_seeds(data: TaskData, whole: TaskData) -> TaskData:
    """What all seeds see together, from what one sees: in a cross-validation each row of the whole task is tested."""
    if not whole.folds:
        return data
    return replace(data, pool=_plain(whole.pool), test=_plain(whole.pool), folds=whole.folds)


def of_seed(data: TaskData, seed: int) -> TaskData:
    """The task as a seed sees it: one fold is its test, and the others are its pool.

    A task with a test of its own is returned as it is.
    """
    import numpy as np

    if not data.folds:
        return data
    from tasks.draw import cluster_folds, folds

    repeat, fold = divmod(seed, data.folds)
    drawn = (data.spec.name, data.pool, f"repeat {repeat}", data.folds)
    together = data.pool.hidden.get(TOGETHER)
    of_row = folds(*drawn) if together is None else cluster_folds(*drawn, together)
    rows = _plain(data.pool)
    test, pool = (rows.take(np.flatnonzero(chosen)) for chosen in (of_row == fold, of_row != fold))
    absent = set(range(len(data.spec.labels))) - set(test.labels.tolist())
    if absent and together is not None:  # of single rows, a class of fewer rows than folds is in some of them only
        raise DataError(
            f"{data.error_prefix}: no row of class {data.spec.labels[min(absent)]} is in fold {fold} of {data.folds}, "
            "because rows of a cluster stay together; ask for fewer folds (--folds), or give --test FILE"
        )
    return replace(data, test=test, pool=pool, default_real=min(data.default_real, len(pool)), folds=0)


def _plain(rows: Rows) -> Rows:
    return replace(rows, hidden={name: values for name, values in rows.hidden.items() if name != TOGETHER})


def note(rows: int, folds: int) -> str:
    """How few real rows both train and test."""
    return (
        f"no test set was given: the {plural(rows, 'real row')} are cross-validated in {folds} stratified folds. Each "
        f"seed trains on all folds but one and tests on that one, so {folds} seeds test every row once; generated rows "
        "with the text of a real row are left out"
    )


def clusters_ignored(rows: Rows) -> str:
    """The end of the note if rows are of clusters, which the intervals of folds do not use."""
    return "; intervals count rows, not clusters (--folds 0 counts these)" if TOGETHER in rows.hidden else ""
