"""The code, versions and devices that trained the cells of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

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
    return Provenance(package_version(), {key: versions for key, versions in values.items() if versions})


def package_version() -> str:
    """The installed version, `unknown` when run from a checkout that is not installed."""
    try:
        return metadata.version("counterweight")
    except metadata.PackageNotFoundError:
        return "unknown"
