"""Content hashes: of JSON values, files and code. Everything that names a cell or an artefact comes from here."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

ID_LENGTH = 20  # hex digits: 80 bits, far beyond any store's need


def digest(value: Any) -> str:
    """The id of a JSON value: sha256 of its canonical text, shortened. Floats are written by repr, keys sorted."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_hash(source: str) -> str:
    """Hash of Python source that comments, layout and docstrings do not change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:ID_LENGTH]


@functools.cache
def module_hash(cls: type) -> str:
    """`source_hash` of the file that defines a class."""
    return source_hash(Path(inspect.getfile(cls)).read_text(encoding="utf-8"))


@functools.cache
def project_hash() -> str:
    """Hash of all code of the project: stored with a result so that a report can tell what it pairs."""
    root = Path(__file__).parent.parent
    files = sorted(path for package in ("bench", "methods", "tasks") for path in (root / package).rglob("*.py"))
    return digest({str(path.relative_to(root)): source_hash(path.read_text(encoding="utf-8")) for path in files})
