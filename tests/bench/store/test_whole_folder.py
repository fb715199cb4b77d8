"""Folders that are written whole: all of the content, or the folder as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.store.files import whole_folder


def names(folder: Path) -> set[str]:
    """All files and folders below, hidden ones among them."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_folder_appears_with_all_of_its_content(tmp_path: Path) -> None:
    target = tmp_path / "new" / "target"
    with whole_folder(target) as part:
        (part / "a").write_text("1")
        assert not target.exists()
    assert names(tmp_path / "new") == {"target", "target/a"}


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with whole_folder(tmp_path / "target") as part:
            (part / "a").write_text("1")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write()
    assert names(tmp_path) == set()


def test_another_process_was_faster(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with whole_folder(target) as part:
        (part / "a").write_text("mine")
        target.mkdir()
        (target / "a").write_text("theirs")
    assert names(tmp_path) == {"target", "target/a"}
    assert (target / "a").read_text() == "theirs"


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("a file")
    with pytest.raises(OSError, match="target"), whole_folder(tmp_path / "target"):
        pass
    assert names(tmp_path) == {"target"}
