"""A loaded task: the rows of each role, and the draws of small real sets and generated subsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tasks.errors import DataError, plural
from tasks.roles import FILES, MINIMUM_PER_CLASS
from tasks.rows import Rows

if TYPE_CHECKING:
    from tasks.findings import Finding
    from tasks.reading import Columns
    from tasks.spec import TaskSpec

GENERATED_ROWS = "--generated-rows {}"  # the option for the size of generated sets


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task's rows from one source. `pool` holds the real rows that small real sets are drawn from.

    `generations`: all generated sets where there are several, by name and of equal size; `generated` is the first.
    Their ids go on from one file to the next; `generation_rows`: how many rows were read of each.
    """

    spec: TaskSpec
    source: str
    generated: Rows
    pool: Rows
    test: Rows
    notes: tuple[str, ...]  # what was removed or replaced, for the report
    about: str  # whose text the rows are, in words; empty if the user replaced a role or the task does not say
    stand_in: bool  # True if the real and test rows are not human text
    default_real: int  # size of the small real set for this source
    error_prefix: str  # the task and its source, as error messages begin
    origins: Mapping[str, str]  # where the rows of each role come from: a file's name, or a hub place with its commit
    columns: Mapping[str, Columns] = field(default_factory=dict)  # of the user's own rows, by role
    findings: tuple[Finding, ...] = ()  # what makes results on these rows wrong or doubtful
    generations: Mapping[str, Rows] = field(default_factory=dict)
    generation_rows: Mapping[str, int] = field(default_factory=dict)
    folds: int = 0  # of the pool, each the test of a seed, see `tasks.cross_validation`; 0: `test` is that of all seeds
    test_of: int = 0  # how many rows the test was drawn from; 0: there is none apart from the real rows
    drawn_from: str = ""  # a hash of the texts that the test was drawn from, those of all folds included

    def real(self, seed: int, size: int | None = None) -> Rows:
        """The small real set of a seed, in file order. A larger size of the same seed contains it.

        Raises `DataError` if the pool is too small, or the size for two rows of each class.
        """
        size = self.default_real if size is None else size
        what = f"{self.error_prefix}: a small real set of {plural(size, 'row')}"
        if size > (n := len(self.pool)):
            own = " (files, for --generated and --real)" if self.spec.name == FILES else ""
            raise DataError(
                f"{what} needs more than the {n:,} real rows of the pool; [real={n}] after the task's name{own} takes "
                f'them all, as in --tasks "{self.spec.name}[real={n}]"'
            )
        return self._drawn(self.pool, seed, size, what, f'--tasks "{self.spec.name}[real={{}}]"')

    def _drawn(self, rows: Rows, seed: int, size: int, what: str, option: str) -> Rows:
        """A draw of some rows with two of each class. `option` takes another size, with {} in its place."""
        from tasks.draw import draw

        leave = "; --drop-labels leaves a rare class out" if self.spec.name == FILES else ""
        return rows.take(draw(self.spec.name, rows, seed, size, what, MINIMUM_PER_CLASS, f" ({option}{leave})"))

    @property
    def roles(self) -> dict[str, Rows]:
        """The rows of each role that a run uses; the real rows are the pool, and the test too in a cross-validation."""
        tested = {} if self.folds else {"test": self.test}
        return {"generated": self.generated, "real": self.pool, **tested}

    def shares(self, rows: Rows) -> list[float]:
        """The share of each class in some rows of the task."""
        import numpy as np

        counts = np.bincount(rows.labels, minlength=len(self.spec.labels))
        return [float(share) for share in counts / len(rows)]

    def limited(self, most: int) -> TaskData:
        """The same task with at most `most` rows in each role. Raises `DataError` if that is too few for the classes.

        The pool stays as it is unless it is the test too; the small real set drawn from it becomes smaller.
        """
        from tasks.draw import TEST_SEED, draw

        data = replace(self, error_prefix=f"{self.error_prefix}, --limit {most}")
        what = f"{data.error_prefix}: a test of {plural(most, 'row')}"
        least = MINIMUM_PER_CLASS + 1 if self.folds else 1
        chosen = draw(self.spec.name, self.test, TEST_SEED, min(most, len(self.test)), what, least)
        real, test = min(most, self.default_real), self.test.take(chosen)
        pool = test if self.folds else self.pool
        fewer = replace(
            data,
            generations=data.generation_subsets(most, "--limit {}"),
            generated=data.generated_subset(most, option="--limit {}"),
        )
        return replace(fewer, default_real=real, test=test, pool=pool)

    def generation_subsets(self, size: int | None, option: str = GENERATED_ROWS) -> dict[str, Rows]:
        """A subset of each generation by name, as `generated_subset` draws them."""
        each = {name: replace(self, generated=rows) for name, rows in self.generations.items()}
        return {name: one.generated_subset(size, option=option) for name, one in each.items()}

    def generated_subset(self, size: int | None, seed: int = 0, option: str = GENERATED_ROWS) -> Rows:
        """A subset of the generated set, in file order. A larger size of the same seed contains it.

        It is the whole set if `size` is None or not smaller than the set. Raises `DataError` if the size is too small
        for two rows of each class; the message names the `option` that takes another one.
        """
        if size is None or size >= len(self.generated):
            return self.generated
        what = f"{self.error_prefix}: a generated set of {plural(size, 'row')}"
        return self._drawn(self.generated, seed, size, what, option)
