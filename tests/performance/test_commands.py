"""The commands of tests.performance, on sizes so small that the figures mean nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import UserError
from bench.leaderboard import write_report
from bench.store.manifest import save, stored
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.encoders import make_bert
from tests.performance import cpu, engines, gpu, machine, naive, page, presets, scaling
from tests.performance.__main__ import numbers
from tests.performance.work import Run, cells, grid

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small blocks."""
    return make_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Train Trainer cells in this process, and do not measure the machine; both save time."""
    monkeypatch.setattr(cpu, "process", lambda job: [naive.cell(job, number) for number in range(job.cells)])
    monkeypatch.setattr(gpu, "process", cpu.process)
    monkeypatch.setattr(machine, "peak", lambda workers: 1e9)
    monkeypatch.setattr(machine, "bandwidth", lambda workers: 1e9)
    monkeypatch.chdir(tmp_path)  # where Trainer leaves its folder


@pytest.mark.slow
def test_a_trainer_process_prints_its_seconds(encoder: Path) -> None:
    job = naive.Job(
        "imp", 16, str(encoder), ["a good day", "a bad day"] * 8, [1, 0] * 8, ["so so"], [1], 2, batch_size=4
    )
    (result,) = cpu.process(job)
    assert result.keys() == {"start", "step", "row", "whole"}
    assert 0 < result["step"] < result["start"] < result["whole"]


def test_rates_are_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TRIES", 3)
    for rate in gpu.rates("cpu", torch.float32, 128):
        assert 1e6 < rate < 1e15
    assert all(1e6 < rate < 1e15 for rate in machine.multiply())
    assert "core" in machine.described()


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_the_grid_against_trainers(tmp_path: Path, encoder: Path) -> None:
    said: list[str] = []
    sizes = cpu.Sizes(
        seeds=1, updates=2, rows=4, preset="smoke", methods=("ce", "dimp"), encoder=str(encoder), test_rows=50
    )
    cpu.measure(sizes, tmp_path / "performance.md", said.append)
    text = (tmp_path / "performance.md").read_text()
    ways = [line for line in text.splitlines() if line.startswith("| ") and "%" in line]
    assert [line.split(" | ")[0].strip("| ") for line in ways] == [
        "this project",
        *(f"one Trainer process per cell, {padding}" for padding in cpu.PADDINGS),
        "one warm Trainer loop, dynamic padding, scores cached",
    ]
    assert "Ours computed 3 trainings." in text


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_the_gpus_comparison_runs_without_one(tmp_path: Path, encoder: Path) -> None:
    blocks = gpu.compared(
        tmp_path, encoder, [2], ("ce", "dimp"), 1, (1e10, 1e9), str, bf16=False, preset="smoke", updates=2
    )
    _, ways, _, prices, launches = blocks
    assert ways.count("\n") == 4, "one number of workers, two naive ways, and the head"
    assert "this project, 2 workers" in ways
    assert [line.split(" | ")[0] for line in prices.split("\n")[2:]] == ["| ce", "| dimp", "| real-only"]
    assert ": 0 launches an update" in launches, "there is no GPU"


@pytest.mark.slow
def test_cells_that_are_not_in_bf16_are_noticed(tmp_path: Path, encoder: Path) -> None:
    options = ("--methods=ce,focal", "--tasks=twitter", "--seeds=1", "--preset=smoke", f"--encoder={encoder}")
    grid(tmp_path / "half", *options, "--precision=bf16", "--workers=1", "--test-size=50")
    gpu.require_bf16(tmp_path / "half" / "runs")
    grid(tmp_path / "whole", *options, "--workers=1", "--test-size=50")
    with pytest.raises(RuntimeError, match="was not computed in bf16"):
        gpu.require_bf16(tmp_path / "whole" / "runs")


def test_without_a_gpu_the_gpu_command_fails_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.performance", "gpu", "--page", tmp_path / "p.md"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no GPU here")
    assert not (tmp_path / "p.md").exists()


def test_how_cost_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []

    def fake(folder: Path, *options: object) -> Run:
        calls.append(tuple(map(str, options)))
        return Run(wall=10.0 + len(calls), cpu=1.0, worker=2**20, others=0, output="")

    monkeypatch.setattr(scaling, "grid", fake)
    scaling.measure([2, 4], [64], [4], tmp_path / "performance.md", str)
    text = (tmp_path / "performance.md").read_text()
    for title in ("2 cells", "4 cells", "1 worker", "2 workers", "64 rows", "4 words"):
        assert f"| {title} |" in text
    assert "from 2 to 4 cells 500 ms per cell" in text
    assert [options[-2:] for options in calls[:2]] == [("--seeds", "1"), ("--seeds", "2")]


def test_engines_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def fake(folder: Path, *options: str | Path) -> Run:
        calls.append(tuple(map(str, options)))
        (folder / "runs").mkdir(parents=True)
        (folder / "runs" / "a").write_bytes(bytes(2**20))
        return Run(wall=2.0, cpu=1.0, worker=3 * 2**20, others=0, output="", command=2 * 2**20)

    monkeypatch.setattr(engines, "grid", fake)
    engines.measure([4, 8], ["local", "ray"], tmp_path / "performance.md", str)
    text = (tmp_path / "performance.md").read_text()
    assert "| ray | 8 | 2 | 250 | 2 | 3 | 1 | 0.1 |" in text
    assert text.count("\n| local |") == 2
    assert calls[3][-6:] == ("--seeds", "4", "--engine", "ray", "--workers", "2")


def test_presets_side_by_side(tmp_path: Path) -> None:
    skills = {"quick": {"ce": 1.0, "focal": 1.2, "dimp": 4.0}, "full": {"ce": 1.0, "focal": 0.5, "dimp": 4.0}}
    for name, methods in skills.items():
        store = FakeStore(tmp_path / name, rows=400, preset=name)
        for label, skill in methods.items():
            store.method(label, skill=skill)
        save(store.manifest(), tmp_path / name)
    stores = [tmp_path / name for name in skills]
    a, b = (presets.read(store, "twitter") for store in stores)
    pairs = list(itertools.combinations(a.index, 2))
    agree = sum(
        np.sign(a["accuracy_mean"][x] - a["accuracy_mean"][y]) * np.sign(b["accuracy_mean"][x] - b["accuracy_mean"][y])
        for x, y in pairs
    )
    changed = sum(a["difference_word"][label] != b["difference_word"][label] for label in ("focal", "dimp"))
    said: list[str] = []
    presets.measure(*stores, "twitter", tmp_path / "performance.md", said.append)
    assert f"of 3 methods: {agree / len(pairs):.2f} (" in said[0]
    assert f"{changed} verdict{'s change' if changed != 1 else ' changes'}" in said[0]
    assert "| dimp |" in (tmp_path / "performance.md").read_text()
    presets.measure(stores[0], stores[0], "twitter", tmp_path / "performance.md", said.append)
    assert ": 1.00 (" in said[1]
    assert "0 verdicts change" in said[1]
    write_report(stored(stores[1]), stores[1], tmp_path / "report", figures=False)
    presets.measure(stores[0], tmp_path / "report", "twitter", tmp_path / "other.md", said.append)
    assert said[2] == said[0], "a stored report gives the same as its store"
    with pytest.raises(UserError, match="no table of task news"):
        presets.measure(*stores, "news", tmp_path / "performance.md", said.append)


def test_a_section_replaces_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    for title, text in (("A", "one"), ("B", "two"), ("A", r"three \1")):
        page.put(path, title, [text])
    text = path.read_text()
    assert text.count("## A\n") == text.count("## B\n") == 1
    assert "one" not in text.split("## A")[1]
    assert text.index(r"three \1") < text.index("two"), "a section keeps its place"


def test_a_trainer_grid_trains_every_cell_and_checker() -> None:
    assert sorted(cells(("ce", "focal", "dimp", "imp"), 3)) == ["ce"] * 9 + ["dimp"] * 3 + ["imp"] * 3
    assert cells(("ce", "focal"), 2) == ["ce"] * 4, "no method needs a checker"


@pytest.mark.parametrize("text", ["", "1,,2", "a", "0", "-1", "1.5"])
def test_lists_of_numbers_are_checked(text: str) -> None:
    with pytest.raises(UserError, match="list of positive whole numbers"):
        numbers(text)
