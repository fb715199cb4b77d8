"""YAML: repeated keys, aliases of aliases, size, and tags that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import DataError
from tasks.strict_yaml import MAX_BYTES, read_yaml
from tests.fuzz.strategies import bomb


def test_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: &base {lr: 1}\nother: {<<: *base, seed: 2}\n")
    assert read_yaml(path) == {"base": {"lr": 1}, "other": {"lr": 1, "seed": 2}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bomb("methods", 9, 9), "more than 20,000 values, those that aliases"),
        (b"a: &a [*a]", "this value contains itself"),
        (b"a: " + b"x" * MAX_BYTES, "it has more than 65,536 bytes"),
        (b"[" * 30_000, "nested too deeply"),
        (b"a: 0x" + b"f" * 5_000, "this whole number is too large"),
        (b"a: !!bool maybe", "a tag .* does not fit its value"),
        (b"a: !!timestamp now", "a tag .* does not fit its value"),
        (b"a: !!map 5", "a mapping of keys to values is needed"),
        (b"a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        (b"a: 1\na: 2", "a.yaml, line 2: a is given twice"),
    ],
)
def test_what_is_refused_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as error:
        read_yaml(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 400
