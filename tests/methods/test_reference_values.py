"""Methods against values from their authors' code, or from an independent computation where that cannot be run.

`reference_values.json` holds fixed inputs (logits and labels of 12 rows, and of the checkers) and, for each entry, the
method, its settings, the source, and numbers. A source with a repository, commit and file was executed; its `note` says
what had to be replaced for that. A source whose note begins with `independent` was not: the note says how the numbers
were found. All numbers are of float64.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.training.inputs import shares
from methods.base import DIVERSITY_REAL, DYNAMICS, EMBEDDINGS, QUALITY, REAL_EMBEDDINGS, column
from tests.methods.linear import LinearProbe

REFERENCE = json.loads((Path(__file__).parent / "reference_values.json").read_text())
INPUTS, VALUES = REFERENCE["inputs"], REFERENCE["values"]
LABELS = np.array(INPUTS["labels"])
ROWS, CLASSES = len(LABELS), 3
ORDERS = ("first", "second")  # of Adam's moments
TOLERANCE = {"hu": 1e-6}  # its weights are float32, and Adam's constant is added elsewhere in the source


def having(*keys: str) -> Any:
    """Parametrise a test over the entries that have one of these kinds of numbers."""
    entries = [value for value in VALUES if any(key in value for key in keys)]
    names = [f"{value['method']}{value['settings']}" for value in entries]
    return pytest.mark.parametrize("value", entries, ids=names)


def table(name: str) -> torch.Tensor:
    """(12, C) logits of an input."""
    return torch.tensor(INPUTS[name], dtype=torch.float64)


def log_probs(name: str) -> torch.Tensor:
    """(12, C), or (12, T, C) for the snapshots."""
    return table(name).log_softmax(-1)


def sample_of(sample, logits: str = "logits", step: int = 0):
    """The batch of all rows with some logits."""
    checkers = {name: log_probs(name) for name in ("quality", "diversity")}
    case = sample(table(logits), torch.tensor(LABELS), n_classes=CLASSES, size=ROWS, dtype=torch.float64, **checkers)
    return case._replace(batch=replace(case.batch, step=step))


def context_of(context, **tables):
    """The cell of all rows."""
    return replace(
        context(CLASSES),
        labels=LABELS,
        ids=np.arange(ROWS),
        tables={QUALITY: log_probs("quality").numpy(), **tables},
    )


def prepare(method, value, context):
    """Start a method whose loss depends on more than the batch."""
    if "matrix" in value:  # the real rows are those of the input, scored by the diversity checker
        tables = {DIVERSITY_REAL: log_probs("diversity").numpy()}
        method.start(replace(context_of(context), real_labels=LABELS, real_tables=tables))
        assert method.log_matrix.exp().numpy() == pytest.approx(np.array(value["matrix"]))
    if "groups" in value:
        groups = np.array(value["groups"]["of_rows"], dtype=np.float32)
        method.start(replace(context_of(context), ids=np.arange(len(groups)), tables={column("group"): groups}))


def test_sources_are_complete():
    """An executed source can be found again; what was not executed says how its numbers were found."""
    for value in VALUES:
        source = value["source"]
        if not source.get("note", "").startswith("independent"):
            assert len(source["commit"]) == 40
            assert "/" in source["repository"]
            assert source["file"]


@having("gradient")
def test_loss_and_gradient(value, build, sample, context, close):
    """Mean loss of the batch and its gradient with respect to the logits."""
    if "second_gradient" in value:
        pytest.skip("two networks: see below")
    method = build(value["method"], CLASSES, **value["settings"])
    prepare(method, value, context)
    for before in value.get("visits", {}).get("before", []):
        method.losses(sample_of(sample, before).batch)
    case = sample_of(sample)
    loss = method.losses(case.batch).loss.mean()
    (gradient,) = torch.autograd.grad(loss, case.logits)
    # The label's log-probability of `sample` and float32 state of a method are the only roundings.
    close(gradient, torch.tensor(value["gradient"], dtype=torch.float64), 1e-6)
    close(loss.detach(), torch.tensor(value["loss"], dtype=torch.float64), 1e-6)


@having("second_gradient")
def test_two_networks(value, build, sample, close):
    """Each network's gradient, from the rows that the other one chooses, after the ramp."""
    method = build(value["method"], CLASSES, **value["settings"])
    cases = [sample_of(sample, name, step=9) for name in ("logits", "second")]
    losses = method.joint([case.batch for case in cases])
    for case, own, name in zip(cases, losses, ("gradient", "second_gradient"), strict=True):
        (gradient,) = torch.autograd.grad(own.loss.mean(), case.logits)
        close(gradient, torch.tensor(value[name], dtype=torch.float64), 1e-9)


@having("weights")
def test_weights(value, build, sample, context, close):
    """Weights of the rows: from the batch, or from a table that is computed before training."""
    method = build(value["method"], CLASSES, **value["settings"])
    expected = np.array(value["weights"])
    if "points" in value:
        points = {name: np.array(rows) for name, rows in value["points"].items()}
        counts = {name: len(rows) for name, rows in points.items()}
        cell_context = replace(
            context_of(context),
            labels=np.zeros(counts["generated"], np.int64),
            ids=np.arange(counts["generated"]),
            tables={EMBEDDINGS: points["generated"]},
            real_labels=np.zeros(counts["real"], np.int64),
            real_tables={REAL_EMBEDDINGS: points["real"]},
        )
        assert method.table(cell_context) == pytest.approx(expected, rel=3e-3)  # scikit-learn's tolerance
    elif hasattr(method, "table"):
        assert method.table(context_of(context)) == pytest.approx(expected, rel=1e-6)
    else:
        if value["method"] == "jtt":
            method.start(replace(context_of(context), tables={"diversity": log_probs("diversity").numpy()}))
        close(method.losses(sample_of(sample).batch).weight, torch.from_numpy(expected), 1e-9)


def linear_probe() -> LinearProbe:
    """A linear model with eight generated and six real rows."""
    exact = {name: torch.from_numpy(np.array(rows)) for name, rows in INPUTS["linear"].items()}
    generated, real = (exact["points"], exact["labels"]), (exact["real_points"], exact["real_labels"])
    return LinearProbe(exact["weight"], exact["bias"], generated, real)


@having("learnt")
def test_weights_of_a_look_ahead(value, build, sample, close):
    """On a linear model, all of whose rows are looked at."""
    probe, method = linear_probe(), build(value["method"], CLASSES, **value["settings"])
    if "net" in value:
        for weight, start in zip(method.net.parameters(), value["net"], strict=True):
            weight.data = torch.tensor(start, dtype=torch.float64)
    if "moments" in value:
        tables = [[torch.tensor(own, dtype=torch.float64) for own in value["moments"][name]] for name in ORDERS]
        probe.moments, probe.rate, probe.step = list(zip(*tables, strict=True)), value["moments"]["rate"], 2
    points, labels = probe.generated
    logits = probe.log_probs(probe.weights, points)
    batch = sample(logits, labels, n_classes=CLASSES, size=len(labels), dtype=torch.float64).batch
    weight = method.losses(replace(batch, lookahead=probe, step=1)).weight
    close(weight, torch.tensor(value["learnt"], dtype=torch.float64), TOLERANCE.get(value["method"], 1e-9))


@having("slopes")
def test_scores_after_a_round(value, build, context):
    """On a linear model: the gradient of the scores, and the scores after one step of Adam."""
    method = build(value["method"], CLASSES, **value["settings"])
    rows = len(INPUTS["linear"]["labels"])
    method.start(replace(context(CLASSES), ids=np.arange(rows)))
    method.phase_end(0, linear_probe())
    assert method.score.grad.numpy() == pytest.approx(np.array(value["slopes"]), rel=1e-5)
    assert method.score.detach().numpy() == pytest.approx(np.array(value["scores"]), rel=1e-5)


@having("log_importance")
def test_log_importance_of_sentences(value):
    """From the buckets of their n-grams, for each smoothing."""
    from methods.dsir import log_importance

    generated, real = (padded(value[name]) for name in ("generated", "real"))
    for smoothing, expected in value["log_importance"].items():
        assert log_importance(generated, real, float(smoothing)) == pytest.approx(np.array(expected), rel=1e-9)


def padded(rows: list[list[int]]) -> np.ndarray[Any, Any]:
    """(n, longest) with -1 after the end of each row."""
    return np.array([row + [-1] * (max(map(len, rows)) - len(row)) for row in rows])


@having("when_kept")
def test_weights_of_rows_that_may_be_skipped(value, build, sample, context):
    """Each row's weight where it is kept, in 20 draws of the second epoch; which rows are kept each time."""
    method, case = build(value["method"], CLASSES, **value["settings"]), sample_of(sample)
    kept = np.zeros(ROWS, dtype=int)
    for draw in range(20):
        method.start(context_of(context))
        method.losses(case.batch)
        stays = method.keep(np.arange(ROWS), 1, 1, np.random.default_rng(draw))
        weights = method.losses(case.batch).weight.numpy()
        assert weights.tolist() == value["when_kept"]
        kept += stays
    assert (kept == 20).tolist() == [bool(always) for always in value["always"]]


@having("merit", "counts")
def test_training_dynamics(value, build):
    """What rows are ordered by, from six snapshots."""
    method = build(value["method"], CLASSES, **value["settings"])
    dynamics = log_probs("dynamics").numpy()
    if "counts" in value:
        from methods.difficulty import forgotten

        assert forgotten(LABELS, dynamics).tolist() == value["counts"]
    else:
        assert method.merit(LABELS, dynamics) == pytest.approx(np.array(value["merit"]), rel=1e-9)


@having("after_refresh")
def test_weights_after_a_refresh(value, build, context):
    """The weights of the next training, from the predictions of the first."""
    method = build(value["method"], CLASSES, **value["settings"])
    method.start(context_of(context))
    method.refresh(torch.arange(ROWS), log_probs("logits"))
    assert method.next.numpy() == pytest.approx(np.array(value["after_refresh"]), rel=1e-5)


@having("clean")
def test_probability_of_a_clean_label(value):
    """By a mixture of two Gaussians, whose fit begins at random in the source: its components may be exchanged."""
    from methods.selfmix import clean_probability

    found = clean_probability(log_probs("logits").numpy(), LABELS)
    assert found == pytest.approx(np.array(value["clean"]), abs=0.02)


@having("kept")
def test_subset(value, build, context):
    """Which rows are kept."""
    method = build(value["method"], CLASSES, **value["settings"])
    weights = method.table(context_of(context, **{EMBEDDINGS: np.array(INPUTS["embeddings"])}))
    assert (weights > 0).tolist() == [bool(kept) for kept in value["kept"]]


@having("refreshed")
def test_rows_that_an_ensemble_keeps(value, build, context):
    """After two refreshes of 200 rows."""
    data = value["refreshed"]
    labels = np.array(data["labels"])
    method = build(value["method"], CLASSES, **value["settings"])
    method.start(replace(context_of(context), labels=labels, ids=np.arange(len(labels))))
    for logits in torch.tensor(data["logits"], dtype=torch.float64):
        method.refresh(torch.arange(len(labels)), logits.log_softmax(1).float())
    assert method.kept.int().tolist() == data["kept"]


@having("shares")
def test_factors_of_generated_and_real_rows(value, build):
    """Of the losses in a batch, for methods that train on both."""
    config = build(value["method"], CLASSES, **value["settings"]).config
    counts = {"both": (ROWS, value["shares"]["real_rows"]), "real": (0, value["shares"]["real_rows"])}[config.train_on]
    real = np.repeat([False, True], counts)
    factors = shares(real, config.real_share)
    assert factors[real] == pytest.approx(value["shares"]["real"])
    assert factors[~real] == pytest.approx(np.full(counts[0], value["shares"]["generated"]))


@having("phases")
def test_updates_of_phases(value, build):
    """Of 48 updates."""
    phases = build(value["method"], CLASSES, **value["settings"]).phases(48)
    assert {phase.rows: phase.updates for phase in phases} == value["phases"]


def test_snapshots_are_those_of_the_context(build, context):
    """The orders above decide what `table` keeps."""
    weights = build("aum", CLASSES, drop=0.25).table(context_of(context, **{DYNAMICS: log_probs("dynamics").numpy()}))
    (merit,) = (value["merit"] for value in VALUES if value["method"] == "aum")
    assert np.flatnonzero(weights == 0).tolist() == sorted(np.argsort(merit)[:3].tolist())
