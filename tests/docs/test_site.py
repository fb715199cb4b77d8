"""The documentation site: a card for every method and task, links that fit, a strict build."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import methods
from bench.leaderboard.method_facts import facts
from docs.site.__main__ import ROOT, relink, write_pages
from docs.site.cards import method_card, results
from methods.base import WeightConfig
from tasks import task_names


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_pages(folder)
    return folder


def test_every_method_and_task_has_a_card(pages: Path) -> None:
    assert {path.stem for path in (pages / "method-cards").glob("*.md")} == set(methods.discover())
    assert {path.stem for path in (pages / "task-cards").glob("*.md")} == set(task_names())


@pytest.mark.parametrize("name", sorted(methods.discover()))
def test_a_card_says_idea_cost_real_rows_and_source(name: str) -> None:
    card = method_card(name, results())
    known = facts(name)
    for part in (
        f"# `{name}`",
        known.idea,
        known.fails,
        "**Real rows:**",
        "**Cost:**",
        f"--methods ce,{name} ",
        "## Formula and source",
    ):
        assert part in card
    own = {field.name for field in fields(methods.METHODS[name].Config)} - {
        field.name for field in fields(WeightConfig)
    }
    assert all(f"| `{setting}` |" in card for setting in own)


CLAIM = re.compile(r"(no gain over|equivalent to|worse than|better)(?: `ce`)?(?: is shown)? on ([^.,]*)")
SHOWN = {"no gain over": "undecided", "equivalent to": "equivalent", "worse than": "worse", "better": "better"}


@pytest.mark.parametrize("name", sorted(methods.discover()))
def test_failures_are_those_of_the_reports(name: str) -> None:
    """What a method's docstring says of our results holds in the committed reports, and no *worse* is kept back."""
    fails, measured = facts(name).fails, results().query("label == @name")
    assert measured.empty or "No report of ours has it" not in fails
    for claim, tasks in [] if "preset `probe`" in fails else CLAIM.findall(fails):
        verdicts = measured[measured["task"].isin(re.findall(r"`(\w+)`", tasks))]["difference_verdict"]
        assert len(verdicts), claim
        assert verdicts.str.startswith(SHOWN[claim]).all(), claim
    for row in measured[measured["difference_verdict"].fillna("").str.startswith("worse")].to_dict("records"):
        assert "worse than `ce`" in fails
        assert f"`{row['task']}`" in fails


def test_a_card_has_the_numbers_of_the_report() -> None:
    measured = results()
    row = measured[
        (measured["label"] == "dimp") & (measured["preset"] == "full") & (measured["task"] == "twitter")
    ].iloc[0]
    assert f"| full | twitter | `dimp` | {100 * row['accuracy_mean']:.1f} |" in method_card("dimp", measured)


def test_links_follow_a_page_to_its_place() -> None:
    home = {"README.md": "index.md", "docs/data.md": "data.md"}
    text = "[a](docs/data.md#labels) [b](tasks/x.yaml) [c](https://x.org) [d](#here)"
    assert relink(text, "README.md", "index.md", home) == "[a](data.md#labels) b [c](https://x.org) [d](#here)"
    assert relink("[up](../README.md)", "docs/data.md", "data.md", home) == "[up](index.md)"


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    done = subprocess.run([sys.executable, "-m", "docs.site", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "html/index.html").read_text("utf-8")
    assert "fonts.googleapis.com" not in html
    assert re.findall(r"^## (.*)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)[0] in html
