"""Readers of whole folders, for `tests.fuzz.targets`: stores, bundles, reports, and the journal of generated rows."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.commands.reports.report import check
from bench.commands.stores.doctor import doctor
from bench.commands.stores.import_ import import_bundles
from bench.commands.stores.list import cells
from bench.commands.stores.merge import merge
from bench.errors import UserError
from bench.generate.journal import Journal
from bench.planning.costs import measure
from bench.store import role_texts
from bench.store.bundles import write_contents
from bench.store.folders import finish
from bench.store.layout import precomputed_path
from tests.fuzz.examples import CELL, JOURNAL, MANIFEST, SPEC

PLACE = "twitter/ce/0123456789abcdef0123"


def each(*readers: Callable[[], object]) -> None:
    """Call readers, of which each may refuse in one line."""
    for reader in readers:
        with contextlib.suppress(UserError):
            reader()


def put(root: Path, files: dict[str, bytes]) -> Path:
    """A store with one cell, which has these files; the others are right."""
    place = root / PLACE
    place.mkdir(parents=True)
    for name, content in {**{key: json.dumps(value).encode() for key, value in CELL.items()}, **files}.items():
        (place / name).write_bytes(content)
    return place


def store(folder: Path, files: dict[str, bytes]) -> None:
    """List the cells of a store, check it, copy it to another one, read what its cells cost, and mend it."""
    put(folder / "runs", files)
    commands(folder)


def finished(folder: Path, files: dict[str, bytes]) -> None:
    """The same of a cell whose `metrics.json` fits its other files."""
    place = put(folder / "runs", files)
    for name in ("metrics.json", "lease", "error.json"):
        (place / name).unlink()
    finish(place, {"accuracy": 0.5})
    commands(folder)


def commands(folder: Path) -> None:
    """The commands on the store `folder/runs`."""
    root = folder / "runs"
    each(
        lambda: list(cells(root, failed=False)),
        lambda: doctor(root, repair=False),
        lambda: measure(root, gpu=False),
        lambda: merge([root], folder / "other"),
        lambda: merge([root], folder / "other"),
        lambda: doctor(root, repair=True),
    )


def bundle(folder: Path, files: dict[str, bytes]) -> None:
    """Import a bundle whose digests fit, and one whose `bundle.json` is the example."""
    source, out = folder / "bundle", folder / "runs"
    put(source / "store", {name: content for name, content in files.items() if name != "bundle.json"})
    write_contents(source, {"name": "n"})
    if "bundle.json" in files:
        (source / "bundle.json").write_bytes(files["bundle.json"])
    each(lambda: import_bundles([source], out), lambda: list(cells(out, failed=False)))


def zip_file(folder: Path, changes: Iterable[tuple[int, int]]) -> None:
    """Import a zip file of a bundle, in which some bytes have other values."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", '{"schema": 1, "name": "n", "files": {}}')
        archive.writestr("store/x/y/z/spec.json", json.dumps(SPEC))
    changed = bytearray(content.getvalue())
    for place, value in changes:
        changed[place % len(changed)] = value
    (folder / "bundle.zip").write_bytes(changed)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        import_bundles([folder / "bundle.zip"], folder / "runs")
    finally:
        tempfile.tempdir = before


def report(folder: Path, content: bytes) -> None:
    """Check a report against a store that has a manifest and no cells."""
    (folder / "runs" / ".grids").mkdir(parents=True)
    (folder / "runs" / ".grids" / "0.json").write_text(json.dumps(MANIFEST))
    (folder / "leaderboard.json").write_bytes(content)
    list(check([folder / "runs"], folder))


def journal(folder: Path, lines: list[bytes]) -> None:
    """Continue generated rows from a journal."""
    output = folder / "generated" / "rows.jsonl"
    output.parent.mkdir()
    output.with_name("rows.jsonl.journal").write_bytes(b"\n".join(lines))
    with Journal(output, JOURNAL[0]["settings"]) as rows:
        rows.write_output()


def texts(folder: Path, content: bytes) -> None:
    """Read the texts that a store keeps of a role."""
    place = precomputed_path(folder, role_texts.KIND, "ab12") / role_texts.FILE
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    role_texts.read(folder, "ab12")
