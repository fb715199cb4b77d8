"""The example of methods as a plugin: its weights and phases, and a grid with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.config.request import make_request
from bench.planning.planner import make_plan
from methods.base import QUALITY, Batch, Context
from methods.plugins import load_file
from methods.registry import METHODS
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("registry_as_it_was")

PLUGIN = ROOT / "examples" / "weighted_finetune.py"
LABELS = torch.tensor([0, 1, 1, 0, 1, 2])


@pytest.fixture
def batch() -> Batch:
    """Six rows of three classes with random probabilities of the model and of the quality checker."""
    own, quality = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).double().log_softmax(2)
    return Batch(
        ids=torch.arange(6),
        labels=LABELS,
        log_probs=own,
        logp=own.gather(1, LABELS[:, None]).squeeze(1),
        tables={QUALITY: quality},
        step=0,
        epoch=0,
        rng=np.random.default_rng(0),
    )


def started(name: str, **settings: Any) -> Any:
    """A method of the plugin, ready for batches."""
    load_file(PLUGIN)
    method = METHODS[name](METHODS[name].Config(**settings))
    prior = (0.2, 0.5, 0.3)
    method.start(Context(n_classes=3, updates=10, generated_prior=prior, real_prior=prior))
    return method


def given(batch: Batch) -> tuple[Tensor, Tensor]:
    """(B,) P'(y|x) and p(y|x)."""
    rows = torch.arange(6)
    return batch.tables[QUALITY][rows, LABELS].exp(), batch.log_probs[rows, LABELS].exp()


def test_the_weights_are_those_of_dimp_and_quality_only(batch: Batch) -> None:
    quality, own = given(batch)
    assert torch.allclose(started("weighted-finetune").weights(batch), quality / own)
    assert torch.allclose(started("weighted-finetune", weights="quality").weights(batch), quality)
    assert torch.equal(started("weighted-finetune", weights="equal").weights(batch), torch.ones(6).double())


def test_with_prior_each_label_has_its_share_and_weights_differ_within_it(batch: Batch) -> None:
    weights = started("weighted-finetune", weights="quality", prior=True).weights(batch)
    for label, share in enumerate((0.2, 0.5, 0.3)):
        assert float(weights[label == LABELS].sum()) == pytest.approx(6 * share)
    quality, _ = given(batch)
    assert float(weights[1] / weights[2]) == pytest.approx(float(quality[1] / quality[2]))


def test_soft_labels_mix_the_given_label_with_the_checker(batch: Batch) -> None:
    losses = started("soft-finetune", alpha=0.25).losses(batch).loss
    targets = 0.25 * torch.nn.functional.one_hot(LABELS, 3) + 0.75 * batch.tables[QUALITY].exp()
    assert torch.allclose(losses, -(targets * batch.log_probs).sum(1))


def test_real_rows_are_in_the_last_phase(batch: Batch) -> None:
    for name in ("weighted-finetune", "soft-finetune"):
        first, last = started(name, part=0.3).phases(10)
        assert (first.updates, first.rows, last.updates, last.rows) == (7, "generated", 3, "real")
    assert started("weighted-finetune", first="all").phases(10)[0].rows == "all"


def test_real_share_needs_a_phase_with_both_kinds_of_rows() -> None:
    assert started("weighted-finetune", first="all", real_share=0.5).config.real_share == 0.5
    for name in ("weighted-finetune", "soft-finetune"):
        with pytest.raises(ValueError, match="real_share does nothing here"):
            started(name, real_share=0.5)


@pytest.mark.parametrize("name", ["weighted-finetune", "soft-finetune"])
def test_real_rows_are_trained_on_unless_the_settings_say_otherwise(name: str) -> None:
    load_file(PLUGIN)
    configs = [METHODS[name].Config(train_on=rows) for rows in ("both", "real", "generated")]
    assert [METHODS[name].real_use_of(config) for config in configs] == ["train", "train", "checker"]


def test_a_grid_with_it_is_planned_from_its_folder(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    methods = "real-finetune,weighted-finetune(prior=True),soft-finetune"
    request = make_request(methods=methods, plugins=[PLUGIN], encoder=str(tiny_encoder), preset="smoke", seeds=1)
    plan = make_plan(request, tmp_path / "runs")
    assert sorted(plan.cells.values()) == ["real-finetune", "soft-finetune", "weighted-finetune(prior=True)"]
