"""`bench plan`: power and cost of a grid before anything is trained."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.commands.reports.plan import Wishes, by_row, plan_grid, variances
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.engines.local import Local
from bench.execution.grid import Options
from bench.leaderboard import Rules
from bench.planning.costs import Measured, Rate
from bench.planning.estimate import budget_seconds
from bench.seeds import seeds_option
from bench.stats.calibration import Design
from bench.stats.design import Question
from bench.stats.power import Effects
from bench.store.files import write_json
from tests.bench.leaderboard.fake_store import FakeStore

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plan(tiny_encoder: Path, tmp_path: Path) -> Callable[..., tuple[str, list[str]]]:
    """`plan(effect=2, seeds=5)`: the text of `plan.md`, and the lines printed."""

    def make(methods: str = "ce,focal,dimp", **options: Any) -> tuple[str, list[str]]:
        wishes = {name: options.pop(name) for name in [*options] if name in Wishes.__annotations__}
        own = {name: options.pop(name) for name in [*options] if name in ("workers", "rules")}
        request = make_request(methods=methods, encoder=str(tiny_encoder), preset="smoke", **options)
        given = Options(out=tmp_path / "runs", reports=tmp_path / "reports", **{"workers": 2, **own})
        lines: list[str] = []
        path = plan_grid(request, given, Wishes(**wishes), Local(), lines.append)
        assert path == tmp_path / "reports" / "plan.md"
        assert (tmp_path / "reports" / "figures" / "plan-power.png").read_bytes().startswith(b"\x89PNG")
        return path.read_text(), lines

    return make


def test_power_and_cost(plan: Callable[..., Any], tmp_path: Path) -> None:
    assert "true difference of 1 point in" in plan(effect=1)[0]
    text, lines = plan(seeds=4, effect=5, seed_sd=1)
    assert "in a family of 2 comparisons (Holm's first step), needs" in text
    assert "12 cells, 0 of them done" in text
    assert "seed sd 1 point (--seed-sd)" in text
    table = [line for line in lines if line.startswith("| seeds")]
    assert table[0].splitlines()[0] == "| seeds | power %, twitter | cells |"
    powers = [int(row.split("|")[2]) for row in table[0].splitlines()[2:]]
    assert powers == sorted(powers)
    schedule = next(line for line in lines if line.startswith("| workers"))
    assert [row.split("|")[1].strip() for row in schedule.splitlines()[2:]] == ["1", "2", "8", "64", "1,000"]
    assert not (tmp_path / "runs").exists(), "nothing is written to the store"


def test_the_family_of_the_report_has_the_methods_of_all_tasks(plan: Callable[..., Any]) -> None:
    text, _ = plan(tasks="twitter,financial", effect=5, seed_sd=1, rules=Rules(family="report"))
    assert "in a family of 4 comparisons (Holm's first step), needs" in text
    text, _ = plan(effect=5, seed_sd=1, rules=Rules(correction="bh"))
    assert "in a family of 2 comparisons (Benjamini and Hochberg's first step), needs" in text


def test_an_effect_within_the_margin_is_no_difference_to_find(plan: Callable[..., Any]) -> None:
    text, _ = plan(effect=0.5, seed_sd=1)
    assert "to call *equivalent* within 1 point, or *better*, a true difference of 0.5 points in 80 % of cases" in text


def test_rows_of_a_cluster_are_fewer_than_as_many_others(plan: Callable[..., Any]) -> None:
    """320 rows in 80 clusters are planned as such, not as 320 clusters."""
    rows = Design(3, 320, 0.01, 0.1, 0.3)
    clusters = Design(3, 80, 0.01, 0.1, 0.3, rows=320)
    assert by_row(rows) == rows
    assert by_row(clusters).total / 320 == pytest.approx(clusters.total / 80)


@pytest.mark.parametrize(("seeds", "option"), [([0, 1], "--seeds 2"), ([3, 7], "--seed 3,7"), ([1, 0], "--seed 1,0")])
def test_the_option_that_runs_the_seeds_that_are_left(seeds: list[int], option: str) -> None:
    assert seeds_option(seeds) == option


def test_variances_of_a_store(plan: Callable[..., Any], tmp_path: Path) -> None:
    store = FakeStore(tmp_path / "other", rows=300).method("ce").method("dimp", skill=1.1)
    write_json(store.root / ".grids" / "a.json", store.manifest())
    text, _ = plan(store=store.root)
    assert re.search(r"needs \*\*[\d,]+ \(80 % interval [\d,]+ to (more than )?[\d,]+\) seeds\*\*", text)
    assert f"{store.root}: twitter" in text
    text, _ = plan(store=store.root, tasks="financial")
    assert "another task, because the store has no comparison on this one" in text
    with pytest.raises(UserError, match="no results in"):
        plan(store=tmp_path / "nowhere")


def test_variances_are_those_of_the_encoder_wherever_it_lies(tmp_path: Path) -> None:
    """Those of another encoder were taken, which lay at this path when the store was written."""
    stores = []
    for name, content in (("one", "ab12"), ("two", "cd34")):
        store = FakeStore(tmp_path / name, rows=300, encoder=f"/{name}", encoder_hash=content)
        store.method("ce").method("dimp", skill=1.1)
        for method in store.section["methods"]:
            method["cells"] = {seed: f"{name}/{path}" for seed, path in method["cells"].items()}
        stores.append(store)
    write_json(tmp_path / ".grids" / "a.json", stores[0].manifest(stores[1]))
    moved = {**stores[0].section, "encoder": "/two"}
    assert f"{tmp_path}: twitter, /one, quick, fixed, medians" in variances(moved, Rules(), Wishes(store=tmp_path))[1]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell takes the same time: 100 seconds per 1,000 rows."""

    class Slow(Measured):
        def rate(self, job: Any) -> Rate:
            return Rate(0.1, frozenset("a"), of_rows=True)

    monkeypatch.setattr("bench.commands.reports.plan.measure", lambda *_: Slow())


def seconds_of(text: str) -> dict[int, str]:
    """The simulated time by number of workers."""
    return {
        int(n.replace(",", "")): time for n, time in re.findall(r"^\| ([\d,]+) \| ([^|]+ (?:s|min|h)) \|", text, re.M)
    }


@pytest.mark.usefixtures("slow")
def test_a_budget_leaves_out_the_last_seeds(plan: Callable[..., Any]) -> None:
    whole, _ = plan(seeds=6, budget=1e9)
    assert "The grid fits the budget" in whole
    assert "18 cells" in whole
    part, _ = plan(seeds=6, budget=0.7 * budget_seconds(seconds_of(whole)[2]))
    found = re.search(r"is enough for (\d) of 6 seeds .*: seeds? ([\d, ]+) (?:are|is) left out, all methods", part)
    assert found is not None
    kept = int(found[1])
    assert 1 <= kept < 6
    assert found[2] == ", ".join(map(str, range(kept, 6)))
    assert f"{3 * kept} cells" in part, "all methods stay"
    with pytest.raises(UserError, match=r"is not enough for one seed, which takes about .* no method is dropped"):
        plan(seeds=6, budget=11.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28_800), ("90 min", 5_400), ("45s", 45), ("1.5d", 129_600), ("10m", 600)]
)
def test_budgets(text: str, seconds: float) -> None:
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "0h", "8 weeks", "1e9h", ""])
def test_no_budgets(text: str) -> None:
    with pytest.raises(UserError, match="is no time; write it as 90s, 10m"):
        budget_seconds(text)


def test_options_of_rounds_are_refused(bench: Command, tmp_path: Path) -> None:
    result = bench("plan", "--until-decided", "--max-seeds=10", f"--reports={tmp_path}")
    assert result.returncode == 2
    assert "plan counts all seeds; --until-decided and --max-seeds are for run" in " ".join(result.stderr.split())


def test_a_baseline_that_the_grid_lacks(plan: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="--baseline nope"):
        plan(rules=Rules(baseline="nope"))


def test_the_command_and_the_estimate_of_a_run(bench: Command) -> None:
    planned = bench("plan", "--methods", "ce,focal", "--seeds", "2", "--budget", "1h", tiny=True)
    assert planned.returncode == 0, planned.stderr
    assert "written: reports/plan.md" in planned.stdout
    run = bench("run", "--methods", "ce,focal", "--seeds", "2", tiny=True)
    assert "machines differ by a factor of 3" in run.stdout
    assert re.search(r"estimated \d+ s, took \d+ s: [\d.]+ times the estimate", run.stdout)
    more = bench("run", "--methods", "ce,focal", "--seeds", "3", tiny=True)
    assert "(measured on 4 finished cells of the store)" in more.stdout
    again = bench("plan", "--methods", "ce,focal", "--seeds", "4", "--from", "runs", tiny=True)
    assert "8 cells, 6 of them done; 2 trainings" in again.stdout
    assert "Times are measured on 6 finished cells of the store." in again.stdout
    bad = bench("plan", "--budget", "soon", tiny=True)
    assert bad.returncode == 2
    assert bad.stderr == "error: --budget 'soon' is no time; write it as 90s, 10m (or 10min), 8h or 2d\n"


def test_folds_are_planned_as_they_are_run(plan: Callable[..., Any], tmp_path: Path) -> None:
    """Each seed tests one fold. The plan took all real rows as the test of each seed."""
    files = {}
    for role in ("generated", "real"):
        rows = [(f"{role} {label} {i}", label) for i in range(50) for label in ("bad", "good")]
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / f"{role}.csv", index=False)
        files[role] = str(tmp_path / f"{role}.csv")
    text, lines = plan(seeds=5, effect=20, seed_sd=1, **files)
    found = re.search(r"needs \*\*(\d+) seeds\*\* on 100 cross-validated real rows", text)
    assert found is not None
    assert int(found[1]) % 5 == 0
    assert re.search(r"With 5 seeds: [\d,]+ cross-validated real rows would do\.", text)
    table = next(line for line in lines if line.startswith("| seeds"))
    powers = {int(row.split("|")[1]): int(row.split("|")[2]) for row in table.splitlines()[2:]}
    asked = Question(0.2, 0.8, 2, 0.01, Effects(0.01**2, 0.045, 0.105), folds=5)
    assert powers[5] == round(100 * asked.at(5, 100))
    assert powers[5] < round(100 * replace(asked, folds=0).at(5, 100))


def test_variances_are_those_of_the_same_rows(tmp_path: Path) -> None:
    """After a file was corrected, those of the old file were taken, whose section is the first one."""
    sections = []
    for number, seeds in enumerate([(0, 1), (0, 1, 2)]):
        store = FakeStore(tmp_path, rows=300, seeds=seeds, hashes={"generated": f"{number}", "test": "7e57"})
        store.method(f"ce{number}").method(f"dimp{number}", skill=1.1)
        for entry, label in zip(store.section["methods"], ("ce", "dimp"), strict=True):
            entry["label"] = entry["method"] = label
        sections.append(store)
    write_json(tmp_path / ".grids" / "a.json", sections[0].manifest(sections[1]))
    said = [variances(store.section, Rules(), Wishes(store=tmp_path))[1] for store in sections]
    assert ["on 2 seeds" in said[0], "on 3 seeds" in said[1]] == [True, True]
