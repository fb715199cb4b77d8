"""The shared vocabulary of tasks: names of roles, columns and sources, least numbers of rows, and equality of texts."""

from __future__ import annotations

import unicodedata
from typing import Literal

Role = Literal["generated", "real", "test"]
ROLES: tuple[Role, ...] = ("generated", "real", "test")
ColumnRole = Literal["text", "text_pair", "label"]
VALIDATION = "validation"  # no role: rows that no run reads, though a folder may hold them

COURSE = "course"  # the source that reads the files of the tweet-polarity course
FILES = "files"  # the source that reads the user's own files, and the name of a task that has no other source
# The split of a Hugging Face data set in which the rows of a role are looked for.
SPLITS: dict[str, str] = {"generated": "train", "real": "train", "test": "test"}

# With fewer rows of a class nothing can be fitted or held out.
MINIMUM_PER_CLASS = 2
# Of the user's own real rows a run takes all, up to the task's default, and at least this many: fewer only on request.
MINIMUM_REAL = 20


def normalised(text: str) -> str:
    """The form by which two texts count as the same: NFKC, case folded, white space collapsed to single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
