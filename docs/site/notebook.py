"""The tutorial as a notebook, made from the page: `python -m docs.site.notebook` writes docs/tutorial.ipynb."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
BLOCK = re.compile(r"```(python)?\n(.*?)```\n", re.DOTALL)
INSTALL = """\
# In Colab, or wherever the package is not installed: a checkout of the repository in the folder counterweight
import importlib.util

if importlib.util.find_spec("bench") is None:
    %pip install -q -e "counterweight[offline]"
"""


def blocks(page: str) -> list[tuple[str, str]]:
    """The page as (kind, text): `markdown`, `python` code and `shell` commands, in order."""
    parts, at = [], 0
    for match in BLOCK.finditer(page):
        parts += [("markdown", page[at : match.start()].strip()), ("python" if match[1] else "shell", match[2].strip())]
        at = match.end()
    return [part for part in [*parts, ("markdown", page[at:].strip())] if part[1]]


def notebook(page: str) -> dict[str, Any]:
    """The notebook (nbformat 4.5) of a page. Links to pages become their text; commands begin with "!"."""
    cells = [cell("python", INSTALL, 0)]
    cells += [cell(kind, text, number) for number, (kind, text) in enumerate(blocks(page), start=1)]
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": language, "nbformat": 4, "nbformat_minor": 5}


def cell(kind: str, text: str, number: int) -> dict[str, Any]:
    """One cell of a notebook."""
    if kind == "markdown":
        source = re.sub(r"\[([^\]]*)\]\((?!http)[^)]*\)", r"\1", text)
        return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": lines(source)}
    source = "\n".join(f"!{line}" for line in text.split("\n")) if kind == "shell" else text.strip()
    code = {"execution_count": None, "outputs": [], "source": lines(source)}
    return {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, **code}


def lines(text: str) -> list[str]:
    """A text as nbformat wants it: lines with their ends, the last one without."""
    return text.splitlines(keepends=True)


def written(page: str) -> str:
    """The content of the notebook's file."""
    return json.dumps(notebook(page), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(written(PAGE.read_text("utf-8")), "utf-8")
