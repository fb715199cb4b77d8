"""Fixtures: a small task written for tests, and the folder of human-written data if there is one."""

import os
from pathlib import Path

import pytest

from tests.tasks.task_files import made_rows, write_json_lines, write_task


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a valid task of two classes: generated 10 + 10 rows, real 12 + 18, test 10 + 10."""
    write_json_lines(tmp_path / "generated.jsonl", made_rows("generated", {"negative": 10, "positive": 10}))
    write_json_lines(tmp_path / "real.jsonl", made_rows("real", {"negative": 12, "positive": 18}))
    write_json_lines(tmp_path / "test.jsonl", made_rows("test", {"negative": 10, "positive": 10}))
    write_task(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of human-written data: BENCH_TEST_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("BENCH_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no human-written data in {folder}; set BENCH_TEST_DATA")
    return folder
