"""Data parallel: two ranks of torchrun compute what one process does, and both end if one of them fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import methods
from bench import data_parallel
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution import engines
from bench.execution.grid import Options, require_usable
from bench.execution.prepare import keep_models
from bench.planning.planner import make_plan
from bench.store.files import read_json
from bench.store.layout import MODEL
from methods.base import RealUse
from tasks import load
from tasks.errors import plural
from tests.conftest import ROOT
from tests.helpers.encoders import FAMILIES, make_encoder

# Losses of a row alone, weights that depend on the whole batch or on its order, rows left out, phases; and whatever has
# several networks or follows gradients on the real set.
NAMED = (
    "ce-mix",
    "superloss(tau=ema)",
    "rho",
    "dimp(shuffle=class)",
    "imp(normalize=batch)",
    "dimp(eval_denominator=true)",
    "self-paced",
    "jtt",
)
INVOLVED = (name for name, cls in methods.discover().items() if cls.networks > 1 or cls.real_use is RealUse.GRADIENT)
METHODS = (*NAMED, *INVOLVED)
PROTOCOL = "held-out"
SETTINGS = {"updates": 12, "batch_size": 7}  # an odd batch, and more than an epoch


def torchrun(folder: Path, *command: str, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    """A command on several ranks."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*launcher, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same grid of one process and of two ranks, dropout on."""
    from bench.execution.worker import run_job

    folder = tmp_path_factory.mktemp("ranks")
    encoder = make_encoder(folder / "encoder", "bert")
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    options = (
        "run",
        "--methods",
        ",".join(METHODS),
        "--protocol",
        PROTOCOL,
        "--seeds",
        "1",
        "--preset",
        "smoke",
        "--save-models",
        "full",
        *settings,
    )
    two = torchrun(folder, "-m", "bench", *options, "--encoder", str(encoder), "--no-figures", "--out", "two")
    assert two.returncode == 0, two.stdout + two.stderr
    assert two.stdout.count("cells done") == 1, "rank 0 alone prints"
    one = make_request(
        methods=METHODS, protocol=PROTOCOL, seeds=1, preset="smoke", settings=SETTINGS, encoder=str(encoder)
    )
    plan = make_plan(one, folder / "one")
    keep_models(plan, "full")
    outcomes = [run_job(job) for job in plan.jobs.values()]
    assert {outcome.state for outcome in outcomes} == {"done"}
    return folder / "one", folder / "two"


def cells(root: Path) -> dict[str, Path]:
    """The folders of all trainings by id."""
    result = [*root.glob("twitter/*/*/metrics.json"), *root.glob(".artefacts/checker/*/metrics.json")]
    return {path.parent.name: path.parent for path in result}


@pytest.mark.slow
def test_two_ranks_do_what_one_process_does(stores: tuple[Path, Path]) -> None:
    one, two = map(cells, stores)
    assert one.keys() == two.keys()
    assert len(one) >= len(METHODS)
    for identity, folder in one.items():
        label = read_json(folder / "spec.json")["label"]
        for file, columns in (("predictions", "logit_"), ("train_scores", "logp_"), ("weights", "weight")):
            a, b = (pd.read_parquet(place / f"{file}.parquet") for place in (folder, two[identity]))
            numbers = [column for column in a if column.startswith(columns)]
            pd.testing.assert_frame_equal(a.drop(columns=numbers), b.drop(columns=numbers))
            assert np.allclose(a[numbers], b[numbers], atol=2e-4, equal_nan=True), (label, file)
        a, b = ((place / "history.jsonl").read_text().splitlines() for place in (folder, two[identity]))
        for row, other in zip(map(json.loads, a), map(json.loads, b), strict=True):
            assert row == pytest.approx(other, abs=2e-4), label
        a, b = (read_json(place / "metrics.json") for place in (folder, two[identity]))
        assert a.get("selected") == pytest.approx(b.get("selected"), abs=1e-4)
        a, b = (read_json(place / "timing.json") for place in (folder, two[identity]))
        assert (a["passes"], a["updates"]) == (b["passes"], b["updates"]), label


@pytest.mark.slow
def test_two_ranks_keep_the_model_that_was_tested(stores: tuple[Path, Path]) -> None:
    """The folder is whole, its weights are those of one process, and it gives the stored logits."""
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    one, two = (sorted(root.glob(f"twitter/*/*/{MODEL}")) for root in stores)
    assert [path.parent.name for path in one] == [path.parent.name for path in two]
    assert len(two) == len(METHODS)
    for a, b in zip(one, two, strict=True):
        assert sorted(path.name for path in a.iterdir()) == sorted(path.name for path in b.iterdir())
        weights, others = (load_file(path / "model.safetensors") for path in (a, b))
        assert weights.keys() == others.keys()
        for name, weight in weights.items():
            assert torch.allclose(weight, others[name], atol=2e-4), (b, name)
    texts = load("twitter").test
    stored = pd.read_parquet(two[0].parent / "predictions.parquet").set_index("id")
    tokenizer = AutoTokenizer.from_pretrained(two[0])
    model = AutoModelForSequenceClassification.from_pretrained(two[0]).eval()
    limit = read_json(two[0].parent / "spec.json")["settings"]["max_length"]
    rows = texts.take(np.arange(8))
    inputs = tokenizer(rows.texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits.numpy()
    np.testing.assert_allclose(logits, stored.loc[rows.ids, ["logit_0", "logit_1"]].to_numpy(), atol=1e-4)


@pytest.mark.slow
def test_rank_0_alone_writes(stores: tuple[Path, Path]) -> None:
    for folder in cells(stores[1]).values():
        assert read_json(folder / "spec.json")["id"] == folder.name
        assert not list(folder.glob("*.part"))
        ids = pd.read_parquet(folder / "predictions.parquet")["id"]
        assert ids.is_unique


@pytest.mark.slow
def test_trials_and_snapshots_are_trained_together_too(tmp_path: Path) -> None:
    """Trainings that are no plain cells. If a rank missed one, the ranks would wait for each other for ever."""
    encoder = make_encoder(tmp_path / "encoder", "bert")
    common = ("--seeds", "1", "--preset", "smoke", "--encoder", str(encoder), "--no-figures")
    for options, trainings in (("ce --protocol fixed", 1), ("ce,aum --protocol tuned(2)", 7)):
        ran = torchrun(tmp_path, "-m", "bench", "run", "--methods", *options.split(), *common)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert f", {plural(trainings, 'training')}, in " in ran.stdout


BREAKS = """
import os, sys
import bench.training.cell

train = bench.training.cell.train

def broken(job):
    if job.spec.method == "gce" or job.spec.method == "focal" and os.environ["RANK"] == "1":
        raise RuntimeError(job.spec.method + " has had enough")
    return train(job)

bench.training.cell.train = broken
from bench.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_failure_of_one_rank_ends_the_run_and_one_of_all_does_not(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "script.py").write_text(BREAKS)
    grid = ("run", "--methods", "gce,ce,focal,sce", "--seeds", "1", "--preset", "smoke", "--no-figures")
    run = torchrun(tmp_path, "script.py", *grid, "--encoder", str(tiny_encoder))
    assert run.returncode != 0
    assert "FAILED twitter gce seed 0: RuntimeError: gce has had enough" in run.stdout
    assert "focal has had enough" in run.stderr
    assert "one rank of 2 failed alone" in run.stderr
    failed = {path.parent.parent.name for path in tmp_path.glob("runs/twitter/*/*/error.json")}
    assert failed == {"gce", "focal"}, "the later cells are not started"
    assert [path.parent.parent.name for path in tmp_path.glob("runs/twitter/*/*/metrics.json")] == ["ce"]


def test_an_error_is_printed_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.cli import complain

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for rank, message in (("0", "error: no\n"), ("1", "")):
        monkeypatch.setenv("RANK", rank)
        assert complain("no") == 2
        assert capsys.readouterr().err == message


def test_workers_and_torchrun_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    monkeypatch.setenv("WORLD_SIZE", "4")
    engine = engines.chosen()
    assert engine.count(None) == 4
    with pytest.raises(UserError, match="--workers"):
        engine.count(2)
    with pytest.raises(UserError, match="--cell-timeout has no effect under torchrun"):
        require_usable([], Options(cell_timeout=5), engine)


def test_parts_of_a_batch_are_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for world in (1, 2, 3, 8):
        monkeypatch.setattr(data_parallel, "world", lambda world=world: world)
        for n in (1, 2, 7, 32):
            rows: list[int] = []
            for rank in range(world):
                monkeypatch.setattr(data_parallel, "rank", lambda rank=rank: rank)
                rows += range(n)[data_parallel.own_rows(n)]
            assert rows == list(range(n))


def test_on_a_gpu_ranks_and_networks_have_seeds_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the first rank both networks of co-teaching had the same masks."""
    seeds: list[int] = []
    plain = torch.manual_seed
    for at in (slice(0, 4), slice(4, 8)):
        plain(3)
        monkeypatch.setattr(torch, "manual_seed", lambda seed: (seeds.append(seed), plain(seed))[1])
        for _ in range(2):
            with data_parallel.dropout(at, 8, torch.device("cuda")):
                pass
        monkeypatch.undo()
    assert len(set(seeds)) == 4
    assert seeds[2] - seeds[0] == 4, "ranks differ by their first row alone"


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_parts_are_dropped_out_as_the_whole(tmp_path: Path, family: str) -> None:
    """Without this two ranks would draw other masks than one process, and their results could not be compared."""
    from bench.encoders.checkpoints import find
    from bench.encoders.loading import load

    model = load(find(str(make_encoder(tmp_path / family, family))), 2).model
    model.train()
    inputs = {"input_ids": torch.randint(5, 60, (7, 9)), "attention_mask": torch.ones(7, 9, dtype=torch.long)}
    inputs["attention_mask"][1, 5:] = 0
    torch.manual_seed(3)
    whole = model(**inputs).logits
    for at in (slice(0, 3), slice(3, 7)):
        torch.manual_seed(3)
        with data_parallel.WholeMasks(at, 7):
            part = model(**{name: value[at] for name, value in inputs.items()}).logits
        assert torch.allclose(part, whole[at], atol=1e-5)
