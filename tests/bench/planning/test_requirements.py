"""Precomputed tables that need several trainings: folds of rows, the rows of each checker, and the costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.jobs import CellJob, FoldsJob, StatesJob, TokensJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.planning.requirements import FOLDS
from bench.precomputed.tables import READERS
from tasks import load
from tasks.draw import folds

Run = Callable[..., Plan]


def test_folds_are_even_stable_and_never_share_a_text() -> None:
    rows = load("twitter").generated
    rows = replace(rows, texts=[*rows.texts[:-40], *rows.texts[:40]])  # forty texts occur twice
    values = folds("twitter", rows, 0, 5)
    assert {len(set(values[np.array(rows.keys) == key])) for key in rows.keys[:40]} == {1}
    for label in (0, 1):
        counts = np.bincount(values[rows.labels == label], minlength=5)
        assert counts.max() - counts.min() <= 0.1 * counts.mean()
    order = np.random.default_rng(0).permutation(len(rows))
    assert (
        folds("twitter", rows.take(order), 0, 5) == values[order]
    ).mean() > 0.9  # a repeated text's label may decide
    assert (folds("twitter", rows, 1, 5) != values).any()


@pytest.fixture(scope="module")
def out_of_fold(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Plan:
    """A finished grid of methods that read out-of-fold scores."""
    from bench.execution.worker import run_job

    request = make_request(
        methods="ce,imp(oof=True),dimp(calibrate=True)", encoder=str(tiny_encoder), preset="smoke", seeds=1
    )
    plan = make_plan(request, tmp_path_factory.mktemp("store"))
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause
    return plan


def cell(plan: Plan, label: str) -> CellJob:
    """The cell of a label."""
    (job,) = (job for identity, job in plan.jobs.items() if plan.cells.get(identity) == label)
    assert isinstance(job, CellJob)
    return job


def joined(plan: Plan, folder: Path) -> tuple[FoldsJob, list[CellJob]]:
    """An out-of-fold table and the trainings whose scores it joins."""
    (job,) = (job for job in plan.jobs.values() if job.folder == folder)
    assert isinstance(job, FoldsJob)
    return job, [plan.jobs[need] for need in job.needs]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("label", "tables", "table", "role"),
    [
        ("imp(oof=True)", "tables", "diversity-oof", "generated"),
        ("dimp(calibrate=True)", "real_tables", "quality-oof", "real"),
    ],
)
def test_every_row_is_scored_by_a_checker_that_never_saw_it(
    out_of_fold: Plan, label: str, tables: str, table: str, role: str
) -> None:
    job = cell(out_of_fold, label)
    folder = getattr(job, tables)[table]
    _, parts = joined(out_of_fold, folder)
    assert len(parts) == FOLDS
    scores = pd.read_parquet(folder / "train_scores.parquet").set_index("id")
    assert sorted(scores.index) == sorted(getattr(job, role).ids)
    for part in parts:
        trained, held = set(pd.read_parquet(part.folder / "weights.parquet")["id"]), set(part.scored.ids)
        assert held
        assert not trained & held
        assert trained | held <= set(getattr(job, role).ids)
        own = pd.read_parquet(part.folder / "train_scores.parquet").set_index("id")
        assert scores.loc[own.index].equals(own)


def test_fold_checkers_never_read_the_test(out_of_fold: Plan) -> None:
    """Their only labelled rows beside the training rows are the fold's."""
    test = cell(out_of_fold, "ce").test
    for job in out_of_fold.jobs.values():
        if isinstance(job, FoldsJob):
            for part in (out_of_fold.jobs[need] for need in job.needs):
                assert isinstance(part, CellJob)
                assert test.tokens not in (part.test.tokens, part.scored.tokens)


def test_standalone_cost_counts_every_fold(out_of_fold: Plan) -> None:
    """The table's cost is that of its trainings, and the section names it among the cell's needs."""
    job = cell(out_of_fold, "imp(oof=True)")
    folder = job.tables["diversity-oof"]
    _, parts = joined(out_of_fold, folder)
    passes = [json.loads((part.folder / "timing.json").read_text())["passes"]["train_rows"] for part in parts]
    assert json.loads((folder / "timing.json").read_text())["passes"]["train_rows"] == sum(passes) > 0
    (method,) = (entry for entry in out_of_fold.sections[0]["methods"] if entry["label"] == "imp(oof=True)")
    assert str(folder.relative_to(out_of_fold.root)) in method["needs"]["0"]


def test_a_second_pass_is_counted(run_here: Run) -> None:
    """DIMP's denominator in evaluation mode costs a forward pass per row and is another number than dropout's."""
    plan = run_here(methods="dimp,dimp(eval_denominator=True)")
    plain, still = cell(plan, "dimp"), cell(plan, "dimp(eval_denominator=True)")
    passes = [json.loads((job.folder / "timing.json").read_text())["passes"] for job in (plain, still)]
    assert passes[1]["backward_rows"] == passes[0]["backward_rows"] == passes[0]["forward_rows"]
    assert passes[1]["forward_rows"] == 2 * passes[0]["forward_rows"]
    weights = [pd.read_parquet(job.folder / "weights.parquet")["weight"] for job in (plain, still)]
    assert not weights[0].equals(weights[1])


def test_a_generated_set_below_a_batch_is_said_before_training(tiny_encoder: Path, tmp_path: Path) -> None:
    options = {"methods": "ce", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1}
    message = r"twitter\[generated=7\]: 7 generated rows cannot fill a batch of 8; give more .*, or --batch-size 7"
    with pytest.raises(UserError, match=message):
        make_plan(make_request(**options, tasks="twitter[generated=7]"), tmp_path)  # type: ignore[arg-type]
    make_plan(make_request(**options, tasks="twitter[generated=8]"), tmp_path)  # type: ignore[arg-type]


def test_too_few_rows_for_folds_is_said_before_training(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "even.csv").write_text("text,label\n" + "so good,positive\nso bad,negative\n" * 10)
    request = make_request(
        methods="dimp(calibrate=True)",
        tasks="twitter[real=4]",
        real=str(tmp_path / "even.csv"),
        encoder=str(tiny_encoder),
        preset="smoke",
        seeds=1,
    )
    with pytest.raises(UserError, match=r"twitter\[real=4\]: 4 real rows cannot be cut into the 5 folds"):
        make_plan(request, tmp_path)


def test_real_rows_that_several_seeds_draw_are_passed_once(tiny_encoder: Path, tmp_path: Path) -> None:
    """Further seeds change the shared folders, but neither cells nor their inputs."""
    from bench.execution.worker import run_job
    from bench.training.inputs import table

    def planned(seeds: int) -> tuple[dict[str, CellJob], int]:
        request = make_request(methods="real-only,dimp", encoder=str(tiny_encoder), preset="smoke", seeds=seeds)
        plan = make_plan(request, tmp_path / "runs")
        jobs = plan.jobs.values()
        assert all(run_job(job).state == "done" for job in jobs if isinstance(job, TokensJob | StatesJob))
        cells = {job.id: job for job in jobs if isinstance(job, CellJob)}
        texts = [text for job in jobs if isinstance(job, TokensJob) for text in job.texts]
        assert len(texts) == len(set(texts))
        return cells, len(texts)

    (own, few), (shared, many) = planned(1), planned(5)
    assert few + 600 < many <= few + 1199  # of the pool's 1,499 rows, of which a seed draws 300
    assert own.keys() <= shared.keys()
    for identity, job in own.items():
        other = shared[identity]
        assert other.real.states != job.real.states
        a, b = (table(each, each.real).inputs(np.arange(7)) for each in (job, other))
        assert a.keys() == b.keys()
        assert all(np.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_snapshots_come_from_the_training_of_the_ce_cell(run_here: Run, tmp_path: Path) -> None:
    """Six snapshots of all generated rows; the last equals the final scores of the `ce` cell, which saves them.

    Both methods share them. There is a training for them alone only if that cell was done before.
    """
    plan = run_here(methods="ce,cartography,aum")
    folders = {cell(plan, label).tables["dynamics"] for label in ("cartography", "aum")}
    (folder,) = folders
    table, ids = np.load(folder / "dynamics.npy"), np.load(folder / "ids.npy")
    assert table.shape == (64, 6, 2)
    assert np.exp(table).sum(-1) == pytest.approx(np.ones((64, 6)), abs=1e-5)
    final = pd.read_parquet(cell(plan, "ce").folder / "train_scores.parquet").set_index("id").loc[ids]
    assert table[:, -1] == pytest.approx(final.to_numpy(), abs=1e-5)
    cost = json.loads((folder / "timing.json").read_text())
    own = json.loads((cell(plan, "ce").folder / "timing.json").read_text())["passes"]
    assert cost["passes"] == {"train_rows": own["train_rows"], "score_rows": 6 * 64}
    assert cost["updates"] == 0, "no training was needed for them alone"
    assert own["score_rows"] == 64 + 1374, "the cell does not pay for them"

    other = tmp_path / "other"
    before = run_here(methods="ce", root=other)
    stamp = (cell(before, "ce").folder / "metrics.json").stat().st_mtime_ns
    after = run_here(methods="ce,cartography", root=other)
    assert (cell(after, "ce").folder / "metrics.json").stat().st_mtime_ns == stamp
    again = cell(after, "cartography").tables["dynamics"]
    assert again.name == folder.name
    assert np.array_equal(np.load(again / "dynamics.npy"), table)
    assert json.loads((again / "timing.json").read_text())["updates"] == 8
    plain, with_snapshots = (pd.read_parquet(cell(one, "ce").folder / "predictions.parquet") for one in (before, plan))
    pd.testing.assert_frame_equal(plain, with_snapshots, check_exact=True)
    assert cell(plan, "ce").snapshots is not None
    assert cell(run_here(methods="ce,cartography", root=other), "ce").snapshots is None, "they are there"


def test_embeddings_are_the_mean_of_the_last_states(run_here: Run, tiny_encoder: Path) -> None:
    """Against the encoder applied to each text alone; of the real rows too, whichever seeds stand beside."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from bench.precomputed.tables import RowLookup

    job = cell(run_here(methods="kmm"), "kmm")
    model, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    data = load("twitter")
    for name, folder, role, rows in (
        ("embeddings", job.tables["embeddings"], job.generated, data.generated),
        ("real-embeddings", job.real_tables["real-embeddings"], job.real, data.pool),
    ):
        values = READERS[name](folder, RowLookup(role.ids, role.index, 2))
        texts = dict(zip(rows.ids, rows.texts, strict=True))
        for i in (0, 7, len(role.ids) - 1):
            inputs = tokenizer(texts[role.ids[i]], truncation=True, max_length=32, return_tensors="pt")
            with torch.inference_mode():
                expected = model(**inputs).last_hidden_state[0].mean(0).numpy()
            assert values[i] == pytest.approx(expected, abs=1e-5)
    one, two = (
        make_plan(make_request(methods="kmm", encoder=str(tiny_encoder), preset="smoke", seeds=seeds), Path("nowhere"))
        for seeds in ([0], [0, 1])
    )
    assert set(one.cells) < set(two.cells)
