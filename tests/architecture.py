"""The generated parts of docs/architecture.md: `python -m tests.architecture --write` writes them.

The tree of packages with the first line of each docstring, and a diagram of which package imports which.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("bench", "methods", "tasks")
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty without one."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def packages() -> list[Path]:
    """The folders of all packages, parents first."""
    return sorted(init.parent for name in PACKAGES for init in (ROOT / name).rglob("__init__.py"))


def tree() -> str:
    """A line per package, and per module beside the packages of `bench`."""
    entries = [(package, first_line(package / "__init__.py")) for package in packages()]
    entries += [(path, first_line(path)) for path in (ROOT / "bench").glob("*.py") if path.stem != "__init__"]
    entries.sort(key=lambda entry: (entry[0].relative_to(ROOT).parts[0], entry[0].suffix, entry[0]))
    names = ["  " * (len(path.relative_to(ROOT).parts) - 1) + path.name + "/" * path.is_dir() for path, _ in entries]
    width = max(map(len, names)) + 2
    return (
        "```\n" + "".join(f"{name:{width}}{line}\n" for name, (_, line) in zip(names, entries, strict=True)) + "```\n"
    )


def layers() -> list[list[str]]:
    """The layers of `bench` in pyproject.toml, from the top; a layer is the names that stand beside each other."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if one.get("containers") == ["bench"]]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def diagram() -> str:
    """A Mermaid flow chart of the packages. An arrow that a longer way already shows is left out."""
    *upper, ground, lowest = layers()
    ground = [*ground, *lowest]
    node_of = {name: name for layer in upper for name in layer} | dict.fromkeys(ground, "ground")
    node_of |= {"methods": "methods", "tasks": "tasks"}
    uses: dict[str, set[str]] = {node: set() for node in node_of.values()}
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            a, b = (node_of.get(node_name(module)) for module in (importer, imported))
            if a and b and a != b:
                uses[a].add(b)
    lines = ["```mermaid", "flowchart TD"]
    for node in uses:
        text = ", ".join(ground) if node == "ground" else f"<b>{node}</b><br/>{described(node)}"
        lines.append(f'    {node}["{text.replace("`", "").replace(chr(34), "#quot;")}"]')
    for node, below in uses.items():
        implied = {far for near in below for far in reached(near, uses)}
        lines += [f"    {node} --> {target}" for target in uses if target in below - implied]
    return "\n".join([*lines, "```", ""])


def node_name(module: str) -> str:
    """The part of a module's name that is a node of the diagram: `bench.config.typed` is in `config`."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "bench" else first


def described(node: str) -> str:
    """The first line of the docstring of a package or module."""
    folder = ROOT / node if node in PACKAGES else ROOT / "bench" / node
    return first_line(folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py"))


def reached(node: str, uses: dict[str, set[str]]) -> set[str]:
    """Every node below a node."""
    result: set[str] = set()
    waiting = [node]
    while waiting:
        below = uses[waiting.pop()] - result
        result |= below
        waiting += below
    return result


def current(text: str) -> str:
    """A page with its generated parts made anew."""
    parts = {"tree": tree, "diagram": diagram}
    return BLOCK.sub(lambda match: f"{match[1]}{parts[match[2]]()}{match[3]}", text)


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(current(text), "utf-8")
    elif current(text) != text:
        sys.exit(f"{PAGE} is out of date: python -m tests.architecture --write")
