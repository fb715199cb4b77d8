"""Two copies of one remote store: what one sends, the other gets, and only the first of two results stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.remote.local_copy import LocalCopy
from bench.remote.objects import Entry, TransferError
from bench.store import manifest
from bench.store.files import read_json, write_json
from bench.store.folders import State, failure, state
from bench.store.integrity import damage
from tests.bench.remote.folders import CELL, TABLE, done, failed, grid

Copy = Callable[[str], LocalCopy]


def forget(copy: LocalCopy, name: str = CELL) -> None:
    """What commands do with a result that is to be computed again."""
    path = copy.root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy.forget(name)


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
    forget(b)  # as --retry-failed does
    b.send()
    done(b.root)
    b.send()
    assert list(a.fetch().sizes) == [CELL]
    assert state(a.root / CELL) is State.DONE


def test_what_a_command_forgets_is_removed_and_what_is_merely_missing_comes_back(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root), grid(a.root)
    a.send()
    b.fetch()
    shutil.rmtree(b.root / CELL)  # by whatever cleans caches
    (b.root / ".grids" / "empty.json").unlink()
    b.send()
    assert list(b.fetch().sizes) == [CELL]
    shutil.rmtree(b.root)
    b.send()
    assert sorted(a.objects.listing([""])) == [".grids/empty.json", f"{CELL}.tar"]
    b.fetch()
    forget(b), forget(b, ".grids/empty.json")
    b.send()
    assert a.objects.listing([""]) == {}
    assert a.fetch().dropped == [CELL]
    assert not (a.root / CELL).exists()


def test_a_result_that_changed_meanwhile_is_not_removed(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root)
    a.send()
    b.fetch()
    forget(a)
    a.send()
    done(a.root, content="again")
    a.send()
    forget(b)
    b.send()
    assert list(b.fetch().sizes) == [CELL]
    assert (b.root / CELL / "predictions.parquet").read_text() == "again"


def test_a_forgotten_result_is_removed_before_the_new_one_is_sent(copy: Copy) -> None:
    a = copy("a")
    done(a.root), a.send()
    forget(a)
    done(a.root, content="again")
    assert a.send_one(CELL)
    assert (a.root / CELL / "predictions.parquet").read_text() == "again"
    b = copy("b")
    b.fetch()
    assert (b.root / CELL / "predictions.parquet").read_text() == "again"


def test_a_result_that_is_damaged_in_the_copy_alone_is_fetched_again(copy: Copy) -> None:
    a = copy("a")
    done(a.root), grid(a.root), a.send()
    (a.root / CELL / "predictions.parquet").write_text("rowz")
    (a.root / ".grids" / "empty.json").write_text("{")
    a.send()
    fetched = a.fetch()
    assert list(fetched.sizes) == [CELL]
    assert not fetched.damaged
    assert state(a.root / CELL) is State.DONE
    assert manifest.read(a.root / ".grids" / "empty.json")


def test_a_result_that_was_not_sent_stays_against_a_failure_and_against_damage(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    done(a.root)  # and could not be sent
    failed(b.root), b.send()
    assert not a.fetch().sizes
    assert state(a.root / CELL) is State.DONE
    assert a.send() == [CELL]
    b.fetch()
    assert state(b.root / CELL) is State.DONE

    c = copy("c")
    done(c.root)
    a.objects.write(f"{CELL}.tar", b"no archive")
    assert list(c.fetch().damaged) == [CELL]
    assert state(c.root / CELL) is State.DONE


def test_a_failure_beside_a_result_is_none(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    failed(b.root)
    done(a.root), a.send()
    assert not b.send_one(CELL)
    assert state(b.root / CELL) is State.DONE
    assert [*a.objects.listing([""])] == [f"{CELL}.tar"]


def test_forgetting_a_failure_leaves_a_result_that_came_meanwhile(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    failed(b.root), b.send()
    done(a.root), a.send()
    forget(b)
    b.send()
    assert [*a.objects.listing([""])] == [f"{CELL}.tar"]
    b.fetch()
    assert state(b.root / CELL) is State.DONE


def test_the_first_of_two_failures_stays(copy: Copy) -> None:
    a, b = copy("a"), copy("b")
    failed(a.root), failed(b.root)
    (b.root / CELL / "log.txt").write_text("second")
    assert (a.send(), b.send()) == ([CELL], [])
    assert not (b.root / CELL / "log.txt").exists()


@pytest.mark.parametrize("before", ["", "failed"])
def test_a_reader_leaves_what_was_sent_after_its_listing(
    copy: Copy, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copy("a")
    reader = LocalCopy(run.root, run.objects)
    if before:
        failed(run.root), run.send()
    whole = run.objects.listing

    def listing(folders: Iterable[str]) -> dict[str, Entry]:
        found = whole(folders)
        if before:
            forget(run), run.send()
        done(run.root), run.send()
        return found

    monkeypatch.setattr(reader.objects, "listing", listing)
    assert reader.fetch().dropped == []
    assert state(run.root / CELL) is State.DONE
    assert run.note(CELL).startswith("done ")


def test_a_copy_recomputed_a_result_that_a_note_calls_sent(copy: Copy) -> None:
    a = copy("a")
    failed(a.root), a.send()
    shutil.rmtree(a.root / CELL)
    done(a.root)
    assert a.send() == [CELL]
    assert a.note(CELL).startswith("done ")


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


ID = CELL.rpartition("/")[2]


@pytest.mark.parametrize(
    "name",
    [
        f"../out/{ID}.tar",
        f"twitter/../{ID}.tar",
        f"a/b/c/{ID}.tar",
        ".grids/../x.json",
        ".grids/a/b.json",
        "notes.txt",
        f"a/./{ID}.tar",
        "backups/2024/photos.tar",
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
    grid(a.root)
    write_json(a.root / ".looks" / "t.json", {"seeds": [3]})
    a.send()
    write_json(b.root / ".looks" / "t.json", {"seeds": [5]})
    b.fetch()
    assert read_json(b.root / ".looks" / "t.json") == {"seeds": [3, 5], "unplanned": []}
    b.send()
    a.fetch()
    assert read_json(a.root / ".looks" / "t.json") == {"seeds": [3, 5], "unplanned": []}
    there = a.objects.entry(".grids/empty.json")
    assert there is not None
    assert (b.root / ".grids" / "empty.json").stat().st_mtime == pytest.approx(there.changed, abs=1e-3)
    assert manifest.read(b.root / ".grids" / "empty.json") == manifest.read(a.root / ".grids" / "empty.json")


def test_looks_that_were_sent_meanwhile_stay(copy: Copy) -> None:
    a, b, c = map(copy, "abc")
    write_json(a.root / ".looks" / "t.json", {"seeds": [3]})
    write_json(b.root / ".looks" / "t.json", {"seeds": [5], "unplanned": [5]})
    a.send_json(), b.send_json()
    c.fetch()
    assert read_json(c.root / ".looks" / "t.json") == {"seeds": [3, 5], "unplanned": [5]}


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
