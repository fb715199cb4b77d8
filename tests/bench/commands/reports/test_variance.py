"""`bench variance`: the decomposition of the variance between seeds."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.commands.reports.variance import Decomposition, Line, decompositions, generated_sets, table, variance
from bench.errors import UserError
from bench.leaderboard import USUAL, Rules
from bench.stats.interval import Spread
from bench.store.manifest import grids, save
from tests.bench.leaderboard.fake_store import FakeStore

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two methods under two sources and under all."""
    for vary in ("head", "order", None):
        settings = {"updates": 48, "batch_size": 32, **({"vary": vary} if vary else {})}
        title = f"Tweet polarity (only {vary} varies)" if vary else "Tweet polarity"
        one = FakeStore(tmp_path, rows=120, settings=settings, title=title)
        for place, label in enumerate(("ce", "dimp")):
            cells = {}
            for seed in range(3):
                cells[str(seed)] = f"twitter/{label}/{vary}-{seed}"
                one.cell(cells[str(seed)], one.logits(f"{label}{vary}", seed, 1.0 + 0.2 * place))
            one.section["methods"].append(
                {
                    "label": label,
                    "method": label,
                    "hyperparameters": {},
                    "core": True,
                    "real_use": "none",
                    "pairing": "full",
                    "real_rows": 0,
                    "needs": {},
                    "cells": cells,
                }
            )
        save(one.manifest(), tmp_path)
    return tmp_path


def test_numbers_by_hand(store: Path) -> None:
    ((title, (lines, generations, withheld)),) = decompositions(store, USUAL).items()
    assert not generations
    assert not withheld
    assert title.startswith("Tweet polarity (twitter, ")
    assert [(line.label, line.source) for line in lines] == [
        (label, source) for label in ("ce", "dimp") for source in ("head", "order", "all")
    ]

    def accuracies(label: str, source: str) -> np.ndarray:
        paths = [store / f"twitter/{label}/{source}-{seed}/metrics.json" for seed in range(3)]
        return np.array([json.loads(path.read_text())["accuracy"] for path in paths])

    for line in lines:
        own = accuracies(line.label, "None" if line.source == "all" else line.source)
        assert line.accuracy.sd == pytest.approx(own.std(ddof=1))
        if line.label == "ce":
            assert line.difference is None
        else:
            base = accuracies("ce", "None" if line.source == "all" else line.source)
            assert line.difference is not None
            assert line.difference.sd == pytest.approx((own - base).std(ddof=1))
    assert sum(line.share for line in lines if line.label == "ce" and line.source != "all") == pytest.approx(1.0)
    assert len(table(lines).splitlines()) == 2 + len(lines)


def test_sections_that_differ_in_more_have_tables_of_their_own(store: Path) -> None:
    """Such as another encoder of checkers, or another learning rate. Their titles say in what they differ."""
    (manifest,) = [grid for grid in grids(store) if "head" in grid["sections"][0]["title"]]
    (section,) = manifest["sections"]
    other = {**section, "checker_encoder": "b", "checker_encoder_hash": "b", "seeds": [0, 1]}
    cells = [{**one, "cells": dict(list(one["cells"].items())[:2])} for one in section["methods"]]
    save({**manifest, "sections": [{**other, "methods": cells}]}, store)
    found = decompositions(store, USUAL)
    counts = {title: {line.accuracy.n for line in table.lines} for title, table in found.items()}
    assert sorted(map(sorted, counts.values())) == [[2], [3]]
    assert any(title.endswith("checker_encoder b") for title in found)


def test_cells_of_other_versions_are_not_paired(store: Path) -> None:
    one = FakeStore(store, rows=120)
    for seed in range(3):
        one.cell(f"twitter/dimp/head-{seed}", one.logits("dimphead", seed, 1.2), env={"torch": "1.0"})
    (table,) = decompositions(store, USUAL).values()
    gaps = {(line.label, line.source): line.difference for line in table.lines}
    assert gaps["dimp", "head"] is None
    assert gaps["dimp", "order"] is not None
    assert "No difference of dimp (head): mixed environments" in table.withheld[0]


def test_the_pages(store: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    printed = list(variance(store, USUAL, reports))
    text = (reports / "variance.md").read_text()
    assert "Not measured: generated, real, dropout, method (4 sources)." in text
    assert all(line in text for line in printed[:-1])
    assert (reports / "figures" / "variance-1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(("a.jsonl", "b.jsonl"), r"another of 2 generations \(a.jsonl, b.jsonl\)"), ((), "resamples the rows")],
)
def test_how_the_generated_set_is_drawn(names: tuple[str, ...], sentence: str) -> None:
    spread = Spread(0.01, 0.005, 0.02, 3)
    lines = [Line("ce", source, spread, None, 1.0) for source in ("head", "generated")]
    (said,) = generated_sets(Decomposition(lines, names))
    assert re.search(sentence, said)
    assert not generated_sets(Decomposition(lines[:1], names))


def test_a_store_without_such_cells(tmp_path: Path) -> None:
    one = FakeStore(tmp_path).method("ce").method("dimp")
    save(one.manifest(), tmp_path)
    with pytest.raises(UserError, match="no cells in which one source varies by itself"):
        decompositions(tmp_path, Rules())


def test_the_command(bench: Command, tmp_path: Path) -> None:
    run = bench("run", "--methods", "ce,focal", "--seeds", "2", "--vary", "generated,head,all", tiny=True)
    assert run.returncode == 0, run.stderr
    assert "12 cells" in run.stdout
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "Tweet polarity (only head varies)" in report
    assert "intervals and verdicts cover new draws of the first weights of the head, and new test rows" in report
    found = bench("variance")
    assert found.returncode == 0, found.stderr
    assert re.search(r"\| focal \| generated \| 2 \| [\d.]+ \[[\d.]+, [\d.]+\] \|", found.stdout)
    refused = bench("run", "--methods", "ce,focal", "--until-decided", "--vary", "head", tiny=True)
    assert refused.returncode == 2
    assert "leave out vary" in refused.stderr


def edited(store: Path, vary: str | None, **changes: object) -> None:
    """A grid with the section of `vary`, changed: the cells are the same ones."""
    found = [grid for grid in grids(store) if grid["sections"][0]["settings"].get("vary") == vary]
    (section,) = found[0]["sections"]
    save({**found[0], "sections": [{**section, **changes}]}, store)


def test_each_version_of_a_file_has_a_table(store: Path) -> None:
    """One table had lines of two versions, and of two versions of a line the later section replaced the other."""
    test = {"test": "7e57"}
    edited(store, None, hashes={"generated": "new", **test})
    edited(store, "head", hashes={"generated": "new", **test})
    found = decompositions(store, USUAL)
    sources = {title.partition("hashes.")[2]: {line.source for line in one.lines} for title, one in found.items()}
    assert sources == {"generated 9e4e": {"head", "order", "all"}, "generated new": {"head", "all"}}


def test_each_version_of_the_other_generations_has_a_table(store: Path) -> None:
    sets: dict[str, object] = {"generations": ["a.jsonl", "b.jsonl"], "first_generation": "9e4e"}
    settings = {"updates": 48, "batch_size": 32, "vary": "generated"}
    for version in ("one", "two"):
        edited(store, "order", settings=settings, hashes={"generated": version, "test": "7e57"}, **sets)
    found = decompositions(store, USUAL)
    assert {title.partition("hashes.")[2] for title in found} == {"generations one", "generations two"}
    for one in found.values():
        assert {line.source for line in one.lines} == {"generated", "head", "order", "all"}
        assert one.generations == ("a.jsonl", "b.jsonl")
    edited(store, "order", settings=settings, hashes={"generated": "three", "test": "7e57"}, **sets, seeds=[0, 1, 2])
    edited(store, "order", settings=settings, hashes={"generated": "four", "test": "7e57"}, generations=["a.jsonl"])
    counts = sorted(len({line.source for line in one.lines}) for one in decompositions(store, USUAL).values())
    assert counts == [1, 4, 4, 4], "a grid of an earlier version does not say which set the others have"
