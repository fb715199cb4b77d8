"""`bench merge`, `publish` and `import`: cells travel whole, nothing is overwritten, changed bundles are refused."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import CommitOperationDelete

from bench.commands.reports.report import report
from bench.commands.stores.import_ import import_bundles
from bench.commands.stores.merge import merge
from bench.commands.stores.publish import placed, publish, upload
from bench.errors import UserError
from bench.leaderboard import Rules
from bench.store import transfer
from bench.store.bundles import CONTENT, origins, pack, write_contents
from bench.store.folders import State, acquire, finish, state
from bench.store.layout import GRIDS, MODEL
from bench.store.leases import release
from tasks import load
from tests.helpers.stopped import half_copied, interrupted


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """The store of a grid of four cells, and their report beside it."""
    from tests.helpers import warm

    folder = tmp_path_factory.mktemp("whole")
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures")
    assert warm.run(["run", "--methods", "ce,imp", "--seeds", "2", *tiny], folder).returncode == 0
    return folder / "runs"


@pytest.fixture
def store(whole_store: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(whole_store, tmp_path / "store"))


@pytest.fixture(scope="module")
def bundle(whole_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "bundle"
    lines = list(publish(whole_store, str(folder), "ours", Rules(), texts=False))
    assert any("without texts" in line for line in lines)
    return folder


def test_a_report_in_a_bundle_names_no_folder_of_its_author(bundle: Path) -> None:
    texts = [path.read_text("utf-8") for path in (bundle / "report").glob("leaderboard.[mjh]*")]
    assert len(texts) == 3
    assert not any(str(bundle.parent) in text for text in texts)
    assert "publish --to bundle" in texts[0]


def cells(root: Path) -> dict[str, bytes]:
    """The predictions of the finished cells by folder."""
    done = [path.parent for path in root.glob("twitter/*/*/metrics.json")]
    assert all(state(folder) is State.DONE for folder in done)
    return {str(path.relative_to(root)): (path / "predictions.parquet").read_bytes() for path in done}


def test_halves_of_a_grid_merge_to_the_whole(store: Path, tmp_path: Path) -> None:
    all_of_it, one, other = cells(store), store, Path(shutil.copytree(store, tmp_path / "other"))
    for root, method in ((one, "ce"), (other, "imp")):
        shutil.rmtree(root / "twitter" / method)
    lines, sound = merge([one, other], tmp_path / "both")
    assert sound
    assert cells(tmp_path / "both") == all_of_it
    assert "copied" in lines[0]
    again, sound = merge([one, other], tmp_path / "both")
    assert sound
    assert all("0 folders copied" in line for line in again)


def test_other_results_of_a_cell_are_a_conflict_and_stay(store: Path, whole_store: Path) -> None:
    folder = next(store.glob("twitter/ce/*"))
    spec = json.loads((folder / "metrics.json").read_text())
    frame = pd.read_parquet(folder / "predictions.parquet")
    shutil.rmtree(folder)
    shutil.copytree(whole_store / folder.relative_to(store), folder)
    (folder / "metrics.json").unlink()
    frame.iloc[::-1].to_parquet(folder / "predictions.parquet", index=False)
    finish(folder, {name: spec[name] for name in ("accuracy", "macro_f1", "log_loss", "rows")})
    before = cells(store)
    lines, sound = merge([whole_store], store)
    assert not sound
    (conflict,) = [line for line in lines if line.startswith("conflict: ")]
    assert "predictions.parquet differs" in conflict
    assert cells(store) == before


def test_unfinished_and_damaged_folders_are_left_out_and_counted(store: Path, tmp_path: Path) -> None:
    one, other = sorted(store.glob("twitter/*/*"))[:2]
    (one / "metrics.json").unlink()
    (other / "predictions.parquet").write_bytes(b"x")
    lines, _ = merge([store], tmp_path / "out")
    assert "2 not finished, damaged or being computed, left out" in lines[0]
    assert len(cells(tmp_path / "out")) == 2


def test_a_cell_that_a_run_computes_in_the_target_is_left_out_and_the_rest_is_copied(
    store: Path, tmp_path: Path
) -> None:
    """It stopped halfway: the folder has no metrics.json yet."""
    name = min(path.relative_to(store) for path in store.glob("twitter/*/*"))
    assert acquire(tmp_path / "out", tmp_path / "out" / name)
    lines, sound = merge([store], tmp_path / "out")
    assert sound
    assert "1 not finished, damaged or being computed, left out" in lines[0]
    assert len(cells(tmp_path / "out")) == 3
    release(tmp_path / "out", tmp_path / "out" / name)


def test_a_store_is_not_merged_into_itself(store: Path) -> None:
    with pytest.raises(UserError, match="name it with --out alone"):
        merge([store], store)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_bundle_is_imported_whole_and_reports_say_so(
    form: str, bundle: Path, whole_store: Path, tmp_path: Path, bench: Callable[..., object]
) -> None:
    if form == "zip":
        list(publish(whole_store, str(tmp_path / "b.zip"), "ours", Rules(), texts=False))
        bundle = tmp_path / "b.zip"
    lines, sound = import_bundles([bundle], tmp_path / "runs")
    assert sound
    assert lines[0].startswith("ours (")
    assert cells(tmp_path / "runs") == cells(whole_store)
    bench("report", "--no-figures")
    assert "Imported, not trained here: 4 cells of ours" in (tmp_path / "reports/leaderboard.md").read_text("utf-8")


def test_a_bundle_has_a_report_and_neither_texts_nor_logs(bundle: Path) -> None:
    names = {path.name for path in bundle.rglob("*")}
    assert (bundle / "report/leaderboard.md").is_file()
    assert not names & {"log.txt", "tokens", "states", "model", "lease", ".lock"}
    about = json.loads((bundle / CONTENT).read_text())
    assert about["name"] == "ours"
    assert set(about["files"]) == {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()} - {
        CONTENT
    }


def test_no_file_of_a_bundle_quotes_a_row(bundle: Path) -> None:
    """Real rows of `twitter` differ from test rows in punctuation alone; the warning of the run quotes two of them."""
    rows = load("twitter")
    texts = [text for part in (rows.generated, rows.pool, rows.test) for text in part.texts if len(text) > 30]
    for path in (
        path for path in bundle.rglob("*") if path.suffix in (".json", ".jsonl", ".md", ".html", ".csv", ".tex")
    ):
        content = path.read_text("utf-8")
        assert not [text for text in texts if text in content]


def changed(folder: Path) -> None:
    next(folder.glob("store/twitter/*/*/predictions.parquet")).write_bytes(b"x")


def removed(folder: Path) -> None:
    next(folder.glob("store/twitter/*/*/env.json")).unlink()


def added(folder: Path) -> None:
    (folder / "store" / "extra").write_text("x")


def linked(folder: Path) -> None:
    path = next(folder.glob("store/twitter/*/*/env.json"))
    moved = path.rename(folder.parent / "env.json")
    path.symlink_to(moved)


def other_schema(folder: Path) -> None:
    write_contents(folder, {"name": "x"})
    about = json.loads((folder / CONTENT).read_text())
    (folder / CONTENT).write_text(json.dumps({**about, "schema": 99}))


def later_schema(folder: Path) -> None:
    (folder / CONTENT).write_text(json.dumps({"schema": 99, "content": []}))


def no_bundle(folder: Path) -> None:
    (folder / CONTENT).unlink()


@pytest.mark.parametrize("fault", [changed, removed, added, linked, other_schema, later_schema, no_bundle])
def test_a_changed_bundle_is_refused_and_nothing_is_imported(
    fault: Callable[[Path], None], bundle: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "b"))
    fault(folder)
    with pytest.raises(UserError) as error:
        import_bundles([folder], tmp_path / "runs")
    assert str(error.value).count("\n") == 0
    assert ("this version reads 1" in str(error.value)) == (fault in (other_schema, later_schema))
    assert not list((tmp_path / "runs").glob("twitter"))


def test_errors_in_a_zip_file_name_the_file_that_was_given(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(CONTENT, "{")
    with pytest.raises(UserError, match=r"b\.zip.bundle\.json is damaged .*; ask for the bundle again"):
        import_bundles([tmp_path / "b.zip"], tmp_path / "runs")


def test_nothing_is_imported_if_one_of_several_bundles_is_none(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no bundle"):
        import_bundles([bundle, tmp_path / "none.zip"], tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("twitter"))


def note(root: Path) -> str:
    """What a report says of the origin of all cells of a store."""
    return origins(root / name for name in cells(root))


def test_the_origin_of_cells_goes_with_them(bundle: Path, store: Path, tmp_path: Path) -> None:
    imported = "imported, not trained here: 4 cells of ours"
    import_bundles([bundle], tmp_path / "runs")
    merge([tmp_path / "runs"], tmp_path / "merged")
    assert note(tmp_path / "merged") == imported
    list(publish(tmp_path / "merged", str(tmp_path / "again"), "theirs", Rules(), texts=False, figures=False))
    import_bundles([tmp_path / "again"], tmp_path / "third")
    assert note(tmp_path / "third") == imported
    merge([tmp_path / "runs"], store)
    assert note(store) == ""


def test_the_origin_of_cells_is_known_after_a_stopped_copy(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells that were copied before the stop counted as trained here, also after the command was repeated."""
    adopted, runs, merged = transfer.adopt, tmp_path / "runs", tmp_path / "merged"
    copies: list[tuple[Callable[[], object], Path]] = [
        (lambda: import_bundles([bundle], runs), runs),
        (lambda: merge([runs], merged), merged),
    ]
    for copy, root in copies:

        def stopped(source: Path, target: Path, root: Path) -> bool:
            if len(cells(root)) == 2:
                raise KeyboardInterrupt
            return adopted(source, target, root)

        with monkeypatch.context() as patch:
            patch.setattr(transfer, "adopt", stopped)
            with pytest.raises(KeyboardInterrupt):
                copy()
        assert note(root) == "imported, not trained here: 2 cells of ours"
        copy()
        assert note(root) == "imported, not trained here: 4 cells of ours"


def test_a_manifest_keeps_its_time_after_a_stopped_copy(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the copy stayed, and the latest run of a method counts."""
    (grid,) = (store / GRIDS).glob("*.json")
    os.utime(grid, (1e9, 1e9))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copystat", interrupted)
        with pytest.raises(KeyboardInterrupt):
            merge([store], tmp_path / "out")
    merge([store], tmp_path / "out")
    assert (tmp_path / "out" / GRIDS / grid.name).stat().st_mtime == 1e9


def test_a_cell_that_was_trained_again_is_not_called_imported(bundle: Path, whole_store: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    import_bundles([bundle], root)
    folder = next(root.glob("twitter/ce/*"))
    content = json.loads((folder / "metrics.json").read_text())
    for name in ("metrics.json", "timing.json"):  # links to the bundle's
        (folder / name).unlink()
    (folder / "timing.json").write_text('{"seconds": 1.0}')
    finish(folder, {name: content[name] for name in ("accuracy", "macro_f1", "log_loss", "rows")})
    assert note(root) == "imported, not trained here: 3 cells of ours"


@pytest.mark.parametrize("to", ["new/b", "new/b.zip"])
def test_a_publish_that_is_stopped_leaves_nothing(
    bundle: Path, to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a bundle stayed, and the same command was refused because it exists."""
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", half_copied)
        patch.setattr(zipfile.ZipFile, "writestr", interrupted)
        with pytest.raises(KeyboardInterrupt):
            placed(bundle, str(tmp_path / to))
    assert list((tmp_path / "new").iterdir()) == []
    placed(bundle, str(tmp_path / to))
    assert import_bundles([tmp_path / to], tmp_path / "runs")[1]


@pytest.mark.parametrize(
    ("to", "name", "rules", "message"),
    [
        ("b.zip", " ", Rules(), "--name is empty"),
        ("there.zip", "ours", Rules(), "there.zip exists; name a new file"),
        ("b.tar.gz", "ours", Rules(), "a bundle is a folder or a zip file"),
        ("b.zip", "ours", Rules(baseline="impp"), "--baseline impp: no such method in .*whole.*did you mean 'imp'"),
    ],
)
def test_what_cannot_be_published_is_refused_first(
    to: str, name: str, rules: Rules, message: str, whole_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.zip").write_bytes(b"somebody's")
    with pytest.raises(UserError, match=message):
        list(publish(whole_store, str(tmp_path / to), name, rules, texts=False))
    assert (tmp_path / "there.zip").read_bytes() == b"somebody's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..\\outside"])
def test_a_zip_file_writes_nothing_outside(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(UserError, match="leads out of the bundle"):
        import_bundles([tmp_path / "b.zip"], tmp_path / "runs")
    assert not list(tmp_path.glob("**/outside"))


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"PK no")
    with pytest.raises(UserError, match="no bundle"):
        import_bundles([tmp_path / "b.zip"], tmp_path / "runs")


@pytest.mark.parametrize("before", [b"\x50\x4b\x01\x02", b"spec.json\x50", b"\x08\x00"])
@pytest.mark.parametrize("change", [b"\x00", b"\x07", b"\xff"])
def test_a_zip_file_with_changed_bytes_is_one_line(before: bytes, change: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("spec.json", "x" * 1000)
        archive.writestr("bundle.json", "{}")
    content = bytearray((tmp_path / "b.zip").read_bytes())
    for place in range(len(content)):
        if content[place:].startswith(before):
            content[place] = change[0]
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"b\.zip"):
        import_bundles([tmp_path / "b.zip"], tmp_path / "runs")


class NetworkError(Exception):
    """As the client's library for requests raises it: no OSError, and no error of the client."""


@dataclass
class Hub:
    """The hub with one data set: the calls that the client makes, on a folder."""

    folder: Path
    private: bool = False
    commits: int = 0

    def create_repo(self, name: str, **options: object) -> None:
        assert (name, options) == ("me/results", {"repo_type": "dataset", "exist_ok": True})
        self.folder.mkdir(exist_ok=True)
        (self.folder / ".gitattributes").write_text("*.parquet filter=lfs")

    def repo_info(self, name: str, repo_type: str) -> object:
        return SimpleNamespace(private=self.private)

    def list_repo_files(self, name: str, repo_type: str) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def create_commit(self, name: str, operations: list[Any], **options: object) -> object:
        for operation in operations:
            path = self.folder / operation.path_in_repo
            if isinstance(operation, CommitOperationDelete):
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(operation.path_or_fileobj, path)
        self.commits += 1
        return SimpleNamespace(commit_url="https://hub/x")

    def snapshot_download(self, name: str, local_dir: Path, **options: object) -> None:
        if name != "me/results":
            raise NetworkError("404\nmore")
        shutil.copytree(self.folder, local_dir, dirs_exist_ok=True)
        (local_dir / ".cache/huggingface").mkdir(parents=True)
        (local_dir / ".cache/huggingface/.gitignore").write_text("*")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    return hub


def test_a_bundle_of_the_hub_is_imported(bundle: Path, whole_store: Path, hub: Hub, tmp_path: Path) -> None:
    assert upload(bundle, "me/results") == "bundle: https://hub/x, a public data set"
    assert hub.commits == 1
    lines, sound = import_bundles([Path("hub:me/results")], tmp_path / "runs")
    assert sound
    assert lines[0].startswith("ours (hub:me/results): ")
    assert cells(tmp_path / "runs") == cells(whole_store)
    with pytest.raises(UserError, match="hub:me/no is not available: 404 more; write hub:ORG/NAME"):
        import_bundles([Path("hub:me/no")], tmp_path / "runs")


def test_a_second_bundle_at_the_hub_removes_what_it_lacks(bundle: Path, store: Path, hub: Hub, tmp_path: Path) -> None:
    """Cells of the first bundle stayed and were not listed, so that nobody could import either."""
    upload(bundle, "me/results")
    (hub.folder / "README.md").write_text("ours")
    hub.private = True
    shutil.rmtree(store / "twitter" / "imp")
    list(publish(store, str(tmp_path / "less"), "less", Rules(), texts=False, figures=False))
    assert upload(tmp_path / "less", "me/results") == "bundle: https://hub/x, a private data set"
    import_bundles([Path("hub:me/results")], tmp_path / "runs")
    assert cells(tmp_path / "runs") == cells(store)
    assert (hub.folder / "README.md").exists(), "other files of the data set are somebody's"


def test_what_systems_and_reports_write_beside_a_bundle_is_ignored(
    bundle: Path, whole_store: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "b"))
    report([folder / "store"], tmp_path / "reports", Rules(), command="bench report", figures=False)
    assert (folder / "store/twitter/.scores.npz").exists()
    for name in (".DS_Store", ".gitattributes", "README.md", "store/.DS_Store", "store/twitter/.DS_Store"):
        (folder / name).write_text("x")
    (next(folder.glob("store/twitter/*/*")) / ".DS_Store").write_text("x")
    assert import_bundles([folder], tmp_path / "runs")[1]
    assert cells(tmp_path / "runs") == cells(whole_store)


def test_a_snapshot_of_links_is_named_as_one(bundle: Path, tmp_path: Path) -> None:
    for path in (path for path in bundle.rglob("*") if path.is_file()):
        (there := tmp_path / "b" / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(path)
    with pytest.raises(UserError, match="is a link; copy the bundle with its files"):
        import_bundles([tmp_path / "b"], tmp_path / "runs")


@pytest.mark.parametrize("name", [MODEL, "log.txt"])
def test_a_task_may_have_the_name_of_a_file_that_bundles_leave_out(name: str, store: Path, tmp_path: Path) -> None:
    """All cells of a task `model` were removed from its bundle."""
    (store / "twitter").rename(store / name)
    for path in (store / GRIDS).glob("*.json"):
        path.write_text(path.read_text().replace('"twitter/', f'"{name}/'))
    (next(store.glob(f"{name}/*/*")) / MODEL).mkdir()
    pack(store, tmp_path / "b", texts=False)
    assert len(list((tmp_path / "b/store" / name).glob("*/*/predictions.parquet"))) == 4
    assert not list((tmp_path / "b/store" / name).glob(f"*/*/{MODEL}"))


def test_of_a_large_bundle_json_no_more_is_read_than_is_allowed(tmp_path: Path) -> None:
    with (tmp_path / CONTENT).open("wb") as file:
        file.truncate(300 * 2**20)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"bundle\.json is damaged"):
        import_bundles([tmp_path], tmp_path / "runs")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_a_hub_that_cannot_be_reached_is_one_line(bundle: Path) -> None:
    class Api:
        def create_repo(self, *_: object, **__: object) -> None:
            raise NetworkError("no network\nmore")

    with pytest.raises(UserError, match=r"hub:me/results: no network more; log in"):
        upload(bundle, "me/results", Api())


@pytest.mark.parametrize(("to", "words"), [("hub:x", "hub:ORG/NAME"), ("there", "exists")])
def test_a_place_that_cannot_be_written_is_named_first(
    to: str, words: str, whole_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match=words):
        next(publish(whole_store, to, "x", Rules(), texts=False))


def test_a_model_that_the_target_lacks_is_merged(store: Path, tmp_path: Path) -> None:
    """The cells were there before, so their models were left behind without a word."""
    kept, other, out = sorted(store.glob("twitter/*/*"))[0], sorted(store.glob("twitter/*/*"))[1], tmp_path / "out"
    merge([store], out)
    for cell in (kept, other):
        (cell / MODEL).mkdir()
        (cell / MODEL / "config.json").write_text("{}")
    there = out / other.relative_to(store) / MODEL
    there.mkdir()
    (there / "config.json").write_text("[]")
    lines, sound = merge([store], out)
    assert sound
    assert "0 folders copied, 6 there before, 1 model added to these" in lines[0]
    assert (out / kept.relative_to(store) / MODEL / "config.json").read_text() == "{}"
    assert (there / "config.json").read_text() == "[]", "nothing is overwritten"
    assert state(out / kept.relative_to(store)) is State.DONE
    assert "added" not in merge([store], out)[0][0]
