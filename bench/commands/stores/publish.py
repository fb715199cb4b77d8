"""`bench publish`: writes the finished cells of a store with their report as a bundle, for others to import."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.commands.output_file import writable
from bench.commands.reports.report import report
from bench.commands.stores.clean import require_store
from bench.errors import UserError
from bench.leaderboard import Rules
from bench.leaderboard.rules import require_baseline
from bench.store.bundles import HUB, REPORT, STORE, pack, write_contents, zipped
from bench.store.files import replacing, whole_folder
from bench.store.manifest import stored
from bench.store.merge import TRAIN_AGAIN, refuse_mixed_rows
from bench.version import VERSION
from tasks.errors import in_a_line, plural

PACKED = (".gz", ".tgz", ".bz2", ".xz", ".tar", ".7z", ".rar")  # files that a bundle is not


def publish(root: Path, to: str, name: str, rules: Rules, *, texts: bool, figures: bool = True) -> Iterator[str]:
    """Write the bundle of a store to `to`: a new folder, a file NAME.zip, or `hub:ORG/NAME`. Yields lines.

    Raises UserError for a store without finished cells, without the baseline, or with cells of different code in one
    row, for no name, and for a place that cannot be written, before anything is written.
    """
    require_store(root)
    check_place(to)
    if not name.strip():
        raise UserError("--name is empty; give what reports of others call these cells, as in --name 'tweets, our lab'")
    manifest = stored(root)
    require_baseline(manifest, rules, str(root))
    refuse_mixed_rows(root, manifest, TRAIN_AGAIN)
    with tempfile.TemporaryDirectory() as part:
        folder = Path(part) / "bundle"
        done = pack(root, folder, texts=texts)
        if not done.copied:
            raise UserError(f"{root} has no finished cell to publish; `bench run --out {root}` trains some")
        shown = to if to.startswith(HUB) else Path(to).name  # folders of this machine are nobody else's business
        command = f"python -m bench publish --to {shown}"
        _, notes = report([folder / STORE], folder / REPORT, rules, command=command, figures=figures)
        for cache in (folder / STORE).rglob(".*.npz"):
            cache.unlink()
        identity = write_contents(folder, {"name": name, "version": VERSION, "texts": texts, "cells": done.copied})
        yield from placed(folder, to)
    yield from notes
    yield f"{plural(len(done.copied), 'folder')} of {root} as {name}, bundle {identity[:20]}"
    if done.left:
        yield f"{plural(done.left, 'folder')} left out: not finished or damaged"
    yield "with the texts of generated and real rows, and all tokens" if texts else "without texts (--texts adds them)"


def check_place(to: str) -> None:
    """Raise UserError for a place at which no bundle can be written."""
    if to.startswith(HUB):
        if to.removeprefix(HUB).count("/") != 1:
            raise UserError(f"--to {to}: write hub:ORG/NAME, the id of a data set on the Hugging Face hub")
        return
    path = Path(to)
    if path.suffix.lower() in PACKED:
        raise UserError(f"--to {to}: a bundle is a folder or a zip file; name it NAME.zip")
    if path.exists():
        raise UserError(f"--to {to} exists; name a new {'file' if is_zip(to) else 'folder'}, or remove it")
    if is_zip(to):
        writable(path)


def is_zip(to: str) -> bool:
    """Whether the place is a zip file."""
    return to.lower().endswith(".zip")


def placed(folder: Path, to: str) -> Sequence[str]:
    """Bring a finished bundle to its place, whole or not at all; returns a line on it."""
    if to.startswith(HUB):
        return [upload(folder, to.removeprefix(HUB))]
    if is_zip(to):
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(to)) as archive:
            zipped(folder, archive)
    else:
        with whole_folder(Path(to)) as part:
            shutil.copytree(folder, part, dirs_exist_ok=True)
    return [f"bundle: {to}"]


def upload(folder: Path, dataset: str, api: Any = None) -> str:
    """Upload a bundle as a data set of the Hugging Face hub in one commit, with the login of `hf auth login`.

    Files of an earlier bundle that this one lacks are removed. The line that is returned says who can see the data set.
    Raises UserError where the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = api or HfApi()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    added = [CommitOperationAdd(path.relative_to(folder).as_posix(), str(path)) for path in files]
    try:
        api.create_repo(dataset, repo_type="dataset", exist_ok=True)
        private = api.repo_info(dataset, repo_type="dataset").private
        new = {one.path_in_repo for one in added}
        former = [name for name in api.list_repo_files(dataset, repo_type="dataset") if name not in new]
        gone = [CommitOperationDelete(name) for name in former if name.partition("/")[0] in (STORE, REPORT)]
        message = f"bundle of data-weighting-bench {VERSION}"
        commit = api.create_commit(dataset, [*gone, *added], repo_type="dataset", commit_message=message)
    except Exception as error:  # of the hub and of the network, of many kinds
        raise UserError(
            f"--to hub:{dataset}: {in_a_line(error)}; log in with `hf auth login`, or write a folder"
        ) from error
    return f"bundle: {commit.commit_url}, a {'private' if private else 'public'} data set"
