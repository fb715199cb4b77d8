"""The rows of one role: ids, texts, labels, and columns that no method may see."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.roles import normalised

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import ArrayLike, NDArray


# Scripts that are written without spaces: Thai to Khmer, Japanese, Chinese.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"  # and arrows and other symbols
ZERO_WIDTH = re.compile("[\ufe0e\ufe0f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def words_between_spaces(text: str) -> list[str]:
    """What is between the spaces of a text; scripts that are written without spaces go by characters."""
    return re.findall(rf"[{UNSPACED}]|[^\s{UNSPACED}]+", text)


@functools.cache
def marks() -> str:
    """The combining marks of Unicode, such as the vowel signs of Hindi, as ranges in a class of a regular expression.

    They are parts of words, which `\\w` does not say.
    """
    codes = [code for code in range(0x300, 0x1E950) if unicodedata.category(chr(code)).startswith("M")]
    starts = [code for code, before in zip(codes, [0, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], 0], strict=True) if code != after - 1]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows of a task. Treat the arrays as read-only: hashes are cached."""

    ids: NDArray[np.int64]  # (n,) row number in the role's file, from 0, before any filtering
    texts: list[str]  # n
    pairs: list[str] | None  # n second texts, None where an example is one text
    labels: NDArray[np.int64]  # (n,) index into the task's labels
    # Facts about the rows that no method may see, such as the true label: (n,) or (n, k) by name. Not in the hashes.
    hidden: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    # Extra columns of the file by name, n unchecked cells each, for methods that declare them. Not in the hashes.
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: ArrayLike) -> Rows:
        """The rows at positions (k,), in their order, or where a mask (n,) is true."""
        import numpy as np

        index = np.asarray(index)
        if index.dtype != np.bool_:
            index = index.astype(np.int64)
        chosen = np.arange(len(self), dtype=np.int64)[index]
        pairs = None if self.pairs is None else [self.pairs[i] for i in chosen]
        hidden = {name: values[chosen] for name, values in self.hidden.items()}
        columns = {name: [cells[i] for i in chosen] for name, cells in self.columns.items()}
        return Rows(self.ids[chosen], [self.texts[i] for i in chosen], pairs, self.labels[chosen], hidden, columns)

    @property
    def origins(self) -> NDArray[np.int64]:
        """(n,) the id of the row that first held each row's text: its own id, unless the row is a duplicate."""
        import numpy as np

        copy_of = self.hidden.get("copy_of", np.full(len(self), -1))
        return np.where(copy_of < 0, self.ids, copy_of)

    def content_hash(self, *, with_labels: bool = True) -> str:
        """SHA-256 (hex) over ids, texts, pairs and, with `with_labels`, labels, in row order."""
        return self._hash_with_labels if with_labels else self._hash_without_labels

    @cached_property
    def keys(self) -> list[str]:
        """n normalised texts, each with its second text on a second line. Two rows of equal keys hold the same text."""
        texts = [normalised(text) for text in self.texts]
        if self.pairs is None:
            return texts
        return [f"{text}\n{normalised(pair)}" for text, pair in zip(texts, self.pairs, strict=True)]

    @cached_property
    def near_keys(self) -> list[str]:
        """n texts as in `keys`, without punctuation and zero-width characters. Rows of equal near keys are near copies.

        Vowel signs and other marks are parts of words, and emoji count too. A text of punctuation alone keeps its key.
        """
        punctuation = re.compile(rf"[^\w\s{marks()}{EMOJI}]|_")
        shown = (ZERO_WIDTH.sub("", key) for key in self.keys)
        parts = ([" ".join(punctuation.sub(" ", part).split()) for part in key.split("\n")] for key in shown)
        return ["\n".join(near) if any(near) else key for near, key in zip(parts, self.keys, strict=True)]

    @cached_property
    def _hash_with_labels(self) -> str:
        return _sha256([self.ids.tolist(), self.texts, self.pairs, self.labels.tolist()])

    @cached_property
    def _hash_without_labels(self) -> str:
        return _sha256([self.ids.tolist(), self.texts, self.pairs])


def one_set(parts: Sequence[Rows]) -> Rows:
    """The rows of several sets, one after the other. They have the same columns, and no two rows have one id."""
    import numpy as np

    first = parts[0]
    return Rows(
        np.concatenate([rows.ids for rows in parts]),
        [text for rows in parts for text in rows.texts],
        None if first.pairs is None else [text for rows in parts for text in rows.pairs or ()],
        np.concatenate([rows.labels for rows in parts]),
        {name: np.concatenate([rows.hidden[name] for rows in parts]) for name in first.hidden},
        {name: [cell for rows in parts for cell in rows.columns[name]] for name in first.columns},
    )


def _sha256(content: list[object]) -> str:
    # JSON marks where a text ends: "ab", "c" and "a", "bc" must have different hashes.
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
