"""Protocols: which rows fit and which select, that the best epoch is selected, and that test rows select nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.config.protocols import PROTOCOLS, HeldOut, protocols
from bench.config.request import make_request
from bench.errors import UserError
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.stats.metrics import accuracy, log_loss
from bench.store.files import read_json
from tasks import DataError, Rows, load

Run = Callable[..., Plan]
SELECTING = sorted(name for name, cls in PROTOCOLS.items() if cls.rule)
MIXED = {"paper-select"}  # protocols in which rows may both fit and select
EPOCHS = {"updates": "20"}  # of the smoke preset: epochs end at 8 and 16, and the last update is in the third


def cells(plan: Plan) -> dict[str, CellJob]:
    """The cells of a one-seed plan by method label, checkers that are no cells of the grid under `checker <method>`."""
    jobs = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    return {plan.cells.get(job.id, f"checker {job.spec.method}"): job for job in jobs}


def history(job: CellJob) -> list[dict[str, float]]:
    """What was recorded of each update."""
    return [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize("size", [20, 57, 100])
def test_no_row_both_fits_and_selects_but_where_the_protocol_says_so(name: str, size: int) -> None:
    data = load("twitter")
    real = data.real(0, size)
    fitting, selecting = PROTOCOLS[name]().divide(data.spec, real, 0)
    assert set(fitting) | set(selecting) == set(range(size))
    assert bool(len(selecting)) is (name != "fixed")
    if name not in MIXED:
        assert not {real.keys[i] for i in fitting} & {real.keys[i] for i in selecting}
    again = PROTOCOLS[name]().divide(data.spec, real, 0)
    assert all(map(np.array_equal, again, (fitting, selecting)))


def test_held_out_is_stratified_and_its_size_is_an_argument() -> None:
    data = load("twitter")
    real = data.real(3, 100)
    for share in (0.1, 0.3, 0.5):
        fitting, selecting = HeldOut(share).divide(data.spec, real, 3)
        assert len(selecting) == round(100 * share)
        for part in (fitting, selecting):
            shares = np.bincount(real.labels[part]) / len(part)
            assert shares == pytest.approx(np.bincount(real.labels) / 100, abs=1 / len(part))
    other = HeldOut().divide(data.spec, real, 4)
    assert not np.array_equal(other.selecting, HeldOut().divide(data.spec, real, 3).selecting)


def test_copies_of_a_text_are_not_held_out_from_each_other() -> None:
    data = load("twitter")
    real = data.real(0, 20)
    twice = Rows(np.arange(40), [*real.texts, *real.texts], None, np.tile(real.labels, 2))
    fitting, selecting = HeldOut().divide(data.spec, twice, 0)
    assert not {twice.keys[i] for i in fitting} & {twice.keys[i] for i in selecting}
    assert len(fitting) + len(selecting) == 40


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("held-out", "rows of class"),
        ("held-out(share=0.05)", "at least 1 row"),
        ("held-out(share=1)", "between 0 and 1"),
        ("held-out(shar=0.2)", "did you mean 'share'"),
        ("fixed(share=0.2)", "setting of protocol fixed"),
        ("heldout", "did you mean 'held-out'"),
    ],
)
def test_what_a_protocol_cannot_do_is_one_line(tiny_encoder: Path, tmp_path: Path, protocol: str, message: str) -> None:
    with pytest.raises((UserError, DataError), match=message.replace("(", r"\(")):
        make_plan(
            make_request(
                tasks="twitter[real=5]", protocol=protocol, encoder=str(tiny_encoder), preset="smoke", seeds=1
            ),
            tmp_path,
        )


def test_a_protocol_is_named_by_what_differs_and_once() -> None:
    labels = [one.label for one in protocols("fixed, held-out(share=0.3), held-out, held-out(share=.2)")]
    assert labels == ["fixed", "held-out", "held-out(share=0.2)"]


def test_the_paper_preset_selects_as_the_paper_does() -> None:
    assert [one.label for one in make_request(preset="paper").protocols] == ["paper-select"]
    assert [one.label for one in make_request(preset="quick").protocols] == ["fixed"]


@pytest.mark.parametrize("name", SELECTING)
def test_the_selected_epoch_is_the_best_and_is_what_is_tested(run_here: Run, name: str) -> None:
    """The training again, with logits kept at every end of an epoch, and the choice made here."""
    from bench.config.settings import Settings
    from bench.training.inputs import classifier, context, table, training_rows
    from bench.training.trainer import Trainer
    from methods import discover

    job = cells(run_here(methods="ce", protocol=name, settings={**EPOCHS, "lr": "1e-2"}))["ce"]
    settings = Settings(**job.spec.settings)
    method = discover()["ce"]()
    trainer = Trainer(classifier(job, settings), settings, job.spec.task, job.spec.seed)
    rows = training_rows(job, method.config)
    method.start(context(job, method, rows))
    seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def look(step: int, last: bool) -> dict[str, float]:
        if step + 1 in (8, 16, 20):
            seen[step + 1] = trainer.logits(table(job, job.select)), trainer.logits(table(job, job.test))
            trainer.classifier.train()
        return {}

    trainer.fit(method, rows, watch=look)
    trainer.close()
    labels = job.select.labels
    figures = {at: (accuracy(labels, select), -log_loss(labels, select)) for at, (select, _) in seen.items()}
    depth = len(PROTOCOLS[name].rule)
    best = max(figures, key=lambda at: (figures[at][:depth], -at))
    selected = read_json(job.folder / "metrics.json")["selected"]
    assert (selected["update"], selected["epoch"]) == (best, math.ceil(best / 8))
    assert (selected["accuracy"], -selected["log_loss"]) == pytest.approx(figures[best])
    curve = {row["step"] + 1: row for row in history(job) if "select_accuracy" in row}
    assert sorted(curve) == [8, 16, 20]
    for at, (merit, minus_loss) in figures.items():
        assert (curve[at]["select_accuracy"], -curve[at]["select_log_loss"]) == pytest.approx((merit, minus_loss))
    predictions = pd.read_parquet(job.folder / "predictions.parquet")[["logit_0", "logit_1"]].to_numpy()
    assert predictions == pytest.approx(seen[best][1], abs=1e-6)


def test_ties_go_to_log_loss_then_to_the_earlier_epoch() -> None:
    from bench.training.best_epoch import Selection

    class Model:
        """Says what it is told to say, in turn; its one weight tells how often it was asked."""

        def __init__(self, said: list[list[list[float]]]) -> None:
            import torch

            self.said, self.classifier, self.trained = said, self, {"w": torch.zeros(1)}

        def logits(self, _: object) -> np.ndarray:
            self.trained["w"] += 1
            return np.array(self.said[int(self.trained["w"]) - 1], np.float32)

        def train(self) -> None: ...

    sure, right, wrong = [[5.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]
    for rule, best in ((("accuracy", "log_loss"), 3), (("accuracy",), 2)):
        model = Model([wrong, right, sure, sure])
        watch = Selection(model, None, np.array([0]), rule, 2)  # type: ignore[arg-type]
        updates = [step for step in range(7) if watch(step, step == 6)]
        assert updates == [1, 3, 5, 6]
        watch.restore()
        assert float(model.trained["w"]) == best
        assert watch.best["update"] == updates[best - 1] + 1


@pytest.mark.parametrize("name", SELECTING)
def test_test_labels_choose_nothing(run_here: Run, tmp_path: Path, name: str) -> None:
    from bench.execution.worker import run_job

    job = cells(run_here(methods="ce", protocol=name, settings=EPOCHS))["ce"]
    turned = replace(
        job,
        folder=tmp_path / "turned",
        spec=replace(job.spec, data={**job.spec.data, "test": "turned"}),
        test=replace(job.test, labels=1 - job.test.labels),
    )
    assert run_job(turned).state == "done"
    for file in ("predictions", "train_scores"):
        one, other = (pd.read_parquet(folder / f"{file}.parquet") for folder in (job.folder, turned.folder))
        pd.testing.assert_frame_equal(*(frame.drop(columns="label", errors="ignore") for frame in (one, other)))
    one, other = (read_json(folder / "metrics.json") for folder in (job.folder, turned.folder))
    assert one["selected"] == other["selected"]
    assert one["accuracy"] == pytest.approx(1 - other["accuracy"])


def test_checkers_see_what_methods_see_and_use_the_last_update(run_here: Run) -> None:
    plan = run_here(methods="ce,imp,real-only", protocol="held-out", settings=EPOCHS)
    result = cells(plan)
    job = result["imp"]
    quality, diversity = result["checker real-only"], result["checker ce"]
    assert dict(job.spec.table_ids) == {"quality": quality.spec.id, "diversity": diversity.spec.id}
    for checker in (quality, diversity):
        assert checker.spec.protocol == "fixed"
        assert "selected" not in read_json(checker.folder / "metrics.json")
        assert "select" not in checker.spec.data
    assert len(job.select.ids) == 90, "0.3 of the small real set"
    assert not np.isin(job.select.ids, quality.real.ids).any()
    visited = pd.read_parquet(quality.folder / "weights.parquet")["id"]
    assert not np.isin(job.select.ids, visited).any()
    request = {"encoder": job.checkpoint.name, "preset": "smoke", "seeds": 1, "settings": EPOCHS}
    fixed = make_plan(make_request(methods="ce", **request), plan.root)  # type: ignore[arg-type]
    assert list(fixed.cells) == [f"cell/{diversity.spec.id}"], "the cell of `fixed` is the checker of every protocol"
    both = make_plan(make_request(methods="ce,imp", protocol="held-out,fixed", **request), plan.root.parent / "both")  # type: ignore[arg-type]
    (named,) = [job for job in both.jobs.values() if job.id == f"cell/{diversity.spec.id}"]
    assert ".artefacts" not in str(named.folder)


def test_selection_looks_after_every_epoch_of_the_generated_set_whatever_is_trained_on(run_here: Run) -> None:
    result = cells(run_here(methods="ce,real-only,ce-mix", protocol="held-out", settings=EPOCHS))
    for job in result.values():
        assert [row["step"] + 1 for row in history(job) if "select_accuracy" in row] == [8, 16, 20]
        passes = read_json(job.folder / "timing.json")["passes"]
        assert passes["score_rows"] == len(job.test.ids) + len(job.scored.ids) + 3 * 90


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_report_says_where_one_epoch_leaves_nothing_to_choose(tmp_path: Path, tiny_encoder: Path, name: str) -> None:
    for updates, alone in (("8", True), ("9", False)):  # an epoch of the smoke preset is 8 updates
        request = make_request(
            methods="ce",
            protocol=name,
            encoder=str(tiny_encoder),
            preset="smoke",
            seeds=1,
            settings={"updates": updates},
        )
        notes = " ".join(make_plan(request, tmp_path / "runs").sections[0]["notes"])
        assert ("nothing was chosen: 8 updates" in notes) is (alone and name in SELECTING), updates
