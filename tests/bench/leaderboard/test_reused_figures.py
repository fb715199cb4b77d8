"""Figures are drawn only where something changed, and are then those of a fresh report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import processes
from bench.leaderboard import USUAL, Rules, figures, write_report
from bench.leaderboard.build import build
from bench.leaderboard.figures import draw, reuse
from bench.leaderboard.formats import render
from tests.bench.leaderboard.fake_store import FakeStore

Report = Callable[..., list[str]]


@pytest.fixture
def stores(tmp_path: Path) -> list[FakeStore]:
    """Two sections of two methods."""
    first = FakeStore(tmp_path / "runs", rows=40)
    first.method("ce").method("dimp", skill=2.5)
    for entry in first.section["methods"]:
        for path in entry["cells"].values():
            first.history(path)
    other = FakeStore(first.root, rows=40, task_ref="news")
    for label, skill in (("ce", 1.0), ("focal", 1.4)):
        other.method(label, skill=skill, missing=other.seeds)
        for seed, path in other.section["methods"][-1]["cells"].items():
            new = path.replace("twitter", "news")
            other.section["methods"][-1]["cells"][seed] = new
            other.cell(new, other.logits(label, int(seed), skill))
    return [first.weights("dimp"), other]


@pytest.fixture
def report(stores: list[FakeStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """`report()` writes a report and returns the kinds of the figures drawn; `fresh` compares all with a new one."""
    drawn: list[str] = []
    original = figures.drawn_or_known
    monkeypatch.setattr(figures, "MANY", 100)  # in this process, where they can be counted

    def watched(kind: str, draw_one: Callable[[], Any], known: Any) -> Any:
        found = original(kind, draw_one, known)
        if known is None and found is not None:
            drawn.append(kind)
        return found

    def write(rules: Rules = USUAL, fresh: bool = False) -> list[str]:
        first, other = stores
        manifest = first.manifest(other)
        monkeypatch.setattr(figures, "drawn_or_known", watched)
        drawn.clear()
        write_report(manifest, first.root, tmp_path / "reports", rules)
        monkeypatch.setattr(figures, "drawn_or_known", original)
        for path, content in render(build(manifest, first.root, rules)).items() if fresh else ():
            assert (tmp_path / "reports" / path).read_bytes() == content, path
        return list(drawn)

    return write


def kinds(stores: list[FakeStore]) -> tuple[list[str], list[str], list[str]]:
    """The kinds of all figures: those of the whole report, of the first section and of the second one."""
    drawn = draw(build(stores[0].manifest(stores[1]), stores[0].root))
    whole, first, second = ([one.kind for one in drawn if one.section == place] for place in (None, 0, 1))
    return whole, first, second


def test_only_what_changed_is_drawn(report: Report, stores: list[FakeStore]) -> None:
    whole, first, second = kinds(stores)
    assert {"gains", "seeds", "curves"} <= set(first)
    assert report() == [*first, *second, *whole]
    assert report(fresh=True) == [], "nothing changed"

    other = stores[1]  # a cell of the second section is trained again, with another result
    other.cell(other.section["methods"][1]["cells"]["0"], other.logits("focal", 0, 6.0))
    assert report(fresh=True) == [*kinds(stores)[2], *whole]

    folder = stores[0].root / stores[0].section["methods"][1]["cells"]["0"]  # a curve of the first one changes
    with (folder / "history.jsonl").open("a") as file:
        file.write(json.dumps({"step": 48, "loss": 2.0, "ess": 0.5}) + "\n")
    assert report() == [*first, *whole]


def test_a_report_that_several_processes_draw_is_that_of_one(
    report: Report, stores: list[FakeStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MANY", 1)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    assert report(fresh=True) == [], "this process draws nothing"
    assert {path.suffix for path in (tmp_path / "reports" / "figures").iterdir()} >= {".svg", ".png"}
    stores[1].cell(stores[1].section["methods"][1]["cells"]["0"], stores[1].logits("focal", 0, 6.0))
    assert report(fresh=True) == [], "nor when one section changes"


def test_processes_start_where_figures_may_be_drawn(
    stores: list[FakeStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def pool_of_cells(cells: int) -> Any:
        asked.append(cells)
        return contextlib.nullcontext(processes.Here())

    monkeypatch.setattr(processes, "pool_of_cells", pool_of_cells)
    manifest = stores[0].manifest(stores[1])
    for more, drawn in (({}, True), ({}, False), ({"formats": ["csv", "json"]}, True)):
        write_report({**manifest, **more}, stores[0].root, tmp_path / "reports", figures=drawn)
    every = sum(len(method["cells"]) for section in manifest["sections"] for method in section["methods"])
    assert asked == [every, 0, 0]


def test_figures_that_somebody_changed_are_drawn_again(report: Report, stores: list[FakeStore], tmp_path: Path) -> None:
    everything = report()
    (section,) = [kinds(stores)[2]]
    picture = tmp_path / "reports" / "figures" / "news-bundled-gains.svg"
    for change in (lambda: picture.write_text("<svg/>"), picture.with_suffix(".png").unlink):
        change()
        assert report() == section
    (tmp_path / "reports" / "figures" / reuse.INDEX).write_text("{")
    assert report() == everything


def test_figures_that_no_report_shows_any_more_are_removed(
    report: Report, stores: list[FakeStore], tmp_path: Path
) -> None:
    report()
    folder = tmp_path / "reports" / "figures"
    changed, own = folder / "news-bundled-seeds.svg", folder / "own.png"
    changed.write_text("<svg/>")
    own.write_bytes(b"somebody's")
    write_report(stores[0].manifest(), stores[0].root, tmp_path / "reports", figures=False)
    assert (folder / "news-bundled-gains.png").exists()
    write_report(stores[0].manifest(), stores[0].root, tmp_path / "reports")
    left = {path.name for path in folder.iterdir() if not path.name.startswith(("twitter-", "."))}
    assert left == {changed.name, "news-bundled-seeds.png", own.name}


def test_rules_and_code_are_part_of_the_key(stores: list[FakeStore], monkeypatch: pytest.MonkeyPatch) -> None:
    (section,) = build(stores[0].manifest(), stores[0].root).sections
    keys = {reuse.key_of(section), reuse.key_of(replace(section, rules=Rules(delta=0.05)))}
    other = build(stores[0].manifest(), stores[0].root, Rules(intervals="plain")).sections[0]
    keys.add(reuse.key_of(other))
    assert reuse.key_of(section) in keys
    monkeypatch.setattr(reuse, "made_by", lambda: b"another version")
    keys.add(reuse.key_of(section))
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, [2]], [[1], 2]), ({"a": 1}, {"a": "1"}), ((1.0,), (1,)), (None, ""), ([], {}), ("ab", ["a", "b"])],
)
def test_different_values_have_different_keys(one: Any, other: Any) -> None:
    assert reuse.key_of_all([], one) != reuse.key_of_all([], other)
    assert reuse.key_of_all([], one) == reuse.key_of_all([], one)
