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
        n_rows=ROWS,
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


@having("learnt")
def test_weights_of_a_look_ahead(value, build, sample, close):
    """On a linear model with eight generated and six real rows, all of which are looked at."""
    data, method = value["look_ahead"], build(value["method"], CLASSES, **value["settings"])
    exact = {name: torch.tensor(rows, dtype=torch.float64) for name, rows in data.items() if name != "v"}
    if value["method"] == "meta-weight-net":
        for weight, start in zip(method.net.parameters(), data["v"], strict=True):
            weight.data = torch.tensor(start, dtype=torch.float64)
    labels = torch.tensor(data["labels"])
    probe = LinearProbe(
        exact["weight"],
        exact["bias"],
        (exact["points"], labels),
        (exact["real_points"], torch.tensor(data["real_labels"])),
    )
    logits = exact["points"] @ exact["weight"].T + exact["bias"]
    batch = sample(logits, labels, n_classes=CLASSES, size=len(labels), dtype=torch.float64).batch
    weight = method.losses(replace(batch, lookahead=probe)).weight
    close(weight, torch.tensor(value["learnt"], dtype=torch.float64), 1e-9)


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
