"""Defaults and search ranges are those of `settings.json`: results depend on them, so that none changes unseen.

After a change on purpose, say it in CHANGELOG and write the table anew: `python -m tests.methods.test_settings_table`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from methods import discover
from methods.auxiliary import AUXILIARIES

TABLE = Path(__file__).parent / "settings.json"
CONFIGS: dict[str, type[Any]] = {name: method.Config for name, method in discover().items()} | AUXILIARIES


def settings(config: type[Any]) -> dict[str, list[Any]]:
    """For each setting its default, what `tuned` searches, and whether on a logarithmic scale."""
    return {
        entry.name: json.loads(json.dumps([entry.default, entry.metadata.get("search"), entry.metadata.get("log")]))
        for entry in fields(config)
    }


@pytest.mark.parametrize("entry", CONFIGS)
def test_settings_are_those_of_the_table(entry: str) -> None:
    assert settings(CONFIGS[entry]) == json.loads(TABLE.read_text(encoding="utf-8"))[entry]


def test_the_table_has_no_other_method() -> None:
    assert set(json.loads(TABLE.read_text(encoding="utf-8"))) == set(CONFIGS)


if __name__ == "__main__":
    lines = [f" {json.dumps(name)}: {json.dumps(settings(config))}" for name, config in sorted(CONFIGS.items())]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
