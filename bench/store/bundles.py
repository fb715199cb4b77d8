"""Bundles: finished cells with their report, as a folder or zip file that others import. Texts are left out.

    bundle.json     schema, name, versions, and size and SHA-256 of each file
    store/          finished cells, checkers, hidden columns and grids, as in a store
    report/         the leaderboard of these cells

A bundle that is imported leaves a note in `.imported/` of the store, from which reports say whose cells they show.
"""

from __future__ import annotations

import functools
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import UserError
from bench.hashing import file_hash
from bench.store.files import MAX_JSON, json_object, write_json
from bench.store.layout import IMPORTED, LOCK, LOG, MODEL, place_of
from bench.store.schemas import Bundle
from bench.store.transfer import CHECKER, Transfer, bundle_of, imported, lacking, note_import, seal_of, transfer
from tasks.errors import in_a_line, plural

SCHEMA = 1
CONTENT, STORE, REPORT = "bundle.json", "store", "report"
HUB = "hub:"  # before the id of a data set on the Hugging Face hub
AGAIN = "ask for the bundle again"
# Files that systems and `bench report` write into folders: they may be in a bundle that does not list them.
STRAY = (".DS_Store", "Thumbs.db", "desktop.ini", ".scores.npz", ".weights.npz")
WITHOUT_TEXTS = (CHECKER, "record", "scores")  # kinds of precomputed tables in which no text can be read
LEFT_OUT = (MODEL, LOG)  # of a cell: models are large, and logs may name folders of the author's machine
# What Python's `zipfile` raises for a file that was cut or changed.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, RuntimeError, ValueError, OSError)
MAX_SIZE = 2**36  # bytes of all files of a bundle that is read


def pack(source: Path, folder: Path, *, texts: bool) -> Transfer:
    """Copy a store's finished cells to `folder/store`. With `texts` also texts and tokens."""
    done = transfer(source, folder / STORE, None if texts else WITHOUT_TEXTS)
    for name in LEFT_OUT:
        for path in (folder / STORE).glob(f"*/*/*/{name}"):  # not deeper or higher: a task may be called `model`
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / STORE / LOCK).unlink(missing_ok=True)
    return done


def write_contents(folder: Path, about: Mapping[str, Any]) -> str:
    """Write `bundle.json` with `about` and the digests of all files; returns the bundle's own digest."""
    files = {name: {"size": path.stat().st_size, "sha256": file_hash(path)} for name, path in content(folder).items()}
    write_json(folder / CONTENT, {"schema": SCHEMA, **about, "files": files})
    return file_hash(folder / CONTENT)


def content(folder: Path) -> dict[str, Path]:
    """The files of a bundle but `bundle.json`, by their names with forward slashes, sorted."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: names[name] for name in sorted(names, key=lambda name: name.split("/")) if name != CONTENT}


def beside(name: str, path: Path) -> bool:
    """Whether a file that a bundle does not list is none of its own: not in its folders, or a stray one."""
    folder, file = name.partition("/")[0], name.rpartition("/")[2]
    return folder not in (STORE, REPORT) or (file in STRAY and not path.is_symlink())


def zipped(folder: Path, path: Path) -> None:
    """Write a folder as a zip file, with the same bytes for the same content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for name, file in sorted(files.items(), key=lambda item: item[0].split("/")):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3  # also on Windows
            archive.writestr(entry, file.read_bytes())


@contextmanager
def opened(bundle: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder of a bundle and its `bundle.json`, checked.

    A zip file is unpacked and a data set of the hub (`hub:ORG/NAME`) downloaded, to a folder that is removed again.
    Raises UserError for something else, and for a bundle whose files are not those that it lists.
    """
    if bundle.as_posix().startswith(HUB):
        with tempfile.TemporaryDirectory() as part:
            download(bundle.as_posix().removeprefix(HUB), Path(part))
            yield Path(part), checked(Path(part), bundle)
        return
    if bundle.is_dir():
        yield bundle, checked(bundle, bundle)
        return
    if not zipfile.is_zipfile(bundle):
        raise UserError(f"{bundle} is no bundle: give a folder or zip file that `bench publish` wrote")
    with tempfile.TemporaryDirectory() as part:
        unpack(bundle, Path(part))
        yield Path(part), checked(Path(part), bundle)


def download(dataset: str, folder: Path) -> None:
    """Download the bundle in a data set of the hub. Raises UserError if it is not available."""
    from huggingface_hub import HfApi

    try:
        parts = [CONTENT, f"{STORE}/*", f"{REPORT}/*"]
        HfApi().snapshot_download(dataset, repo_type="dataset", local_dir=folder, allow_patterns=parts)
    except Exception as error:  # of the hub and of the network, of many kinds
        raise UserError(
            f"{HUB}{dataset} is not available: {in_a_line(error)}; write hub:ORG/NAME, or a folder or zip file"
        ) from error


def unpack(bundle: Path, folder: Path) -> None:
    """Unpack a zip file. Raises UserError for names that lead out of the folder, links, or too large content."""
    try:
        unpack_safely(bundle, folder)
    except UserError:
        raise
    except BROKEN as error:
        raise UserError(f"{bundle} cannot be unpacked: {error}; {AGAIN}") from error


def unpack_safely(bundle: Path, folder: Path) -> None:
    """`unpack`, which also raises the errors `BROKEN`."""
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
        if (size := sum(entry.file_size for entry in entries)) > MAX_SIZE:
            raise UserError(f"{bundle} would have {size:,} bytes; at most {MAX_SIZE:,} are read")
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or entry.external_attr >> 28 == 0xA:
                raise UserError(f"{bundle} has the entry {entry.filename!r}, which leads out of the bundle")
        archive.extractall(folder)


def checked(folder: Path, named: Path) -> dict[str, Any]:
    """The `bundle.json` of a folder. Raises UserError, with the name `named`, if it does not fit the folder's files."""
    if not (folder / CONTENT).is_file():
        raise UserError(f"{named} has no {CONTENT}: give a folder or zip file that `bench publish` wrote")
    with (folder / CONTENT).open("rb") as file:
        text = file.read(MAX_JSON + 1)  # `json_object` refuses a longer one
    about = json_object(text, named / CONTENT, remedy=AGAIN)
    if (schema := about.get("schema")) != SCHEMA:  # before the rest, which another schema may lack
        raise UserError(f"{named} has schema {schema}, and this version reads {SCHEMA}; install another version")
    about = json_object(text, named / CONTENT, Bundle, remedy=AGAIN)
    present = content(folder)
    present = {name: path for name, path in present.items() if name in about["files"] or not beside(name, path)}
    for name in sorted(present.keys() ^ about["files"].keys()):
        raise UserError(f"{named}: {name} is {'not listed' if name in present else 'missing'}; {AGAIN}")
    for name, path in present.items():
        listed = about["files"][name]
        if path.is_symlink():
            raise UserError(f"{named}: {name} is a link; copy the bundle with its files, or import hub:ORG/NAME")
        if path.stat().st_size != listed["size"] or file_hash(path) != listed["sha256"]:
            raise UserError(f"{named}: {name} was changed after it was published; {AGAIN}")
    return about


def take_in(folder: Path, about: Mapping[str, Any], root: Path) -> Transfer:
    """Copy the cells of a bundle's folder, which `checked` has read, to a store, and note there whose they are.

    Cells that the bundle's author had imported keep the name of the bundle in which they came.
    """
    store, before = folder / STORE, imported(folder / STORE)
    names = [name for name in lacking(store, root) if not bundle_of(store / name, before.get(name, {}))]
    # Before the folders, as `transfer` does.
    note = root / IMPORTED / f"{file_hash(folder / CONTENT)[:20]}.json"
    note_import(note, about["name"], {name: seal_of(store / name) for name in names})
    return transfer(store, root)


def origins(folders: Iterable[str | os.PathLike[str]]) -> str:
    """A sentence on which of these cells were imported, and from which bundles; empty if none was."""
    of_store = functools.cache(lambda root: imported(Path(root)))
    counts: dict[str, int] = {}
    for folder in folders:
        root, place = place_of(folder)
        names = of_store(root)
        if names and (name := bundle_of(Path(folder), names.get(place, {}))):
            counts[name] = counts.get(name, 0) + 1
    parts = [f"{plural(count, 'cell')} of {name}" for name, count in sorted(counts.items())]
    return f"imported, not trained here: {', '.join(parts)}" if parts else ""
