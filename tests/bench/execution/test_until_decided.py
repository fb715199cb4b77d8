"""Rounds: verdicts are read at planned looks, and only methods without one get further seeds."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.config.request import Request, make_request
from bench.errors import UserError
from bench.execution import until_decided
from bench.execution.grid import Options, Result
from bench.execution.until_decided import run_request
from bench.jobs import CellJob
from bench.planning.describe import describe
from bench.planning.planner import make_plan
from tests.bench.leaderboard.fake_store import FakeStore

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SKILLS = {"ce": 1.0, "focal": 1.0, "dimp": 1.25, "imp": 2.5, "gce": 1.0}


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path, tmp_path: Path) -> Callable[..., Any]:
    """`rounds(failed={"gce": 1})`: run on simulated results, with cells that fail by method and seed.

    `closed`: the seeds of the look before which there was a Ctrl-C. Returns the seeds of each method in each round, the
    lines printed, and the result.
    """

    def go(
        methods: str = "ce,focal,dimp,imp",
        failed: dict[str, int] | None = None,
        closed: int | None = None,
        **options: Any,
    ) -> Any:
        asked: list[dict[str, int]] = []

        def simulated(requests: Sequence[Request], options: Options, *_: Any) -> Result:
            plan = make_plan(requests, options.out)
            manifest = describe(plan, "c")
            store = FakeStore(plan.root, rows=1_500)
            (section,) = manifest["sections"]
            section["hashes"] = {**section["hashes"], "test": "7e57"}
            for entry in section["methods"]:
                for seed, path in entry["cells"].items():
                    if (failed or {}).get(entry["label"]) == int(seed):
                        store.fail(path)
                    else:
                        store.cell(path, store.logits(entry["label"], int(seed), SKILLS[entry["label"]]))
            asked.append({entry["label"]: len(entry["cells"]) for entry in section["methods"]})
            return Result(manifest, plan.root, options.rules, closed=max(asked[-1].values()) == closed)

        monkeypatch.setattr(until_decided, "run", simulated)
        lines: list[str] = []
        request = make_request(methods=methods, encoder=str(tiny_encoder), preset="quick", tasks="twitter")
        given = {"out": tmp_path / "runs", "reports": tmp_path / "reports", "until_decided": True, **options}
        return asked, lines, run_request(request, Options(**given), lines.append)

    return go


def test_a_method_whose_verdict_stands_gets_no_more_seeds(rounds: Callable[..., Any]) -> None:
    asked, lines, result = rounds()
    assert lines[0].startswith("looks at 3, 5, 7, 10 seeds")
    assert asked[0] == dict.fromkeys(("ce", "focal", "dimp", "imp"), 3)
    stopped = {label: max(one[label] for one in asked) for label in asked[0]}
    assert stopped["imp"] < 10
    assert stopped["focal"] == 10, "undecided to the end"
    assert stopped["ce"] == 10, "the baseline goes on as long as another method does"
    for before, after in itertools.pairwise(asked):
        assert all(after[label] in (before[label], after["ce"]) for label in before)
    saved = sum(10 - count for count in stopped.values())
    assert lines[-1].endswith(
        f"{40 - saved} of the 40 cells that 10 seeds for every method take: {saved} saved ({100 * saved / 40:.0f} %)"
    )
    assert result.manifest["sections"][0]["looks"] == [3, 5, 7, 10]


def test_all_decided_ends_the_run(rounds: Callable[..., Any]) -> None:
    asked, lines, _ = rounds("ce,imp")
    assert len(asked) < 4
    assert asked[-1]["ce"] == asked[-1]["imp"]
    assert "1 of 1 method decided" in lines[-1]
    assert "imp better" in lines[-2]


def test_a_ctrl_c_in_a_round_that_is_whole_ends_the_rounds(rounds: Callable[..., Any]) -> None:
    """The next round began, although the run had said that it would finish its running jobs and then end."""
    asked, _, result = rounds(closed=5)
    assert [one["ce"] for one in asked] == [3, 5]
    assert (result.ok, result.interrupted) == (True, True), "exit code 130"
    asked, lines, result = rounds(closed=10)
    assert not result.interrupted, "nothing is left to do"
    assert "saved" in lines[-1]


def test_a_method_with_a_failed_cell_stops(rounds: Callable[..., Any]) -> None:
    asked, lines, _ = rounds("ce,focal,gce", failed={"gce": 1})
    assert [one["gce"] for one in asked] == [3, 3, 3, 3]
    assert any("gce incomplete: 2/3" in line for line in lines)
    assert lines[-1].startswith("0 of 2 methods decided, 1 undecided, 1 without a verdict; ")


def test_a_table_that_is_not_informative_goes_on(rounds: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """More seeds may show that methods are better than the majority class; nothing is decided before."""
    monkeypatch.setattr(f"{__name__}.SKILLS", {"ce": -1.0, "dimp": -1.0, "focal": -1.0})
    asked, lines, _ = rounds("ce,dimp,focal", failed={"focal": 0})
    assert [(one["ce"], one["dimp"], one["focal"]) for one in asked] == [(3, 3, 3), (5, 5, 3), (7, 7, 3), (10, 10, 3)]
    assert "look at 3 seeds: not informative: no method is shown to be better than" in lines[1]
    assert lines[1].endswith("; focal incomplete: 2/3; undecided: dimp")
    assert lines[-1].startswith("0 of 2 methods decided, 2 without a verdict; 23 of the 30 cells")


@pytest.mark.parametrize(
    ("changes", "options", "text"),
    [
        ({"seed": "3,7"}, {}, "use --max-seeds in place of --seeds and --seed"),
        ({"seeds": 7}, {}, "use --max-seeds in place of --seeds and --seed"),
        ({"seeds": 5}, {}, "use --max-seeds in place of --seeds and --seed"),  # as many as by default
        ({"seed": "0,1,2,3,4"}, {}, "use --max-seeds in place of --seeds and --seed"),
        ({"limit": 40}, {}, "leave out one of them"),
        ({"methods": "focal,dimp"}, {}, "needs the baseline ce among the methods"),
        ({"methods": "ce"}, {}, "needs a method to compare with ce"),
        ({}, {"max_seeds": 3}, "needs --max-seeds 4 or more, not 3"),
        ({}, {"force": True}, "use another --out"),
        ({}, {}, "these settings are those of a smoke test without any"),
        ({"preset": "quick", "settings": {"updates": 5}}, {}, "these settings are those of a smoke test without any"),
        ({}, {"until_decided": False, "max_seeds": 10}, "--max-seeds is for --until-decided"),
    ],
)
def test_what_rounds_cannot_do(
    tiny_encoder: Path, tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    request = make_request(**{"methods": "ce,focal", "encoder": str(tiny_encoder), "preset": "smoke", **changes})
    given = Options(**{"out": tmp_path / "runs", "until_decided": True, **options})
    with pytest.raises(UserError, match=text):
        run_request(request, given, print)
    assert not (tmp_path / "runs").exists()


def test_a_run_in_rounds(bench: Command, tiny_encoder: Path, tmp_path: Path) -> None:
    """Real trainings: two looks, one report; the same command again trains nothing; the report stays up to date."""
    grid = ("run", "--methods", "ce,focal", "--until-decided", "--max-seeds", "4", "--no-figures", "--workers", "1")
    grid += ("--encoder", str(tiny_encoder), "--set", "updates=24")
    first = bench(*grid)
    assert first.returncode == 0, first.stderr
    assert "looks at 3, 4 seeds; a method whose verdict stands gets no more" in first.stdout
    assert "cells that 4 seeds for every method take" in first.stdout
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "Verdicts are read at planned looks" in report
    assert "nplanned looks: verdicts" not in report
    again = bench(*grid)
    assert "0 trainings" in again.stdout
    assert (tmp_path / "reports" / "leaderboard.md").read_text() == report
    assert bench("report", "--check").returncode == 0
    dry = bench(*grid, "--dry-run")
    assert "at most, if nothing is decided before 4 seeds:" in dry.stdout


def test_files_are_read_once(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts of the old file stood beside cells of one that was edited between two looks."""

    def write(kind: str) -> None:
        for role, count in (("generated", 64), ("real", 60), ("test", 1500)):
            text = "".join(f"{kind} {role} {row},{'ab'[row % 2]}\n" for row in range(count))
            (tmp_path / f"{role}.csv").write_text(f"text,label\n{text}")

    write("old")
    looked: list[tuple[dict[str, Any], set[str]]] = []

    def simulated(requests: Sequence[Request], options: Options, *_: Any) -> Result:
        plan = make_plan(requests, options.out)
        manifest = describe(plan, "c")
        store = FakeStore(plan.root, rows=1_500)
        (section,) = manifest["sections"]
        for entry in section["methods"]:
            for seed, path in entry["cells"].items():
                store.cell(path, store.logits(entry["label"], int(seed), SKILLS[entry["label"]]))
        looked.append((section["hashes"], {job.spec.id for job in plan.jobs.values() if isinstance(job, CellJob)}))
        write("new")
        return Result(manifest, plan.root, options.rules)

    monkeypatch.setattr(until_decided, "run", simulated)
    files: dict[str, Any] = {role: str(tmp_path / f"{role}.csv") for role in ("generated", "real", "test")}
    request = make_request(methods="ce,focal", encoder=str(tiny_encoder), settings={"updates": 40}, **files)
    run_request(request, Options(out=tmp_path / "runs", until_decided=True, max_seeds=5), [].append)
    (first, cells), *_, (last, more) = looked
    assert first == last
    assert cells < more, "no cell is trained anew"


def test_an_encoder_that_changes_during_a_run_is_an_error(
    rounds: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended in a KeyError."""
    described = until_decided.encoders

    def before(*arguments: Any) -> dict[str, Any]:
        return {**described(*arguments), "encoder_hash": "as it was"}

    monkeypatch.setattr(until_decided, "encoders", before)
    with pytest.raises(UserError, match="an encoder or a checker of this run was changed while it ran"):
        rounds("ce,imp")
