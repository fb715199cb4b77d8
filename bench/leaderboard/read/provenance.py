"""What the cells say of the code and versions that made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.version import VERSION

VERSIONS = ("code", "python", "torch", "transformers", "accelerate", "tokenizers", "numpy", "device")


@dataclass(frozen=True)
class Provenance:
    """`package`: the version of Counterweight that wrote the report; `cells`: all values found, per key, sorted."""

    package: str
    cells: dict[str, list[str]]


def provenance(environments: Iterable[Mapping[str, Any]]) -> Provenance:
    """Collect `env.json` of all cells."""
    found = list(environments)
    values = {key: sorted({str(env[key]) for env in found if key in env}) for key in VERSIONS}
    return Provenance(VERSION, {key: seen for key, seen in values.items() if seen})
