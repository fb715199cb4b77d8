"""The kinds of values that a request takes from Python, and settings beside those of a preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config.grid_arguments import SelectionArguments
from bench.config.request import make_request
from bench.errors import UserError


@pytest.mark.parametrize(
    "kind", [np.array, pd.Series, iter, tuple, lambda seeds: [np.int64(seed) for seed in seeds]]
)  # fmt: skip
def test_seeds_may_be_any_list(kind: Callable[[list[int]], Any]) -> None:
    """Arrays and generators ended in a traceback."""
    for name in ("seeds", "seed"):
        request = make_request(methods="ce", **{name: kind([3, 7])})
        assert (request.seeds, request.seeds_given) == ((3, 7), True)
        assert {type(seed) for seed in request.seeds} == {int}


def test_a_number_of_numpy_is_a_number() -> None:
    assert make_request(methods="ce", seeds=np.int64(3)).seeds == (0, 1, 2)
    assert make_request(methods="ce", seed=np.int64(3)).seeds == (3,)
    with pytest.raises(UserError, match="at most 10,000 seeds"):
        make_request(methods="ce", seeds=np.int64(10**6))


@pytest.mark.parametrize("seeds", [np.array([]), np.array([1.5]), np.array(3.5), np.array([True, None]), 1.5, iter(())])
def test_seeds_that_are_none(seeds: Any) -> None:
    with pytest.raises(UserError, match="--seeds takes a number of 1 or more") as caught:
        make_request(methods="ce", seeds=seeds)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": {"dimp": {"clip": 20}}}, r'^methods takes text or a list of texts, such as "dimp\(clip=20\)"; '),
        ({"tasks": {"twitter": 1}}, "^tasks takes text or a list of texts; not"),
        ({"encoder": {"a": 1}}, "^encoder takes"),
        ({"protocol": 3}, "^protocol takes"),
        ({"settings": ["lr=1e-4"]}, r'^settings takes a mapping, such as \{"lr": 1e-4\}; not'),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_refused(arguments: dict[str, Any], message: str) -> None:
    """A mapping was read as the list of its keys, so that `dimp` trained with its default clip."""
    with pytest.raises(UserError, match=message):
        make_request(**{"methods": "ce", **arguments})


@pytest.mark.parametrize(
    ("preset", "settings", "sizes"),
    [
        ("quick", {"lr": 1e-4, "epochs": 3}, (None, 3)),
        ("quick", {"epochs": "3"}, (None, 3)),
        ("full", {"updates": "96"}, (96, None)),
        ("quick", {"updates": "none", "epochs": 2}, (None, 2)),
        ("full", {"updates": "None", "epochs": 2}, (None, 2)),
        ("quick", {}, (48, None)),
    ],
)
def test_a_size_replaces_that_of_the_preset(preset: str, settings: dict[str, Any], sizes: tuple[Any, Any]) -> None:
    """`epochs` was an error beside the `updates` of the preset, which nobody gave."""
    found = make_request(methods="ce", preset=preset, settings=settings).settings
    assert (found.updates, found.epochs) == sizes


@pytest.mark.parametrize("settings", [{"updates": 96, "epochs": 3}, {"updates": "none"}, {"epochs": 3, "updates": 5}])
def test_two_sizes_or_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="give either updates or epochs"):
        make_request(methods="ce", settings=settings)


@pytest.mark.parametrize("value", [False, "False", "no"])
def test_precision_no_as_yaml_reads_it(value: Any) -> None:
    assert make_request(methods="ce", settings={"precision": value}).settings.precision == "no"
    with pytest.raises(UserError, match="precision must be one of no, bf16, fp16"):
        make_request(methods="ce", settings={"precision": True})


def test_the_tasks_that_help_shows_run_as_typed() -> None:
    """The example had a filter that the bundled rows of its task do not have."""
    shown = next(field.metadata["option"].help for field in fields(SelectionArguments) if field.name == "tasks")
    request = make_request(methods="ce", tasks=shown.split('"')[1])
    assert [len(request.load(task).spec.labels) for task in request.tasks] == [2, 3]
