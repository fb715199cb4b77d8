"""The context of a cell: generated rows only, and only the tables that the method requires."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.jobs import RoleRows
from bench.training.inputs import context
from bench.training.rows import TrainingRows
from methods import discover
from methods.base import QUALITY


@pytest.fixture
def mixed_rows():
    """Four generated rows with a real one between them, and a checker that knows the generated ones."""
    labels = np.array([0, 1, 2, 1, 0])
    real = np.array([False, False, True, False, False])
    scores = np.arange(15, dtype=np.float32).reshape(5, 3)
    return TrainingRows(None, np.arange(5), labels, real, np.ones(5, np.float32), {QUALITY: scores})


@pytest.fixture
def cell_of_three_classes():
    """As much of a cell as `context` reads."""
    nowhere = Path("nowhere")
    generated, real = (RoleRows(np.arange(n), np.arange(n) % 3, np.arange(n), nowhere, None) for n in (4, 6))
    return SimpleNamespace(
        n_classes=3,
        spec=SimpleNamespace(task="t", seed=0, settings={"updates": 7}),
        generated=generated,
        real=real,
        real_tables={},
    )


def test_tables_hold_the_generated_rows(mixed_rows, cell_of_three_classes):
    """Real rows carry no scores and are left out; labels and scores keep one order."""
    cell_context = context(cell_of_three_classes, discover()["confident"](), mixed_rows)
    labels, scores = cell_context.scored(QUALITY)
    assert labels.tolist() == [0, 1, 1, 0]
    assert scores[:, 0].tolist() == [0, 3, 9, 12]
    assert cell_context.ids.tolist() == [0, 1, 3, 4]
    assert cell_context.updates == 7


def test_label_shares_of_the_real_rows_are_for_who_declares_them(mixed_rows, cell_of_three_classes):
    """`ce-prior` does; for `confident` they are withheld."""
    prior = context(cell_of_three_classes, discover()["ce-prior"](), mixed_rows).real_prior
    assert prior == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert context(cell_of_three_classes, discover()["confident"](), mixed_rows).real_prior is None
