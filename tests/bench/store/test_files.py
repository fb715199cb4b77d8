"""Files and folders that are written whole (all of the content, or what was there before), and on the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench.store.files import replacing, sync, whole_folder, write_together
from bench.store.folders import State, acquire, finish, state
from bench.store.layout import DONE
from bench.store.leases import heartbeat


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


def test_two_processes_of_one_pid_write_one_file(tmp_path: Path) -> None:
    """Two containers may have a process of the same pid; the later file counts, and neither is torn."""
    with replacing(tmp_path / "grid.json") as one, replacing(tmp_path / "grid.json") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "grid.json").read_text() == "one"
    with whole_folder(tmp_path / "model") as one, whole_folder(tmp_path / "model") as other:
        (one / "a").write_text("one")
        (other / "a").write_text("other")
    assert (tmp_path / "model" / "a").read_text() == "other"
    assert names(tmp_path) == {"grid.json", "model", "model/a"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_files_that_belong_together_are_all_new_or_all_old(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop while a report was written left files of two reports."""
    paths = [tmp_path / name for name in ("a", "b", "c/d")]
    write_together(dict.fromkeys(paths, b"old"))
    write = Path.write_bytes

    def stopped(path: Path, content: bytes) -> int:
        if path.name.startswith("b"):
            raise error
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", stopped)
        with pytest.raises(type(error)) as caught:
            write_together(dict.fromkeys(paths, b"new"))
    assert getattr(caught.value, "filename", str(paths[1])) == str(paths[1])
    assert [path.read_bytes() for path in paths] == [b"old"] * 3
    write_together(dict.fromkeys(paths, b"new"))
    assert [path.read_bytes() for path in paths] == [b"new"] * 3
    assert names(tmp_path) == {"a", "b", "c", "c/d"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files and folders that were written to the disk or renamed, in this order."""
    recorded: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        recorded.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def note_replace(source: Path, target: Path) -> None:
        replace(source, target)
        recorded.append(f"-> {Path(target).name}")

    monkeypatch.setattr("bench.store.files.os.fsync", note_fsync)
    monkeypatch.setattr("bench.store.files.os.replace", note_replace)
    return recorded


@pytest.mark.posix
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system has no /proc")
def test_a_finished_folder_is_on_the_disk(tmp_path: Path, calls: list[str]) -> None:
    folder = tmp_path / "task" / "method" / "cell"
    acquire(tmp_path, folder)
    (folder / "model").mkdir()
    for name in ("a.parquet", "b.json", "model/weights"):
        (folder / name).write_text(name)
    calls.clear()
    with heartbeat(folder):
        finish(folder, {"accuracy": 1})
    renamed = calls.index(f"-> {DONE}")
    first, later = calls[:renamed], calls[renamed + 1 :]
    (part,) = (name for name in first if name.startswith(DONE))
    assert sorted(first) == sorted(["a.parquet", "b.json", "weights", "model", part]), "contents before the rename"
    assert sorted(later) == sorted(["cell", "method", "task", tmp_path.name]), "names after it"


@pytest.mark.parametrize("name", ["a.parquet", DONE])
def test_a_disk_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    (folder / "a.parquet").write_text("a")
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.startswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr("bench.store.files.os.fsync", fail)
    with pytest.raises(OSError, match=rf"Input/output error: '{folder}/{name}'"):
        finish(folder, {"accuracy": 1})
    assert names(tmp_path) == {"cell", "cell/a.parquet"}
    assert state(folder) is State.STALE


@pytest.mark.posix
def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[int] = []

    def refuse(descriptor: int) -> None:
        refused.append(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr("bench.store.files.os.fsync", refuse)
    sync([tmp_path])
    assert len(refused) == 1, "it was tried"
