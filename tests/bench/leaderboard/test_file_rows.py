"""Generated rows of a cell as their files have them: the file, the number of the row in it, and its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.commands.reports.weights import in_one_line, weights
from bench.encoders import checkpoints
from bench.jobs import CellJob
from bench.leaderboard.read.file_rows import file_rows
from bench.leaderboard.read.weight_table import weight_table
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.store import hidden_columns, manifest, role_texts
from tasks import load
from tests.tasks.task_files import make_rows, write_json_lines

Run = Callable[..., Plan]


def cell(plan: Plan, seed: int) -> Path:
    """The folder of the only method's cell, with what a run writes to the store beside it."""
    hidden_columns.save(plan.hidden, plan.root)
    role_texts.save(plan.texts, plan.root)
    manifest.save(describe(plan, "python -m bench run"), plan.root)
    jobs = [plan.jobs[name] for name in plan.cells]
    return next(job.folder for job in jobs if isinstance(job, CellJob) and job.spec.seed == seed)


def test_numbers_begin_anew_in_each_file() -> None:
    section = {"generation_rows": {"a": 3, "b": 2}}
    ids = np.array([0, 2, 3, 4, 5, 9])
    origins = np.array([0, 2, 3, 4, 2, 4])  # the last two are copies that stress added
    numbers, files = file_rows(section, ids, origins)
    assert numbers.tolist() == [0, 2, 0, 1, 5, 9]
    assert files == [*"aabbab"]
    numbers, files = file_rows({}, ids, origins)
    assert (numbers.tolist(), files) == (ids.tolist(), [])


@pytest.mark.parametrize("copies", [0, 10])
def test_rows_of_several_files(run_here: Run, tmp_path: Path, copies: int) -> None:
    """Rows of the second file were numbered from where those of the first end, and no column named the file."""
    rows = {name: make_rows(f"set {name}", {"negative": 10, "positive": 10}) for name in "ab"}
    rows["a"].append({"text": load("twitter").test.texts[0], "label": "positive"})  # left out, but counted
    rows["b"][19]["text"] = rows["b"][0]["text"]
    files = [write_json_lines(tmp_path / f"{name}.jsonl", rows[name]) for name in rows]
    task = f"twitter[duplicates={copies / 20}]" if copies else "twitter"
    place = ",".join(map(str, files))
    plan = run_here(methods="quality-only", tasks=task, generated=place, seeds=2, settings={"vary": "generated"})
    folder = cell(plan, 1)
    (section,) = manifest.stored(plan.root)["sections"]
    assert section["generation_rows"] == {"a.jsonl": 21, "b.jsonl": 20}

    table, notes = weight_table(plan.root, section, {1: folder})
    assert "of 2 files; a cell trains on one of them (1 cell)" in notes[0]
    own, added = table[table["row"] <= 20], table[table["row"] > 20]
    assert own["text"].tolist() == [
        rows[file[0]][row]["text"] for file, row in zip(own["generation"], own["row"], strict=True)
    ]
    assert own.groupby("generation").size().to_dict() == {"a.jsonl": 20, "b.jsonl": 20}
    assert len(added) == copies
    assert set(table.loc[table["visits"] > 0, "generation"]) == {"b.jsonl"}
    repeated = own.set_index(["generation", "row"])["repeats"]
    assert repeated["b.jsonl", 19] == 0, "the row of its own file"

    shown = list(weights(plan.root, folder.name, top=3, with_texts=False))
    assert sum(" of b.jsonl weight " in line for line in shown) == 6


def test_texts_are_those_of_the_file_and_need_no_encoder(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were decoded from tokens by the encoder at the path of the training, which may have been moved."""
    folder = cell(plan := run_here(methods="quality-only"), 0)
    monkeypatch.setattr(checkpoints, "find", None)
    lines = [line.strip() for line in weights(plan.root, folder.name, top=2, with_texts=True)]
    source = load("twitter").generated
    texts = dict(zip(source.ids.tolist(), source.texts, strict=True))
    shown = {int(line.split()[1]): lines[at + 1] for at, line in enumerate(lines) if re.match(r"row \d", line)}
    assert len(shown) == 4
    assert shown == {row: " ".join(texts[row].split()) for row in shown}


def test_a_long_text_is_cut() -> None:
    assert in_one_line("a\n b") == "a b"
    assert in_one_line("x" * 501) == "x" * 500 + "..."
