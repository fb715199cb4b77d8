"""Content hashes of JSON values, files and code, of which the ids of cells and precomputed tables consist."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Container, Iterable
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
COMMON = {"builtins", "abc", "methods", *(f"methods.{name}" for name in ("base", "context", "hooks", "registry"))}
ELSEWHERE = {*sys.stdlib_module_names, "bench", "tasks"}  # modules whose code is no method's
QUOTES = ("'", '"', '"""', "'''")
ID_LENGTH = 20  # hex digits: 80 bits, far beyond any store's need


def digest(value: Any) -> str:
    """The id of a JSON value: sha256 of its canonical text, shortened. Keys are sorted, floats written by repr."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_hash(source: str | bytes) -> str:
    """Hash of Python source without comments, layout and docstrings: the same in every version of Python."""
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
    return hashlib.sha256(unparsed(tree).encode(errors="surrogatepass")).hexdigest()[:ID_LENGTH]


def unparsed(tree: ast.Module) -> str:
    """The text of a syntax tree: in all versions of Python that which `ast.unparse` of Python 3.11 writes."""
    return ast.unparse(WrittenStrings().visit(tree))


class WrittenStrings(ast.NodeTransformer):
    """Replaces each f-string by a name, which `ast.unparse` writes as it is: its quotes are not those of a version."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Name:
        """The f-string in the first quotes that are in none of its parts."""
        parts, possible = self.parts(node), list(QUOTES)
        for part in parts:  # of two, first the one that is not like a last character
            possible = sorted((quotes for quotes in possible if quotes not in part), key=lambda q: q[0] == part[-1:])
        quotes = (possible or QUOTES)[0]
        return ast.Name(f"f{quotes}{''.join(parts)}{quotes}", ast.Load())

    def parts(self, node: ast.expr) -> list[str]:
        """The texts and values of an f-string, or of the format of a value."""
        return [self.part(value) for value in (node.values if isinstance(node, ast.JoinedStr) else [node])]

    def part(self, node: ast.expr) -> str:
        """A text or a value as it stands in an f-string."""
        if isinstance(node, ast.Constant):
            return escaped(str(node.value)).replace("{", "{{").replace("}", "}}")
        assert isinstance(node, ast.FormattedValue), "an f-string has texts and values"
        # Written as a branch, `x if _ else _`, since a branch has the brackets that a value has.
        branch = ast.IfExp(ast.Name("_"), self.visit(node.value), ast.Name("_"))
        value = ast.unparse(branch).removesuffix(" if _ else _")
        conversion = f"!{chr(node.conversion)}" if node.conversion != -1 else ""
        spec = f":{''.join(self.parts(node.format_spec))}" if node.format_spec else ""
        return f"{{{' ' * value.startswith('{')}{value}{conversion}{spec}}}"


def escaped(text: str) -> str:
    """A text with escapes in place of backslashes and of what cannot be printed."""
    return "".join(
        char.encode("unicode_escape").decode() if char == "\\" or not char.isprintable() else char for char in text
    )


_hashes: dict[type, str] = {}  # method class -> its hash when this process first asked for it


def class_hash(cls: type) -> str:
    """Hash of the files that define a method class and its configuration, their bases, and the modules they import.

    Those modules count that are of these classes' packages or of `methods`, or that nobody installed. Read once.
    """
    if cls not in _hashes:
        _hashes[cls] = digest(sorted(map(named_hash, class_files(cls))))
    return _hashes[cls]


def edited(cls: type) -> bool:
    """Whether the files of a method class changed since `class_hash` read them; the class is still the old one."""
    return cls in _hashes and _hashes[cls] != digest(sorted(map(named_hash, class_files(cls))))


def class_files(cls: type) -> set[Path]:
    """The files of which `class_hash` is the hash."""
    family = {base for base in (*cls.__mro__, *cls.Config.__mro__) if base.__module__ not in COMMON}  # type: ignore[attr-defined]
    packages = {"methods", *(top(base.__module__) for base in family)}
    files: set[Path] = set()
    waiting = {base.__module__: Path(inspect.getfile(base)) for base in family}
    waiting |= own_modules(waiting, packages)
    while waiting:
        name, path = waiting.popitem()
        if path not in files:
            files.add(path)
            waiting |= own_modules(imported(name, path), packages)
    return files


def imported(name: str, path: Path) -> set[str]:
    """The names that a module imports, as if each were a module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            source = ".".join([*start, node.module] if node.module else start)
            names |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return names


def own_modules(names: Iterable[str], packages: Container[str]) -> dict[str, Path]:
    """The files of modules, and of the packages that they are in, if these are `packages` or were not installed."""
    modules = {".".join(parts[: i + 1]) for parts in (name.split(".") for name in names) for i in range(len(parts))}
    found = {name: module_file(name) for name in modules - COMMON if top(name) not in ELSEWHERE}
    return {name: file for name, file in found.items() if file and (top(name) in packages or not installed(name, file))}


def top(name: str) -> str:
    """The outermost package of a module."""
    return name.partition(".")[0]


def module_file(name: str) -> Path | None:
    """The Python file of a module, which is not imported for that; None if there is none."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):  # of a module that was made by hand
        return None
    if spec is None:
        return None
    places = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()] if rest else []
    files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    files += [Path(spec.origin)] if not rest and spec.origin else []
    return next((file for file in files if file.suffix == ".py" and file.is_file()), None)


def installed(name: str, file: Path) -> bool:
    """Whether the file of a module is in a folder into which packages are installed."""
    return holds_packages(file.parents[name.count(".") + (file.name == "__init__.py")])


@functools.cache
def holds_packages(folder: Path) -> bool:
    """Whether packages are installed into a folder."""
    return any(folder.glob("*.dist-info"))


def files_hash(paths: list[Path]) -> str:
    """One hash of the code of several Python files. Their names are part of it, their folders are not."""
    return digest([named_hash(path) for path in paths])


def named_hash(path: Path) -> list[str]:
    """The name of a Python file and the hash of its code."""
    return [path.name, source_hash(path.read_bytes())]


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
