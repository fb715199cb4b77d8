"""Writes `reports/performance.md`: a section per measurement, which the next run of that measurement replaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.store.files import write_text
from tests.performance import machine

HEAD = (
    "# Performance\n\nThe cost of grids, measured by `python -m tests.performance`; docs/speed.md explains how. "
    "Machines are noisy: compare figures within a section only, as ratios."
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. The first column is left-aligned, the others right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(path: Path, title: str, blocks: Sequence[str], head: str = HEAD) -> None:
    """Write a section, with the machine, the commit and the command that it comes from, into the page at `path`."""
    text = path.read_text(encoding="utf-8") if path.exists() else head + "\n"
    provenance = (
        f"Made {datetime.now(UTC):%Y-%m-%d} on {machine.described()}; commit {machine.commit()}; `{machine.command()}`"
    )
    section = "\n\n".join([f"## {title}", provenance, *blocks]) + "\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    text = pattern.sub(lambda _: section + "\n", text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    write_text(path, text.rstrip() + "\n")
