"""The rows of one role, and what a loaded task is."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.errors import DataError

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from tasks.spec import TaskSpec

# Fewer rows than this of a class, and nothing can be fitted or held out.
MINIMUM_PER_CLASS = 2
# Of the user's own real rows all are taken up to the task's default, fewer than this only if asked for.
LEAST_REAL = 20


def normalised(text: str) -> str:
    """The form in which two texts are the same text: NFKC, case folded, white space collapsed to single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows. Treat the arrays as read-only: hashes are cached."""

    ids: NDArray[np.int64]  # (n,) row number in the role's file, from 0, before any filtering
    texts: list[str]  # n
    pairs: list[str] | None  # n second texts, None where an example is one text
    labels: NDArray[np.int64]  # (n,) index into the task's labels
    # What is known of the rows and no method may see: (n,) or (n, k) by name. No part of the content.
    record: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: ArrayLike) -> Rows:
        """The rows at positions (k,) or where a mask (n,) is true, in the order of the index."""
        import numpy as np

        index = np.asarray(index)
        if index.dtype != np.bool_:
            index = index.astype(np.int64)
        chosen = np.arange(len(self), dtype=np.int64)[index]
        pairs = None if self.pairs is None else [self.pairs[i] for i in chosen]
        record = {name: values[chosen] for name, values in self.record.items()}
        return Rows(self.ids[chosen], [self.texts[i] for i in chosen], pairs, self.labels[chosen], record)

    @property
    def origins(self) -> NDArray[np.int64]:
        """(n,) the id of the row that a row's text is from: its own, unless it is a duplicate."""
        import numpy as np

        copy_of = self.record.get("copy_of", np.full(len(self), -1))
        return np.where(copy_of < 0, self.ids, copy_of)

    def content_hash(self, *, with_labels: bool = True) -> str:
        """SHA-256 (hex) over ids, texts, pairs and, if asked, labels, in their order."""
        return self._hash_with_labels if with_labels else self._hash_without_labels

    @cached_property
    def keys(self) -> list[str]:
        """n normalised texts, with the pair on a second line: equal where two rows hold the same text."""
        texts = [normalised(text) for text in self.texts]
        if self.pairs is None:
            return texts
        return [f"{text}\n{normalised(pair)}" for text, pair in zip(texts, self.pairs, strict=True)]

    @cached_property
    def _hash_with_labels(self) -> str:
        return _sha256([self.ids.tolist(), self.texts, self.pairs, self.labels.tolist()])

    @cached_property
    def _hash_without_labels(self) -> str:
        return _sha256([self.ids.tolist(), self.texts, self.pairs])


def _sha256(content: list[object]) -> str:
    # JSON, because it marks where a text ends: "ab", "c" and "a", "bc" must differ.
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task's rows from one source. `pool` holds the real rows that small real sets are drawn from."""

    spec: TaskSpec
    source: str
    generated: Rows
    pool: Rows
    test: Rows
    validation: Rows | None
    notes: tuple[str, ...]  # what was removed or replaced, for the report
    stand_in: bool  # True where the real and test rows are not human text
    default_real: int  # size of the small real set for this source
    default_test: int  # number of test rows unless another number is asked for
    where: str  # the task and its source, as errors name them
    origins: Mapping[str, str]  # what each role's rows are (a file's name, a hub place with its commit)

    def real(self, seed: int, size: int | None = None) -> Rows:
        """The small real set of a seed, in file order; a larger size of the same seed contains it.

        Raises `DataError` if the pool is too small, or the size for two rows of each class.
        """
        from tasks.draw import draw

        size = self.default_real if size is None else size
        what = f"{self.where}: real={size}"
        if size > (n := len(self.pool)):
            raise DataError(f"{what} asks for more real rows than the pool of {n}; [real={n}] takes them all")
        return self.pool.take(draw(self.spec, self.pool, seed, size, what, MINIMUM_PER_CLASS))

    def limited(self, most: int) -> TaskData:
        """At most so many rows in each role. Raises `DataError` where they are too few for the classes."""
        from tasks.draw import draw
        from tasks.loader import TEST_SEED

        what = f"task {self.spec.name} (source {self.source}): a test of {most} rows"
        few = draw(self.spec, self.test, TEST_SEED, min(most, len(self.test)), what, 1)
        real = min(most, self.default_real)
        return replace(self, generated=self.generated_subset(most), default_real=real, test=self.test.take(few))

    def generated_subset(self, size: int | None, seed: int = 0) -> Rows:
        """A part of the generated set, in file order; a larger size of the same seed contains it.

        All of it if `size` is None or not smaller. Raises `DataError` if the size is too small for two of each class.
        """
        from tasks.draw import draw

        if size is None or size >= len(self.generated):
            return self.generated
        what = f"{self.where}: generated={size}"
        return self.generated.take(draw(self.spec, self.generated, seed, size, what, MINIMUM_PER_CLASS))
