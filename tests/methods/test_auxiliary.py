"""The contrastive term, against its closed forms and a plain loop."""

from __future__ import annotations

import math

import pytest
import torch

from methods.auxiliary import SimCSE, contrast


@pytest.mark.parametrize("size", [2, 8])
def test_alike_views_of_unlike_texts(size):
    """Identical views, orthogonal to the others': log(1 + (B - 1) exp(-1/t))."""
    views = torch.eye(size, dtype=torch.float64)
    assert float(contrast(views, 3 * views, 0.5)) == pytest.approx(math.log(1 + (size - 1) * math.exp(-2)))
    assert float(contrast(views, views, 0.05)) == pytest.approx(0.0, abs=1e-6)


def test_texts_that_are_all_alike():
    """No view can be told from another: log B."""
    views = torch.ones(6, 4)
    assert float(contrast(views, views, 0.05)) == pytest.approx(math.log(6), rel=1e-5)


def test_a_plain_loop_gives_the_same():
    """One direction: each first view against all second views."""
    first, second = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).double()
    total = 0.0
    for i in range(5):
        scores = [float(first[i] @ second[j] / first[i].norm() / second[j].norm()) / 0.1 for j in range(5)]
        total -= scores[i] - math.log(sum(math.exp(score) for score in scores))
    assert float(contrast(first, second, 0.1)) == pytest.approx(total / 5, rel=1e-5)


def test_passes_need_a_second_one_and_dropout_does_not():
    """The second pass is made once and only for the form that uses it."""
    features, calls = torch.randn(4, 8), []

    def again():
        calls.append(1)
        return features

    SimCSE(views="dropout").term(features, again, 1)
    assert not calls
    result = SimCSE(weight=0.5).term(features, again, 1)
    assert len(calls) == 1
    torch.testing.assert_close(result, 0.5 * contrast(features, features, 0.05))
    assert (SimCSE().cost, SimCSE(views="dropout").cost) == (1, 0)


def test_dropped_out_views_follow_their_seed():
    """Two different masks of the features, the same for the same seed; global random numbers are left alone."""
    features = torch.ones(16, 64)
    state = torch.random.get_rng_state()
    values = [float(SimCSE(views="dropout").term(features, features.clone, seed)) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert values[0] != pytest.approx(0.1 * math.log(16), abs=1e-3)  # the value of identical views
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("field", "value"), [("weight", -0.1), ("weight", math.inf), ("temperature", 0.0), ("rate", 1.0), ("rate", 0.0)]
)
def test_out_of_range_is_refused(field, value):
    """The message says which setting."""
    with pytest.raises(ValueError, match=f"{field} must lie in"):
        SimCSE(**{field: value})


@pytest.mark.parametrize(
    ("setting", "taken", "refused"),
    [
        ("weight", (0.0, 1e6), (-1e-9, math.inf, math.nan)),
        ("temperature", (1e-3, 1e3), (0.0009, 1000.1, math.nan)),
        ("rate", (0.01, 0.99), (0.0, 1.0, math.nan)),
    ],
)
def test_ends_of_ranges(setting, taken, refused):
    for value in taken:
        assert getattr(SimCSE(**{setting: value}), setting) == value
    for value in refused:
        with pytest.raises(ValueError, match=rf"{setting} must lie"):
            SimCSE(**{setting: value})
