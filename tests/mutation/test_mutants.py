"""Mutants have one mistake each, in code alone, and a test that fails notices its mutant."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from methods import discover
from tests.mutation import __main__ as command
from tests.mutation.mutants import mutants
from tests.mutation.transplant import transplant

SOURCE = '''
"""Adds 1."""
from typing import Literal

def f(x: Literal[1], y: float = 2.0) -> Literal[3]:
    """Returns 4."""
    if x < 5 and not y:
        raise ValueError(f"6 {x + 7}")
    return x + y if True else -y

class Config:
    rate: float = 8.0
    steps: int = setting(9, search=(10, 11))
'''


def test_each_mutant_has_one_mistake() -> None:
    assert {mutant.words for mutant in mutants(SOURCE)} == {
        "2.0 -> 3.0",
        "x < 5 and (not y) -> x < 5 or not y",
        "x < 5 -> x <= 5",
        "5 -> 6",
        "not y -> not not y",
        "x + y if True else -y -> x + y if not True else -y",
        "x + y -> x - y",
        "True -> False",
        "-y -> +y",
    }


def test_a_mutant_differs_from_the_source_in_its_line() -> None:
    whole = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants(SOURCE):
        lines = mutant.source.splitlines()
        assert sum(one != other for one, other in zip(whole, lines, strict=True)) == 1
        assert SOURCE.splitlines()[mutant.line - 1].strip()


MODULE = """
import functools

LIMIT = 3

def plain(x, factor=2):
    return x * factor

@functools.lru_cache
def cached(x):
    return x + 1

class Thing:
    size = 4

    @property
    def twice(self):
        return self.size * 2

    @classmethod
    def made(cls):
        return cls().twice

    @staticmethod
    def limit():
        return LIMIT
"""


@pytest.mark.parametrize(
    ("before", "after", "call", "expected"),
    [
        ("x * factor", "x / factor", lambda m: m["plain"](6), 3),
        ("factor=2", "factor=3", lambda m: m["plain"](6), 18),
        ("x + 1", "x - 1", lambda m: m["cached"](6), 5),
        ("size * 2", "size / 2", lambda m: m["Thing"]().twice, 2),
        ("size = 4", "size = 5", lambda m: m["Thing"].made(), 10),
        ("LIMIT = 3", "LIMIT = 4", lambda m: m["Thing"].limit(), 4),
        ("cls().twice", "-cls().twice", lambda m: m["Thing"].made(), -8),
    ],
)
def test_who_imported_a_function_before_runs_the_changed_code(
    before: str, after: str, call: Callable[[dict[str, Any]], float], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("tests.mutation.of_the_test")
    module.__file__ = "x.py"
    exec(compile(MODULE, "x.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    kept = dict(vars(module))
    transplant(module, MODULE.replace(before, after))
    assert call({**kept, "LIMIT": module.LIMIT}) == expected


def test_methods_are_the_same_objects_after_a_transplant() -> None:
    before = discover()["gce"]
    path = command.ROOT / "methods" / "gce.py"
    transplant(sys.modules[before.__module__], path.read_text(encoding="utf-8"))
    assert discover()["gce"] is before


def test_tests_are_those_that_name_the_module_or_its_methods() -> None:
    def item(file: str, name: str) -> Any:
        return SimpleNamespace(path=command.ROOT / "tests" / file, nodeid=f"tests/{file}::{name}")

    items = [
        item("methods/test_robust_losses.py", "test_x"),
        item("methods/test_dynamics.py", "test_x"),
        item("methods/test_method_contract.py", "test_x[2-gce(q=0.7)]"),
        item("methods/test_method_contract.py", "test_x[2-sce]"),
        item("methods/test_method_contract.py", "test_x[2-dimp]"),
        item("methods/test_setting_limits.py", "test_x[gce-q]"),
        item("bench/stats/test_needed.py", "test_x"),
        item("bench/stats/test_metrics.py", "test_x"),
    ]
    assert command.tests_of(command.ROOT / "methods" / "gce.py", items) == [items[2], items[5], items[0]]
    assert command.tests_of(command.ROOT / "methods" / "loop.py", items) == [items[4]], "it has no method"
    assert command.tests_of(command.ROOT / "bench" / "stats" / "needed.py", items) == [items[6]]
    assert command.tests_of(command.ROOT / "bench" / "stats" / "strata.py", items) == items[6:], "none names it"


@pytest.mark.parametrize(("test", "survives"), [("assert f() == 2", False), ("f()", True)])
def test_a_mutant_is_noticed_if_a_test_fails(test: str, survives: bool, tmp_path: Path) -> None:
    """In a process of its own: one session of pytest cannot hold another one."""
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "of_the_test.py").write_text("def f():\n    return 1 + 1\n")
    (tmp_path / "tests" / "methods").mkdir(parents=True)
    (tmp_path / "tests" / "bench" / "stats").mkdir(parents=True)
    (tmp_path / "tests" / "methods" / "test_x.py").write_text(
        f"from methods.of_the_test import f\n\ndef test_f():\n    {test}\n"
    )
    code = (
        "import sys, methods; from pathlib import Path; from tests.mutation import __main__ as command; "
        f"methods.__path__.append({str(tmp_path / 'methods')!r}); command.ROOT = Path({str(tmp_path)!r}); "
        "sys.exit(command.main(1, 0, 'methods/of_the_test.py'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "survived: methods/of_the_test.py:2" in done.stdout) == (int(survives), survives), (
        done.stdout + done.stderr
    )
