"""The local copy of a remote store: fetches what changed there, sends what is new here.

An archive is one object, created if absent, so a reader sees all of a result or nothing, and the first of two equal
results stays. `.remote/` of the copy notes for each name which version both sides have. What the remote store has no
more is removed from the copy. The reverse is never concluded from a missing file: only a command that removes folders
removes them there, see `send`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from bench.errors import UserError
from bench.hashing import digest
from bench.remote.archives import BEGINNING, BROKEN, FIRST, extract, first_file, packed
from bench.remote.contents import FAILED, JSON_FILE, PLAIN, TAR, WITH_MODEL, Fetched, Remote, results
from bench.remote.objects import AT_ONCE, Entry, Objects
from bench.store.files import read_json, write_bytes, write_json, write_text
from bench.store.folders import State, state
from bench.store.integrity import damage
from bench.store.layout import DONE, ERROR, LEASE, MODEL
from bench.store.leases import exclusive
from bench.store.looks import LOOKS
from bench.store.schemas import SeedsRead

NOTES = ".remote/known"
LARGE = ("states", "embeddings")  # kinds of tables of which reports read the time alone: only runs fetch the rest


class LocalCopy:
    """A remote store and the folder in which commands work on it."""

    def __init__(self, root: Path, objects: Objects) -> None:
        self.root, self.objects = root, objects
        self.present: set[str] = set()  # names that both sides had when they were last compared

    # What the remote store has.

    def fetch(self, names: Collection[str] | None = None, *, whole: bool = False) -> Fetched:
        """Make the copy agree with the remote store: in some folders and all JSON files, or in everything.

        The folders' parents are listed, never the whole store. Without `whole`, tables of the kinds `LARGE` get their
        times alone. Raises TransferError.
        """
        wanted = None if names is None else set(names)
        parents = [""] if wanted is None else [*PLAIN, *(name.rpartition("/")[0] for name in wanted)]
        listing = self.objects.listing(parents)
        there = {name: one for name, one in results(listing).items() if wanted is None or name in wanted}
        done = Fetched()
        for name in self.noted() if wanted is None else wanted:
            if name not in there and self.note(name):
                self.drop(name, done)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self.fetch_one(name, there[name], done, whole=whole), sorted(there)))
        plain = {name: entry for name, entry in listing.items() if JSON_FILE.fullmatch(name)}
        for name, entry in plain.items():
            self.fetch_plain(name, entry)
        self.present = {name for name in (*there, *plain) if self.note(name)}
        return done

    def fetch_one(self, name: str, there: Remote, done: Fetched, *, whole: bool = True) -> None:
        """Fetch a folder if the copy has not the same version of it."""
        folder = self.root / name
        known = (folder / DONE).exists() or (folder / ERROR).exists()
        if not there.note or (known and self.note(name) == there.note):
            return
        if not whole and there.done is not None and Path(name).parent.name in LARGE:
            self.fetch_time(name)
            return
        content = self.objects.read(name + (TAR if there.done is not None else FAILED))
        if content is None or not self.place(content, folder):
            return
        self.write_note(name, there.note)
        done.sizes[name] = len(content)
        if there.done is not None and (reason := damage(folder)):
            done.damaged[name] = reason

    def fetch_time(self, name: str) -> None:
        """Fetch the time that a table took, and nothing else of it."""
        path = self.root / name / FIRST
        if path.exists():
            return
        beginning = self.objects.read(name + TAR, BEGINNING)
        if beginning is not None and (time := first_file(beginning)) is not None:
            write_bytes(path, time)

    def fetch_model(self, folder: Path) -> None:
        """Fetch the model of a cell if the copy lacks it. Raises UserError if it is damaged."""
        name = self.name(folder)
        if (folder / MODEL).exists() or (content := self.objects.read(name + WITH_MODEL)) is None:
            return
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
            try:
                extract(content, Path(part))
            except BROKEN as error:
                place = f"{self.objects.url}/{name}{WITH_MODEL}"
                raise UserError(f"{place} is damaged ({error}); train the cell again with --force") from error
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(Path(part) / MODEL, folder / MODEL)
        self.write_note(name + WITH_MODEL, "sent")

    def fetch_plain(self, name: str, entry: Entry) -> None:
        """Fetch a JSON file that changed. Looks of both sides are joined; manifests keep the time of their run."""
        path = self.root / name
        noted = self.note(name).split()
        if noted[:1] == [entry.version] and path.exists():
            return
        if (content := self.objects.read(name)) is None:
            return
        mine = read_json(path, SeedsRead)["seeds"] if name.startswith(LOOKS) and path.exists() else []
        write_bytes(path, content)
        self.write_note(name, f"{entry.version} {digest(content.hex())}")
        if mine:
            write_json(path, {"seeds": sorted({*mine, *read_json(path, SeedsRead)["seeds"]})})
        os.utime(path, (entry.changed, entry.changed))

    def look(self, name: str) -> Remote:
        """What the remote store has of one folder now."""
        return results(self.objects.beginning_with(f"{name}.")).get(name, Remote())

    def looks(self, names: Iterable[str]) -> Iterator[Remote]:
        """`look` at several folders at the same time."""
        return self.objects.pool.map(self.look, names)

    def place(self, content: bytes, folder: Path) -> bool:
        """Make a folder of the copy from an archive, in place of what is there. False while a process here computes it.

        An archive that cannot be read becomes a damaged folder, which the next run computes again.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        try:
            try:
                extract(content, part)
            except BROKEN:
                (part / DONE).write_bytes(b"")
            with exclusive(self.root):
                if same(part, folder):
                    return True
                if (folder / LEASE).exists() and state(folder) is State.RUNNING:
                    return False
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return True

    def drop(self, name: str, done: Fetched) -> None:
        """Remove a folder of the copy that the remote store has no more, unless a process here computes it."""
        with exclusive(self.root):
            if (self.root / name).exists() and state(self.root / name) is not State.RUNNING:
                shutil.rmtree(self.root / name, ignore_errors=True)
                done.dropped.append(name)
        self.write_note(name, "")

    # What the copy has.

    def send(self, *, removed: bool = False) -> list[str]:
        """Send what the remote store lacks: folders, models, JSON files. Returns the names of the folders sent.

        With `removed`, a folder that both sides had at the last comparison and that is gone here is removed there too.
        Raises TransferError.
        """
        new = [name for name in self.folders() if not self.note(name)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [name for name, was in zip(new, pool.map(self.send_one, new), strict=True) if was]
        for path in self.root.glob(f"[!.]*/*/*/{MODEL}"):
            self.send_model(path.parent)
        self.send_json()
        for name in sorted(self.present) if removed else ():
            if not (self.root / name).exists():
                self.remove(name)
        return sent

    def send_one(self, name: str) -> bool:
        """Send a folder if it is done or failed. False if not, or if the remote store has a result, which is fetched.

        The archive is created only if it is absent: a run that lost its lease cannot overwrite the result of another.
        """
        folder = self.root / name
        now = state(folder)
        if now is State.DONE:
            if not self.objects.create(name + TAR, packed(folder, model=False)):
                self.fetch_one(name, self.look(name), Fetched())
                return False
        elif now is State.FAILED:
            self.objects.write(name + FAILED, packed(folder, model=False))
        else:
            return False
        self.write_note(name, self.look(name).note)
        return True

    def send_model(self, folder: Path) -> None:
        """Send the model of a finished cell, once."""
        name = self.name(folder)
        if self.note(name + WITH_MODEL) or state(folder) is not State.DONE:
            return
        target = BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            archive.add(folder / MODEL, arcname=MODEL)
        self.objects.create(name + WITH_MODEL, target.getvalue())
        self.write_note(name + WITH_MODEL, "sent")

    def send_json(self) -> None:
        """Send the JSON files that changed here."""
        for folder in PLAIN:
            for path in sorted((self.root / folder).glob("*.json")):
                self.send_plain(path)

    def send_plain(self, path: Path) -> None:
        """Send a JSON file if it changed here."""
        name, content = self.name(path), path.read_bytes()
        if self.note(name).split()[1:] == [digest(content.hex())]:
            return
        self.objects.write(name, content)
        entry = self.objects.entry(name)
        self.write_note(name, f"{entry.version} {digest(content.hex())}" if entry is not None else "")

    def remove(self, name: str) -> None:
        """Remove a folder or JSON file from the remote store, unless it changed there since it was fetched."""
        if name.startswith(PLAIN):
            self.objects.remove(name)
        elif (there := self.look(name)).note in ("", self.note(name)):
            for suffix in (TAR, FAILED, WITH_MODEL) if there.note else ():
                self.objects.remove(name + suffix)
        self.write_note(name, "")
        self.write_note(name + WITH_MODEL, "")
        self.present.discard(name)

    # Names and notes.

    def folders(self) -> Iterator[str]:
        """The names of the copy's folders of cells and precomputed tables."""
        for pattern in ("[!.]*/[!.]*/[!.]*", ".artefacts/*/[!.]*"):
            yield from (self.name(path) for path in sorted(self.root.glob(pattern)) if path.is_dir())

    def name(self, path: Path) -> str:
        """The name of a folder or file of the copy."""
        return path.relative_to(self.root).as_posix()

    def noted(self) -> Iterable[str]:
        """The names of all folders that have a note."""
        notes = self.root / NOTES
        paths = [path for path in notes.glob("**/*") if path.is_file()]
        names = (path.relative_to(notes).as_posix() for path in paths)
        return [name for name in names if not name.startswith(PLAIN) and not name.endswith(WITH_MODEL)]

    def note(self, name: str) -> str:
        """Which version of a folder or file both sides have; empty if that is not known."""
        with contextlib.suppress(OSError):
            return (self.root / NOTES / name).read_text(encoding="utf-8")
        return ""

    def write_note(self, name: str, note: str) -> None:
        """Write a note, or remove it if it is empty."""
        path = self.root / NOTES / name
        write_text(path, note) if note else path.unlink(missing_ok=True)


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same finished result, whole."""
    if not (one / DONE).exists() or not (other / DONE).exists() or damage(other):
        return False
    return (one / DONE).read_bytes() == (other / DONE).read_bytes()
