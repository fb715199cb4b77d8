"""The command with a remote store: a grid on one machine, everything else on another, and what is refused."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

from bench.commands.models.export import export
from bench.commands.stores.clean import clean
from bench.errors import UserError
from bench.execution.prepare import to_compute
from bench.execution.queue import Queue
from bench.remote.addresses import parsed
from bench.remote.job_leases import LEASES
from bench.remote.local_copy import LocalCopy
from bench.remote.objects import Objects
from bench.remote.opened import bytes_there, copy_of, fetched, local_folder, model_of, opened
from bench.store.files import read_json, write_json
from bench.store.folders import State, state
from bench.store.layout import RUNNING
from tests.bench.remote.folders import CELL, TABLE, done, failed, grid
from tests.helpers.in_process import command
from tests.helpers.s3_server import SECRET

Copy = Callable[[str], LocalCopy]


def spying(method: Callable[[Objects, str, Path], bool], calls: list[str]) -> Callable[[Objects, str, Path], bool]:
    """A method of `Objects` that notes the names with which it is called."""

    def called(self: Objects, name: str, path: Path) -> bool:
        calls.append(name)
        return method(self, name, path)

    return called


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a leaderboard, without seconds."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: value for key, value in row.items() if not key.startswith("seconds")} for row in csv.DictReader(file)
        ]


@pytest.mark.timeout(120)
def test_a_grid_on_one_machine_is_there_on_another(
    address: str,
    tmp_path: Path,
    bench: Callable[..., subprocess.CompletedProcess[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Path,
) -> None:
    typed = ("run", "--methods", "ce,dimp", "--seeds", "2", "--out", address)
    ran = bench(*typed, tiny=True)
    assert ran.returncode == 0, ran.stderr
    assert f"{address}: " in ran.stdout
    objects = copy_of(local_folder(address)).objects  # type: ignore[union-attr]
    assert not objects.listing([LEASES, RUNNING, ".probe"])
    assert len(objects.listing(["twitter"])) == 4

    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path)
    code, listed, told = command(capsys, "list", "cells", "--out", address)
    assert (code, listed.count("done")) == (0, 4)
    assert "folders fetched" in told
    assert command(capsys, "report", "--reports", "there", "--no-figures", "--out", address)[0] == 0
    assert rows(tmp_path / "there" / "leaderboard.csv") == rows(tmp_path / "reports" / "leaderboard.csv")
    for words in (("show", "twitter dimp 0"), ("compare", "dimp", "ce"), ("doctor",), ("clean",)):
        assert command(capsys, *words, "--out", address)[0] == 0
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder))
    planned = command(capsys, *typed, *tiny, "--dry-run")[1]
    assert "4 cells: 4 done before\n" in planned
    assert SECRET not in ran.stdout + ran.stderr + listed + told
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_commands_that_change_a_store_change_the_remote_one(
    address: str, copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    a, other = copy("a"), "news/ce/fedcba98765432100123"
    failed(a.root), done(a.root, other), grid(a.root)
    a.send()
    code, out, told = command(capsys, "clean", "--failed", "--yes", "--out", address)
    assert (code, "removed: " in out) == (0, True)
    assert told.endswith(f"{address}: 1 removed\n")
    assert [*a.objects.listing(["twitter", "news"])] == [f"{other}.tar"]
    (local_folder(address) / other / "predictions.parquet").write_text("rowz")  # damaged in the copy alone
    assert command(capsys, "doctor", "--repair", "--out", address)[0] == 0
    assert [*a.objects.listing(["twitter", "news"])] == [f"{other}.tar"]
    a.objects.write(f"{other}.tar", b"no archive")
    a.objects.write("backups/2024/photos.tar", b"no archive of this program")
    assert command(capsys, "doctor", "--out", address)[0] == 1
    assert command(capsys, "doctor", "--repair", "--out", address)[0] == 0
    assert [*a.objects.listing([""])] == [".grids/empty.json", "backups/2024/photos.tar"]


def test_stores_are_merged_into_a_remote_one_and_out_of_it(
    address: str, copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(tmp_path / "here"), grid(tmp_path / "here")
    assert command(capsys, "merge", str(tmp_path / "here"), "--out", address)[0] == 0
    assert f"{CELL}.tar" in copy("a").objects.listing([""])
    code, out, _ = command(capsys, "merge", address, "--out", f"file://{tmp_path}/back")
    assert code == 0, out
    assert state(tmp_path / "back" / CELL) is State.DONE


def test_nothing_is_removed_while_a_run_uses_the_store(
    address: str, copy: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(copy("a").root), grid(copy("a").root)
    copy("a").send()
    monkeypatch.setattr("bench.remote.opened.living_runs", lambda copy: ["process 1 of there"])
    code, _, told = command(capsys, "clean", "--failed", "--yes", "--out", address)
    assert (code, told.splitlines()[-1]) == (
        2,
        f"error: a run uses {address} (process 1 of there); clean when it is done",
    )


def test_the_model_of_a_cell_is_fetched_when_it_is_named(address: str, copy: Copy, tmp_path: Path) -> None:
    a = copy("a")
    (done(a.root) / "model").mkdir()
    (a.root / CELL / "model" / "config.json").write_text("{}")
    (a.root / CELL / "spec.json").write_text('{"task_ref": "twitter", "label": "ce", "seed": 0, "method": "ce"}')
    a.send()
    model = Path(model_of(CELL.rpartition("/")[2], address))
    assert (model / "config.json").read_text() == "{}"
    assert model_of("some/name", address) == "some/name"
    there = done(tmp_path / "elsewhere")
    for name in ("spec.json", "model"):
        shutil.move(a.root / CELL / name, there / name)
    assert model_of(str(there), address) == str(there / "model"), "a cell of another store"


def test_export_asks_for_the_store_once(
    address: str, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, calls, fetch = copy("a"), list[bool](), LocalCopy.fetch
    (done(a.root) / "model").mkdir()
    (a.root / CELL / "model" / "config.json").write_text("{}")
    (a.root / CELL / "spec.json").write_text('{"task_ref": "twitter", "label": "ce", "seed": 0, "method": "ce"}')
    a.send()
    monkeypatch.setattr(LocalCopy, "fetch", lambda self, *_, **how: calls.append(True) or fetch(self, **how))
    with pytest.raises(UserError):  # this model has no tokenizer
        list(export(Path(address), CELL.rpartition("/")[2], tmp_path / "exported", None))
    assert (local_folder(address) / CELL / "model" / "config.json").exists()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("s3://", r"--out s3:// names no bucket"),
        ("s4://bucket/x", r"unknown kind of store 's4'; did you mean 's3'\?"),
        ("s3://key:word@bucket/x", r"--out holds an @, perhaps a password"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(out: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        local_folder(out)


@pytest.mark.parametrize("scheme", ["s3", "S3", "S3A"])
def test_the_case_of_a_scheme_does_not_matter(scheme: str) -> None:
    assert local_folder(f"{scheme}://bucket/x") == local_folder(f"{scheme.lower()}://bucket/x")
    assert local_folder(f"{scheme}://bucket/x").is_absolute()


def test_an_address_of_a_file_names_no_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"names a machine, runs; write a folder as runs/x or file:///runs/x$"):
        local_folder("file://runs/x")
    for words in (("--out", "file://runs/x"), ("--out=FILE://runs/x",)):
        code, _, told = command(capsys, "list", "cells", *words)
        assert (code, "names a machine, runs" in told) == (2, True)
    assert local_folder(f"FILE://{tmp_path}") == tmp_path


def test_clean_counts_large_tables_without_fetching_them(
    address: str, copy: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = copy("a")
    done(a.root, TABLE, content="x" * 2_000_000), done(a.root), grid(a.root)
    path = a.root / ".grids" / "empty.json"
    write_json(path, {**read_json(path), "artefacts": []})
    a.send()
    read: list[str] = []
    monkeypatch.setattr("bench.remote.objects.Objects.read_to", spying(Objects.read_to, read))
    code, out, _ = command(capsys, "clean", "--out", address)
    assert (code, read) == (0, [f"{CELL}.tar"])
    assert re.search(r"frozen states +unused +1 +2\.0 MB", out)
    folder = local_folder(address) / TABLE
    assert bytes_there(folder) > 2_000_000
    job = SimpleNamespace(id="t", folder=folder, needs=())
    assert to_compute(Queue({"t": job}, {"t": state(folder)}, {})) == []  # type: ignore[dict-item]
    assert command(capsys, "clean", "--yes", "--out", address)[0] == 0
    assert [*a.objects.listing(["twitter", ".artefacts"])] == [f"{CELL}.tar"]


def test_what_a_killed_fetch_leaves_is_found(address: str, copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = copy("a"), copy("b")
    done(a.root), grid(a.root), a.send()
    lines: list[str] = []

    def killed(self: Objects, name: str, path: Path) -> bool:
        path.write_bytes(b"x" * 100_000)
        lines.extend(clean(b.root, failed=False, remove=False))
        return False

    monkeypatch.setattr(Objects, "read_to", killed)
    grid(b.root)
    b.fetch()
    assert any("part, half-written" in line for line in lines), lines


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(
        UserError, match=r"--out s3://bucket/new needs a package .*: pip install 'data-weighting-bench\[s3\]'"
    ):
        local_folder("s3://bucket/new")


def test_what_is_wrong_with_a_bucket_is_one_line_before_anything_trains(
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Path,
) -> None:
    typed = ("run", "--methods", "ce", "--seeds", "1", "--preset", "smoke", "--encoder", str(tiny_encoder), "--out")
    monkeypatch.chdir(tmp_path)
    code, _, error = command(capsys, *typed, "s3://no-such-bucket/x")
    assert (code, "The specified bucket does not exist" in error) == (2, True)
    with pytest.raises(UserError, match=r"^no results in s3://no-such-bucket/x"):
        fetched("s3://no-such-bucket/x")
    with pytest.raises(UserError, match=r"^no results in "), opened(f"{address}/none"):
        pass
    code, _, error = command(capsys, *typed, address, "--engine", "slurm", "--engine-set", "cluster=local")
    assert (code, "works in a folder that all machines see" in error) == (2, True)


def test_missing_credentials_are_one_line(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match=r"Unable to locate credentials; set AWS_ACCESS_KEY_ID"):
        fetched(f"{address}/without")
    s3fs.S3FileSystem.clear_instance_cache()


def test_folders_are_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_folder("runs") == Path("runs") == fetched(Path("runs"))
    assert local_folder(f"file://{tmp_path}/x") == tmp_path / "x" == local_folder(Path(f"file://{tmp_path}/x"))
    assert local_folder("s3://bucket/x/") == local_folder(Path("s3://bucket/x"))
    assert parsed(PureWindowsPath("s3://bucket/x")) == ("s3", "bucket/x"), "as --out on Windows"
    with opened("runs", removes=True) as root:
        assert root == Path("runs")
    os.mkdir("s3:")
    assert local_folder("s3:") == Path("s3:")
