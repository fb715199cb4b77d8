"""Two copies of one remote store: what one sends, the other gets, and only the first of two results stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.remote.local_copy import LocalCopy
from bench.remote.objects import TransferError
from bench.store.files import read_json, write_json
from bench.store.folders import State, failure, state
from bench.store.integrity import damage
from tests.bench.remote.folders import CELL, TABLE, done, failed

Copy = Callable[[str], LocalCopy]


def test_a_finished_folder_arrives_whole_and_is_sent_once(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    folder = done(a.root)
    (folder / "lease").touch()
    assert a.send() == [CELL]
    assert a.send() == []
    assert list(b.fetch().sizes) == [CELL]
    assert not b.fetch().sizes
    arrived = b.root / CELL
    assert state(arrived) is State.DONE
    assert {path.name for path in arrived.iterdir()} == {"metrics.json", "predictions.parquet", "timing.json"}
    assert (arrived / "metrics.json").read_bytes() == (folder / "metrics.json").read_bytes()


def test_of_two_results_the_first_stays_on_both_sides(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root, content="first")
    done(b.root, content="second")
    assert (a.send(), b.send()) == ([CELL], [])
    assert (b.root / CELL / "predictions.parquet").read_text() == "first"
    assert state(b.root / CELL) is State.DONE
    assert b.note(CELL) == a.note(CELL) != ""


def test_only_named_folders_are_fetched_and_their_parents_listed(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = copy("a"), copy("b")
    other = "news/ce/fedcba98765432100123"
    done(a.root), done(a.root, other)
    a.send()
    listed = []
    whole = b.objects.listing
    monkeypatch.setattr(b.objects, "listing", lambda folders: listed.extend(folders) or whole(folders))
    assert list(b.fetch([CELL]).sizes) == [CELL]
    assert sorted(listed) == [".grids", ".imported", ".looks", "twitter/ce"]


def test_reports_get_the_time_of_a_large_table_and_runs_all_of_it(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root, TABLE)
    a.send()
    b.fetch()
    assert [path.name for path in (b.root / TABLE).iterdir()] == ["timing.json"]
    assert b.send() == []
    b.fetch(whole=True)
    assert state(b.root / TABLE) is State.DONE


def test_failures_travel_and_a_later_result_replaces_them(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    failed(a.root)
    a.send()
    b.fetch()
    assert failure(b.root / CELL) == "ValueError: too bad"
    shutil.rmtree(b.root / CELL)  # as --retry-failed does
    b.send(removed=True)
    done(b.root)
    b.send()
    assert list(a.fetch().sizes) == [CELL]
    assert state(a.root / CELL) is State.DONE


def test_what_a_command_removes_is_removed_and_what_is_merely_missing_comes_back(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root)
    a.send()
    b.fetch()
    shutil.rmtree(b.root / CELL)  # by whatever cleans caches
    fresh = LocalCopy(b.root, b.objects)
    fresh.send(removed=True)
    assert list(fresh.fetch().sizes) == [CELL]
    shutil.rmtree(b.root / CELL)
    fresh.send(removed=True)
    assert a.fetch().dropped == [CELL]
    assert not (a.root / CELL).exists()


def test_a_result_that_changed_meanwhile_is_not_removed(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root)
    a.send()
    b.fetch()
    a.present = {CELL}
    shutil.rmtree(a.root / CELL)
    a.send(removed=True)
    done(a.root, content="again")
    a.send()
    shutil.rmtree(b.root / CELL)
    b.send(removed=True)
    assert list(b.fetch().sizes) == [CELL]
    assert (b.root / CELL / "predictions.parquet").read_text() == "again"


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_archive_is_named_and_counts_as_damaged(copy: Copy, content: bytes | None) -> None:
    a, b = copy("a"), copy("b")
    folder = done(a.root)
    if content is None:  # a whole archive of changed files
        from bench.remote.archives import packed

        (folder / "predictions.parquet").write_text("rowz")
        content = packed(folder)
    b.objects.write(f"{CELL}.tar", content)
    fetched = b.fetch()
    assert list(fetched.damaged) == [CELL]
    assert state(b.root / CELL) is State.STALE
    assert damage(b.root / CELL)
    assert f"{CELL} is damaged" in [*fetched.lines("s3://x", b.root)][-1]


@pytest.mark.parametrize(
    "name",
    [
        "../out/x/y.tar",
        "twitter/../x.tar",
        "a/b/c/d.tar",
        ".grids/../x.json",
        ".grids/a/b.json",
        "notes.txt",
        "a/./c.tar",
    ],
)
def test_names_that_lead_elsewhere_are_ignored(copy: Copy, name: str) -> None:
    a, b = copy("a"), copy("b")
    done(a.root), a.send()
    listing = {**a.objects.listing([""]), name: a.objects.listing([""])[f"{CELL}.tar"]}
    b.objects.listing = lambda folders: listing  # type: ignore[method-assign]
    b.fetch(whole=True)
    assert {path.name for path in b.root.iterdir()} == {".lock", ".remote", "twitter"}
    assert [path.name for path in (b.root / "twitter").iterdir()] == ["ce"]
    assert not (b.root.parent / "out").exists()


def test_models_travel_when_they_are_asked_for(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    (done(a.root) / "model").mkdir()
    (a.root / CELL / "model" / "config.json").write_text("{}")
    a.send(), a.send()
    b.fetch()
    assert not (b.root / CELL / "model").exists()
    for _ in range(2):
        b.fetch_model(b.root / CELL)
    assert (b.root / CELL / "model" / "config.json").read_text() == "{}"
    b.fetch_model(b.root / "twitter" / "ce" / "none")
    c = copy("c")
    c.fetch()
    c.objects.write(f"{CELL}.model.tar", b"no archive")
    with pytest.raises(UserError, match=r"model\.tar is damaged .*; train the cell again with --force"):
        c.fetch_model(c.root / CELL)


def test_grids_keep_the_order_of_their_runs_and_looks_are_joined(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    write_json(a.root / ".grids" / "one.json", {"schema": 1})
    write_json(a.root / ".looks" / "t.json", {"seeds": [3]})
    a.send()
    write_json(b.root / ".looks" / "t.json", {"seeds": [5]})
    b.fetch()
    assert read_json(b.root / ".looks" / "t.json") == {"seeds": [3, 5]}
    b.send()
    a.fetch()
    assert read_json(a.root / ".looks" / "t.json") == {"seeds": [3, 5]}
    there = a.objects.entry(".grids/one.json")
    assert there is not None
    assert (b.root / ".grids" / "one.json").stat().st_mtime == pytest.approx(there.changed, abs=1e-3)
    assert json.loads((b.root / ".grids" / "one.json").read_text()) == {"schema": 1}


def test_a_request_is_repeated_a_few_times_and_then_named(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a = copy("a")
    a.fetch()
    answers = iter([OSError("one"), TimeoutError("two")])

    def broken(path: str, **how: object) -> bytes:
        raise next(answers, OSError("always"))

    monkeypatch.setattr(a.objects.system, "cat_file", broken)
    with pytest.raises(TransferError, match=r"^cannot read s3://bucket/runs/\d+/x in 4 attempts: always$"):
        a.objects.read("x")
    assert a.objects.repeated == 3


def test_nothing_is_repeated_before_the_store_has_answered(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    a = copy("a")

    def refuse(path: str, content: bytes, **how: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(a.objects.system, "pipe_file", refuse)
    with pytest.raises(UserError, match=r"^cannot write s3://.*/x: access denied \(Access Denied\)$"):
        a.objects.create("x", b"")
    assert a.objects.repeated == 0


def test_a_folder_that_a_process_computes_is_left_alone(copy: Copy) -> None:
    from bench.store.folders import acquire
    from bench.store.leases import heartbeat

    a, b = copy("a"), copy("b")
    done(a.root)
    a.send()
    assert acquire(b.root, b.root / CELL)
    with heartbeat(b.root / CELL):
        # The lock is this process's own, so another one would see it; this one must be told.
        lease: Path = b.root / CELL / "lease"
        assert lease.exists()
        b.fetch()
        assert b.note(CELL) == ""
        assert not (b.root / CELL / "metrics.json").exists()
