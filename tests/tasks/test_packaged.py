"""Data files of the package: each is the one on its card, or the command stops with one line."""

import json
import shutil
from pathlib import Path

import pytest

import tasks
from tasks import DataError, load
from tasks.sources import packaged

BUNDLED = Path(tasks.__file__).parent / "bundled"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of one task in a copy of the package's data."""
    shutil.copytree(BUNDLED / "twitter", tmp_path / "bundled" / "twitter")
    monkeypatch.setattr(packaged, "PACKAGE", tmp_path)
    return tmp_path / "bundled" / "twitter"


def change_a_label(folder: Path) -> None:
    path = folder / "generated.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"positive"', b'"negative"', 1))


def convert_line_ends(folder: Path) -> None:
    path = folder / "generated.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def exchange_roles(folder: Path) -> None:
    shutil.copy(folder / "real.parquet", folder / "test.parquet")


def forget(name: str, folder: Path) -> None:
    card = json.loads((folder / "dataset.json").read_text("utf-8"))
    del card["sha256"][name]
    (folder / "dataset.json").write_text(json.dumps(card), "utf-8")


FAULTS = {
    "a changed label": (change_a_label, "generated.jsonl: not the file that the package was published with"),
    "other line ends": (convert_line_ends, "generated.jsonl: not the file that the package was published with"),
    "the rows of another role": (exchange_roles, "test.parquet: not the file that the package was published with"),
    "no digest": (lambda folder: forget("real.parquet", folder), "real.parquet: not the file"),
    "no file": (lambda folder: (folder / "test.parquet").unlink(), "test.parquet: No such file.*lacks this data file"),
    "no card": (lambda folder: (folder / "dataset.json").unlink(), "dataset.json: No such file.*lacks its data files"),
    "a card cut short": (lambda folder: (folder / "dataset.json").write_text('{"sha'), "dataset.json: not a card"),
    "a card of another kind": (lambda folder: (folder / "dataset.json").write_text("[]"), "dataset.json: not a card"),
    "no data at all": (lambda folder: shutil.rmtree(folder), "dataset.json: No such file.*lacks its data files"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_or_missing_file_is_one_line_with_a_remedy(copy: Path, fault: str) -> None:
    load("twitter")
    damage, message = FAULTS[fault]
    damage(copy)
    with pytest.raises(DataError, match=message) as caught:
        load("twitter")
    assert "\n" not in str(caught.value)
    assert "install the package again, or give --source" in str(caught.value)
