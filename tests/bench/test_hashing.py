"""Hashes of code: the same in every version of Python and in every folder, and of all that a method imports."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import methods
from bench import hashing
from bench.hashing import source_hash
from methods import plugins
from tests.helpers.plugins import CODE

pytestmark = pytest.mark.usefixtures("registry_as_it_was")

# Each f-string is written by `ast.unparse` of Python 3.12 in other quotes than by that of 3.11.
AWKWARD = r'''
def f(x, spec):
    """Doc."""
    yield f"{x}: {', '.join(x)}"
    yield f"{x['a']}" f'{x["b"]!r:>{spec["w"]}} "it\'s"'
    yield f'--tasks "{x["a"]}"', f"{{{ {1: 2}[1] }}}\n\t\\ é \x07"
    yield f"{(lambda y: y)(x) if x else (x, x)}{x=}{f'{x}'}", f"{x if x else 0:.2f}"
'''


def test_code_counts_and_comments_do_not() -> None:
    code = 'def f(x):\n    """Doc."""\n    return x + 1\n'
    assert source_hash(code) == source_hash("def f(x):  # why\n    return (x + 1)\n")
    assert source_hash(code) != source_hash(code.replace("+ 1", "+ 2"))


def test_a_hash_does_not_depend_on_the_version_of_python() -> None:
    """Later versions than 3.11 choose other quotes for f-strings, so that cells of two versions were not compared."""
    assert source_hash(AWKWARD) == "c45cc7d3bf711c42ef80"
    if sys.version_info < (3, 12):
        assert hashing.unparsed(ast.parse(AWKWARD)) == ast.unparse(ast.parse(AWKWARD)), "as ids have always had it"
    assert len({source_hash(f"a = {text}") for text in ("f'{x}'", "'{x}'", "f'{{x}}'", "f'{x!r}'", "f'{x:r}'")}) == 5


def test_files_with_a_mark_of_their_encoding_have_a_hash(tmp_path: Path) -> None:
    """Editors of Windows write a byte order mark, which Python skips and the hash of the code did not."""
    path = tmp_path / "half.py"
    path.write_text(CODE, encoding="utf-8-sig")
    plugins.load_file(path)
    marked = hashing.files_hash([path])
    path.write_text(CODE, encoding="utf-8")
    assert hashing.files_hash([path]) == marked


def test_the_code_of_a_method_is_that_of_the_files_it_imports_too() -> None:
    """What weights are computed with is in a cell's id, wherever it stands; what all methods share is not."""
    names = {name: {path.name for path in hashing.class_files(methods.discover()[name])} for name in ("dimp", "hu")}
    assert names == {"dimp": {"importance.py", "calibration.py"}, "hu": {"hu.py", "l2rw.py"}}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., type]]:
    """`package("from .curves import bent")` is the class of a method in a package of several modules."""
    folder = tmp_path / "site" / "ownlab"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "site" / "ownlab-1.0.dist-info").mkdir()
    for name in ("__init__", "curves", "plots", "sub/__init__", "sub/deep"):
        (folder / f"{name}.py").write_text("bent = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def make(line: str) -> type:
        (folder / "weighting.py").write_text(f"{line}\n{CODE}")
        importlib.import_module("ownlab.weighting")
        return methods.METHODS["half"]

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownlab"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("from ownlab.curves import bent", {"ownlab/curves.py"}),
        ("from ownlab import curves", {"ownlab/curves.py"}),
        ("import ownlab.curves as c", {"ownlab/curves.py"}),
        ("from .curves import bent", {"ownlab/curves.py"}),
        ("from . import curves", {"ownlab/curves.py"}),
        ("from .sub.deep import bent", {"sub/__init__.py", "sub/deep.py"}),
        ("def f():\n    from ownlab import sub", {"sub/__init__.py"}),
        ("import json, numpy", set()),
    ],
)
def test_the_code_of_a_packages_method_is_that_of_its_helpers_too(
    package: Callable[..., type], line: str, files: set[str]
) -> None:
    """An edit of a helper changed no id: results of the old code counted as those of the new."""
    found = {path.parent.name + "/" + path.name for path in hashing.class_files(package(line))}
    assert found == {"ownlab/__init__.py", "ownlab/weighting.py", *files}


def test_an_edit_of_a_helper_is_noticed(package: Callable[..., type], tmp_path: Path) -> None:
    """In a notebook the old class stays, and its cells would be those of the new code."""
    cls = package("from .curves import bent")
    assert not hashing.edited(cls), "nobody asked for its hash yet"
    before = hashing.class_hash(cls)
    assert not hashing.edited(cls)
    (tmp_path / "site" / "ownlab" / "plots.py").write_text("bent = 2\n")
    assert not hashing.edited(cls), "the method does not import it"
    (tmp_path / "site" / "ownlab" / "curves.py").write_text("bent = 2\n")
    assert hashing.edited(cls)
    assert hashing.class_hash(cls) == before


def test_a_module_that_nobody_installed_is_code_of_the_plugin_that_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside a plugin is found where Python looks in this folder, as in that of `python -m bench`."""
    (tmp_path / "bends.py").write_text("bent = 1\n")
    (tmp_path / "half.py").write_text(f"import bends\nimport numpy\n{CODE}")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.load_file(tmp_path / "half.py")
    assert {path.name for path in hashing.class_files(methods.METHODS["half"])} == {"half.py", "bends.py"}
    sys.modules.pop("bends")


def test_the_code_of_a_plugin_does_not_depend_on_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that derives from a method of the package had another id where its folder comes before the package's."""
    for name in ("aa/sub", "mm/importance", "zz/sub"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir()
        path.write_text(f"name = {path.stem!r}\n")
    hashes = set()
    for folder in ("aa", "zz"):
        files = {tmp_path / folder / "sub.py", tmp_path / "mm" / "importance.py"}
        monkeypatch.setattr(hashing, "class_files", lambda cls, files=files: files)
        hashes.add(hashing.class_hash(type(folder, (), {})))
    assert len(hashes) == 1
