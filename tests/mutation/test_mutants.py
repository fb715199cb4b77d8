"""Mutants have one mistake each, in code alone, and a test that fails notices its mutant."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation import __main__ as command
from tests.mutation.mutants import Mutant, mutants

SOURCE = '''
"""Adds 1."""
from typing import Literal

def f(x: Literal[1], y: float = 2.0) -> Literal[3]:
    """Returns 4."""
    if x < 5 and not y:
        raise ValueError(f"6 {x + 7}")
    return x + y if True else -y
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


@pytest.mark.parametrize(("test", "expected"), [("assert f() == 2", True), ("f()", False)])
def test_a_mutant_is_noticed_if_a_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, expected: bool
) -> None:
    for folder in ("methods", "tests/methods"):
        (tmp_path / folder).mkdir(parents=True)
    module = tmp_path / "methods" / "of_the_test.py"
    module.write_text("def f():\n    return 1 + 1\n")
    (tmp_path / "tests" / "methods" / "test_x.py").write_text(
        f"from methods.of_the_test import f\n\ndef test_f():\n    {test}\n"
    )
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command.noticed(module, Mutant("def f():\n    return 1 - 1\n", 2, "1 + 1 -> 1 - 1")) is expected


def test_tests_are_those_that_name_the_module_or_its_methods() -> None:
    found = command.tests_of(command.ROOT / "methods" / "gce.py")
    assert "tests/methods/test_robust_losses.py" in found
    assert all(name.startswith("tests/methods/test_") for name in found)
    found = command.tests_of(command.ROOT / "bench" / "stats" / "needed.py")
    assert "tests/bench/stats/test_needed.py" in found
    assert all(name.startswith("tests/bench/stats/test_") for name in found)
