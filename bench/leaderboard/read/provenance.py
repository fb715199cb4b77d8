"""Reads the code, versions and devices that trained the cells of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.version import VERSION

VERSIONS = ("code", "python", "torch", "transformers", "accelerate", "tokenizers", "numpy", "device")


@dataclass(frozen=True)
class Provenance:
    """`package`: the version that wrote the report. `cells`: all values of the cells, sorted, by key."""

    package: str
    cells: dict[str, list[str]]


def provenance(environments: Iterable[Mapping[str, Any]]) -> Provenance:
    """Collect `env.json` of all cells."""
    all_environments = list(environments)
    values = {key: sorted({str(one[key]) for one in all_environments if key in one}) for key in VERSIONS}
    return Provenance(VERSION, {key: versions for key, versions in values.items() if versions})
