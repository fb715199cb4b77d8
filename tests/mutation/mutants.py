"""Mutants: the source of a module with one small mistake each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
TYPES = ("annotation", "returns")  # fields whose content Python does not compute with


@dataclass(frozen=True)
class Mutant:
    """A module's source with one mistake, its line, and the mistake in words."""

    source: str
    line: int
    words: str


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of a module. Docstrings, annotations, messages of errors and fields of classes stay.

    A field (`lr: float = 0.1` in a class) is read once, when the class is made, so that a transplant changes nothing.
    The table of settings compares those of methods (tests/methods/settings.json).
    """
    return (mutant(source, number) for number in range(count(source)))


def count(source: str) -> int:
    """The number of mutants of a module."""
    return sum(len(changes(node)) for node in places(ast.parse(source)))


def mutant(source: str, number: int) -> Mutant:
    """One mutant of a module."""
    tree = ast.parse(source)
    options = [(node, change) for node in places(tree) for change in changes(node)]
    place, change = options[number]
    before = ast.unparse(place)
    change(place)
    return Mutant(ast.unparse(tree), place.lineno, f"{before} -> {ast.unparse(place)}")


def places(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in which a mistake may be made, in a fixed order."""
    for name, value in ast.iter_fields(node):
        if name in TYPES:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr):
                continue
            if isinstance(node, ast.ClassDef) and isinstance(child, ast.AnnAssign):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.expr) and changes(child):
                yield child
            yield from places(child)


def changes(node: ast.expr) -> list:
    """The ways in which an expression is changed: functions that change it in place."""
    if isinstance(node, ast.Compare):
        swap = COMPARISONS.get(type(node.ops[0]))
        return [lambda n: n.ops.__setitem__(0, swap())] if swap else []
    if isinstance(node, ast.BinOp):
        other = OPERATORS.get(type(node.op))
        return [lambda n: setattr(n, "op", other())] if other else []
    if isinstance(node, ast.BoolOp):
        return [lambda n: setattr(n, "op", ast.And() if isinstance(n.op, ast.Or) else ast.Or())]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [lambda n: setattr(n, "op", ast.UAdd())]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [lambda n: setattr(n, "operand", ast.UnaryOp(ast.Not(), n.operand))]
    if isinstance(node, ast.IfExp):
        return [lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [lambda n: setattr(n, "value", not n.value)]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return [lambda n: setattr(n, "value", n.value + 1)]
    return []
