"""Names of roles, sources and columns, and what makes two texts the same."""

from __future__ import annotations

import unicodedata
from typing import Literal

ColumnRole = Literal["text", "text_pair", "label"]
FILES = "files"  # the task whose rows are the user's files, and the source that reads them
ROLES = ("generated", "real", "test", "validation")
# What a role is called in data sets of the hub.
SPLITS = {"generated": "train", "real": "train", "test": "test", "validation": "validation"}
# Fewer rows than this of a class, and nothing can be fitted or held out.
MINIMUM_PER_CLASS = 2
# Of the user's own real rows all are taken up to the task's default, fewer than this only if asked for.
LEAST_REAL = 20


def normalised(text: str) -> str:
    """The form in which two texts are the same text: NFKC, case folded, white space collapsed to single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


Role = Literal["generated", "real", "test", "validation"]
COURSE = "course"
