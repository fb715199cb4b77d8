"""Writes small data files and task descriptions for tests."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

LABELS = ["negative", "positive"]


def write_json_lines(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def write_parquet(path: Path, columns: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def made_rows(prefix: str, counts: dict[str, int]) -> list[dict]:
    """Rows with texts that are all different, grouped by label."""
    return [{"text": f"{prefix} {name} {i}", "label": name} for name, n in counts.items() for i in range(n)]


def write_task(folder: Path, **changes: object) -> Path:
    """A task's YAML for source `local`; a change of None removes the key."""
    content: dict[str, object] = {
        "name": "made",
        "version": 1,
        "title": "Made",
        "labels": LABELS,
        "text": "text",
        "citation": "none",
        "licence": "none",
        "sources": {"local": {"generated": "generated.jsonl", "real": "real.jsonl", "test": "test.jsonl"}},
        "sizes": {"real": {"default": 6}, "test": 8},
    }
    content |= changes
    path = folder / "made.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}), "utf-8")
    return path
