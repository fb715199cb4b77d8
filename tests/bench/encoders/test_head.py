"""`train_layers=0`: logistic regression on embeddings, by the same loop, with every method and its checkers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import layer_norm

from bench.config.settings import PRESETS
from bench.jobs import CellJob, EmbeddingsJob, StatesJob
from bench.leaderboard.read.cell_files import read_cost
from bench.planning.plan import Plan
from bench.precomputed import tokens
from bench.seeds import derive
from bench.training.batches import schedule
from tests.helpers.encoders import make_model

Run = Callable[..., Plan]
HEAD = {"train_layers": 0, "lr": "3e-3"}


def test_a_cell_is_logistic_regression_on_embeddings(run_here: Run) -> None:
    """The loop written out on the stored embeddings; the batches are those of a cell that reads tokens."""
    plan = run_here(methods="ce", settings={**HEAD, "updates": 20})
    (job,) = (job for job in plan.jobs.values() if isinstance(job, CellJob))

    def embeddings(role: str) -> torch.Tensor:
        rows = getattr(job, role)
        return torch.from_numpy(np.load(rows.states / "embeddings.npy")[rows.index])

    features = layer_norm(embeddings("generated"), (32,))
    lengths = tokens.load(job.generated.tokens).take(job.generated.index).length
    labels = torch.from_numpy(job.generated.labels)
    torch.manual_seed(derive("head", "twitter", 0))
    head = torch.nn.Linear(32, 2)
    torch.manual_seed(derive("head", "twitter", 0))
    torch.nn.init.normal_(head.weight, std=0.02)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.0)
    for step, (_, index) in enumerate(schedule(lengths, 8, 20, "twitter", 0)):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(features[index]), labels[index]).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / 20)
        optimizer.step()
    expected = head(layer_norm(embeddings("test"), (32,))).detach().numpy()
    stored = pd.read_parquet(job.folder / "predictions.parquet")[["logit_0", "logit_1"]].to_numpy()
    assert stored == pytest.approx(expected, abs=1e-5)
    assert np.ptp(stored) > 1e-2, "a head that learnt something"


@pytest.mark.slow
def test_every_method_trains_a_head(run_here: Run) -> None:
    """No frozen states are computed, and each role is embedded once."""
    plan = run_here(methods="all", settings=HEAD)
    jobs = plan.jobs.values()
    assert len(plan.cells) == len(plan.requests[0].methods) > 30
    assert not [job for job in jobs if isinstance(job, StatesJob)]
    embedded = [job.tokens for job in jobs if isinstance(job, EmbeddingsJob)]
    assert len(embedded) == len(set(embedded)) == 3


def test_embeddings_count_as_cost_of_a_method_only_where_others_do_without(run_here: Run) -> None:
    costs = {}
    for layers in (0, 1):
        plan = run_here(methods="kmm", settings={**HEAD, "train_layers": layers})
        (method,) = plan.sections[0]["methods"]
        costs[layers] = [read_cost(plan.root / need).passes for need in method["needs"]["0"]]
    assert costs[0] == []
    assert len(costs[1]) == 2


def test_the_preset_has_the_batches_of_quick() -> None:
    probe, quick = PRESETS["probe"].settings, PRESETS["quick"].settings
    assert (probe.updates, probe.batch_size, probe.generated_rows) == (48, 32, 1000)
    assert (probe.updates, probe.batch_size, probe.generated_rows) == (
        quick.updates,
        quick.batch_size,
        quick.generated_rows,
    )


def test_embeddings_may_have_another_width_than_the_configuration_says(run_here: Run, tmp_path: Path) -> None:
    """OPT with `word_embed_proj_dim` projects its last states. The cell's embeddings failed with a shape mismatch."""
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 64, "max_position_embeddings": 128}
    opt = make_model(tmp_path / "opt", "opt", hidden_size=32, word_embed_proj_dim=16, **shape)
    plan = run_here(methods="ce", encoder=str(opt), settings={**HEAD, "updates": 2})
    jobs = [job for job in plan.jobs.values() if isinstance(job, EmbeddingsJob)]
    assert {np.load(job.folder / "embeddings.npy").shape[1] for job in jobs} == {16}
    (cell,) = (plan.jobs[identity] for identity in plan.cells)
    assert pd.read_parquet(cell.folder / "predictions.parquet")["logit_0"].notna().all()
