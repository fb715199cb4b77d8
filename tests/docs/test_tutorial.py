"""The tutorial: its notebook is current, and every cell of it runs, at small sizes, in the order of the page."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from docs.site.notebook import NOTEBOOK, PAGE, blocks, written
from tests.helpers import warm


def test_the_notebook_is_that_of_the_page() -> None:
    assert NOTEBOOK.read_text("utf-8") == written(PAGE.read_text("utf-8")), "run python -m docs.site.notebook"


def test_a_page_is_cut_into_text_code_and_commands() -> None:
    page = "# a\n\n```python\nx = 1\n```\n\nb\n\n```\npython -m bench list\n```\n"
    kinds = [("markdown", "# a"), ("python", "x = 1"), ("markdown", "b"), ("shell", "python -m bench list")]
    assert blocks(page) == kinds


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures"]
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            continue
        if not source.startswith("!"):
            exec(source.replace("%pip", "pass  #"), names)
            continue
        for line in source.splitlines():
            words = shlex.split(line.removeprefix("!"))
            assert words[:3] == ["python", "-m", "bench"]
            done = warm.run([*words[3:], *(small if words[3] == "run" else [])], tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert len(pd.read_csv("weights.csv")) == 1000
    assert len(pd.read_csv("predictions.csv")) == 600
    assert Path("my-model/README.md").is_file()
    assert "weight" in capsys.readouterr().out
