"""Content hashes of JSON values, files and code, of which the ids of cells and precomputed tables consist."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# The code that computes a cell's results.
TRAINS = (
    *(f"bench/{name}" for name in ("training", "precomputed", "encoders", "data_parallel.py", "seeds.py")),
    "bench/stats/metrics.py",
    *(f"methods/{name}.py" for name in ("auxiliary", "base", "context", "hooks")),
)
# Modules that every method imports: part of `training_hash`, or without effect on results.
COMMON = {"builtins", "abc", *(f"methods.{name}" for name in ("base", "context", "hooks", "registry"))}
ID_LENGTH = 20  # hex digits: 80 bits, far beyond any store's need


def digest(value: Any) -> str:
    """The id of a JSON value: sha256 of its canonical text, shortened. Keys are sorted, floats written by repr."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_hash(source: str) -> str:
    """Hash of Python source without comments, layout and docstrings."""
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
def class_hash(cls: type) -> str:
    """Hash of the files that define a method class and its configuration, their bases, and the methods they import."""
    family = {base for base in (*cls.__mro__, *cls.Config.__mro__) if base.__module__ not in COMMON}  # type: ignore[attr-defined]
    files: set[Path] = set()
    waiting = [Path(inspect.getfile(base)) for base in family]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += imported(path)
    return files_hash(sorted(files))


def imported(path: Path) -> list[Path]:
    """The files in `methods/` that a file imports, without those that are part of `training_hash`."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    files = [(name, ROOT / f"{name.replace('.', '/')}.py") for name in sorted(names - COMMON)]
    return [file for name, file in files if name.startswith("methods.") and file.is_file()]


def files_hash(paths: list[Path]) -> str:
    """One hash of the code of several Python files. Their names are part of it, their folders are not."""
    return digest([[path.name, source_hash(path.read_text(encoding="utf-8"))] for path in paths])


def python_files(path: Path) -> list[Path]:
    """The Python files of a folder, or the one file itself."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@functools.cache
def training_hash() -> str:
    """Hash of the code that every cell runs. Reports do not compare cells that differ in it.

    A method's own code is in the ids of its cells instead, so a new method does not change this hash.
    """
    return files_hash([path for name in TRAINS for path in python_files(ROOT / name)])


@functools.cache
def project_hash() -> str:
    """Hash of all Python files of the project, byte for byte. Stored with each result for information."""
    paths = sorted(path for name in ("bench", "methods", "tasks") for path in (ROOT / name).rglob("*.py"))
    return digest([[path.relative_to(ROOT).as_posix(), file_hash(path)] for path in paths])
