"""No input is a traceback: a few examples of every target; `make fuzz` reads many more."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, Campaign


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    numbers = itertools.count()

    def folder() -> Path:
        place = tmp_path / str(next(numbers))
        place.mkdir()
        return place

    Campaign().read(name, 15, folder)
