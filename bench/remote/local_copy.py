"""The local copy of a remote store: fetches what changed there, sends what is new here.

An archive is one object, created if absent, so a reader sees all of a result or nothing, and the first of two equal
results stays. A finished result wins over a failure. `bench.remote.notes` says which versions both sides have.

What the remote store has no more is removed from the copy. The reverse is never concluded from what is absent or
damaged in the copy: an object is removed only by `remove`, for a result that a command named to `forget`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import system
from bench.errors import UserError
from bench.hashing import digest
from bench.remote.archives import BEGINNING, BROKEN, FIRST, extract, first_file, packed
from bench.remote.contents import FAILED, JSON_FILE, PLAIN, TAR, WITH_MODEL, Fetched, Remote, results, usable
from bench.remote.notes import Noted
from bench.remote.objects import AT_ONCE, Entry, Objects
from bench.store.files import part_folder, write_bytes, write_json
from bench.store.folders import State, state
from bench.store.integrity import damage
from bench.store.layout import DONE, LEASE, LOOKS, MODEL
from bench.store.leases import exclusive
from bench.store.looks import looks_in, united

LARGE = ("states", "embeddings")  # kinds of tables of which reports read the time alone: only runs fetch the rest


class LocalCopy(Noted):
    """A remote store and the folder in which commands work on it."""

    def __init__(self, root: Path, objects: Objects) -> None:
        super().__init__(root)
        self.objects = objects
        self.forgotten: dict[str, str] = {}  # name -> the note on the version that a command forgot

    # What the remote store has.

    def fetch(self, names: Collection[str] | None = None, *, whole: bool = False) -> Fetched:
        """Make the copy agree with the remote store: in some folders and all JSON files, or in everything.

        The folders' parents are listed, never the whole store. Without `whole`, tables of the kinds `LARGE` get their
        times alone. What another process sends after the listing stays as it is. Raises TransferError.
        """
        wanted = None if names is None else set(names)
        parents = [""] if wanted is None else [*PLAIN, *(name.rpartition("/")[0] for name in wanted)]
        before = {name: self.note(name) for name in (self.noted() if wanted is None else wanted)}
        listing = self.objects.listing(parents)
        there = {name: one for name, one in results(listing).items() if wanted is None or name in wanted}
        done = Fetched()
        for name, note in before.items():
            if note and name not in there:
                self.drop(name, note, done)

        def fetch_listed(name: str) -> None:
            self.fetch_one(name, there[name], done, whole=whole, before=before.get(name, ""))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(fetch_listed, sorted(there)))
        for name, entry in listing.items():
            if JSON_FILE.fullmatch(name):
                self.fetch_plain(name, entry)
        return done

    def fetch_one(
        self, name: str, there: Remote, done: Fetched, *, whole: bool = True, before: str | None = None
    ) -> None:
        """Fetch a folder if the copy has not the same version of it, whole.

        `before`: the note when `there` was asked for; by default that is now. Another note means that a process of this
        machine has changed the folder since.
        """
        folder, note = self.root / name, self.note(name)
        if there.state is State.MISSING or note != (note if before is None else before):
            return
        if note == there.note and state(folder) is there.state:
            return
        if not whole and there.done is not None and Path(name).parent.name in LARGE:
            self.fetch_time(name, there.done)
            return
        with part_folder(folder) as part:
            archive = part / "archive"
            if self.objects.read_to(name + (TAR if there.done is not None else FAILED), archive):
                size = archive.stat().st_size
                if self.place(name, archive, there, note, done):
                    done.sizes[name] = size

    def place(self, name: str, archive: Path, there: Remote, before: str, done: Fetched) -> bool:
        """Make a folder of the copy from an archive, in place of what is there.

        False, and nothing is replaced: while a process here computes the folder, if one has changed it since the note
        was `before`, and where the copy has a result that was never sent, against a failure or a damaged archive.
        Otherwise an archive that is damaged becomes a damaged folder, which the next run computes again.
        """
        folder, part = self.root / name, archive.parent / Path(name).name
        part.mkdir()
        try:
            with archive.open("rb") as content:
                extract(content, part)
        except BROKEN:
            (part / DONE).write_bytes(b"")
        if (part / DONE).exists() and (reason := damage(part)):
            done.damaged[name] = reason
        with exclusive(self.root):
            own = state(folder)
            if self.note(name) != before or ((folder / LEASE).exists() and own is State.RUNNING):
                return False
            if own is State.DONE and not before.startswith("done ") and state(part) is not State.DONE:
                return False
            if own is not State.DONE or not same(part, folder):
                shutil.rmtree(folder, ignore_errors=True)
                system.patiently(os.rename, part, folder)
            self.write_note(name, there.note)
        return True

    def fetch_time(self, name: str, there: Entry) -> None:
        """Fetch the time that a table took, and nothing else of it, unless the copy has the table."""
        path, note = self.root / name / FIRST, f"time {there.version} {there.size}"
        if (self.note(name) == note and path.exists()) or state(path.parent) in (State.DONE, State.RUNNING):
            return
        beginning = self.objects.read(name + TAR, BEGINNING)
        if beginning is not None and (time := first_file(beginning)) is not None:
            write_bytes(path, time)
            self.write_note(name, note)

    def fetch_model(self, folder: Path) -> None:
        """Fetch the model of a cell if the copy lacks it. Raises UserError if it is damaged."""
        name = self.name(folder)
        if (folder / MODEL).exists():
            return
        with part_folder(folder) as part:
            if not self.objects.read_to(name + WITH_MODEL, archive := part / "archive"):
                return
            try:
                with archive.open("rb") as content:
                    extract(content, part)
            except BROKEN as error:
                place = f"{self.objects.url}/{name}{WITH_MODEL}"
                raise UserError(f"{place} is damaged ({error}); train the cell again with --force") from error
            with contextlib.suppress(OSError):  # another process was faster
                system.patiently(os.rename, part / MODEL, folder / MODEL)
        self.write_note(name + WITH_MODEL, "sent")

    def fetch_plain(self, name: str, entry: Entry) -> None:
        """Fetch a JSON file that changed there or cannot be used here. Looks of both sides are joined; manifests keep
        the time of their run."""
        path = self.root / name
        noted = self.note(name).split()
        if noted[:1] == [entry.version] and usable(path):
            return
        if (content := self.objects.read(name)) is None:
            return
        mine = looks_in(path) if name.startswith(LOOKS) and usable(path) else None
        write_bytes(path, content)
        self.write_note(name, f"{entry.version} {digest(content.hex())}")
        if mine and usable(path):
            write_json(path, united([mine, looks_in(path)]))
        os.utime(path, (entry.changed, entry.changed))

    def there(self, name: str) -> Remote:
        """What the remote store has of one folder now."""
        return results(self.objects.beginning_with(f"{name}.")).get(name, Remote())

    def there_of(self, names: Iterable[str]) -> Iterator[Remote]:
        """`there` of several folders, asked at the same time."""
        return self.objects.pool.map(self.there, names)

    def drop(self, name: str, before: str, done: Fetched) -> None:
        """Remove a folder of the copy that the remote store has no more.

        It stays while a process here computes it, and if one has changed it since the note was `before`.
        """
        with exclusive(self.root):
            if self.note(name) != before:
                return
            if (self.root / name).exists() and state(self.root / name) is not State.RUNNING:
                shutil.rmtree(self.root / name, ignore_errors=True)
                done.dropped.append(name)
            self.write_note(name, "")

    # What the copy has.

    def send(self) -> list[str]:
        """Send what the remote store lacks: folders, models, JSON files. Returns the names of the folders sent.

        What commands forgot is removed there first. Raises TransferError.
        """
        self.remove_forgotten()
        new = [name for name in self.folders() if self.unsent(name)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [name for name, was in zip(new, pool.map(self.send_one, new), strict=True) if was]
        for path in self.root.glob(f"[!.]*/*/*/{MODEL}"):
            self.send_model(path.parent)
        self.send_json()
        return sent

    def send_one(self, name: str) -> bool:
        """Send a folder if it is done or failed. False if not, or if the remote store has a result, which is fetched.

        The archive is created only if it is absent: a run that lost its lease cannot overwrite the result of another.
        A failure is no result where another run has one.
        """
        self.remove(name)
        folder, now = self.root / name, state(self.root / name)
        if now not in (State.DONE, State.FAILED):
            return False
        new = now is State.DONE or self.there(name).done is None
        if new:
            content = packed(folder, lambda name: name != MODEL)
            new = self.objects.create(name + (TAR if now is State.DONE else FAILED), content)
        there = self.there(name)
        if not new or there.state is not now:
            self.fetch_one(name, there, Fetched())
            return False
        self.write_note(name, there.note)
        return True

    def send_model(self, folder: Path) -> None:
        """Send the model of a finished cell, once."""
        name = self.name(folder)
        if self.note(name + WITH_MODEL) or state(folder) is not State.DONE:
            return
        self.objects.create(name + WITH_MODEL, packed(folder, lambda name: name == MODEL))
        self.write_note(name + WITH_MODEL, "sent")

    def send_json(self) -> None:
        """Send the JSON files that changed here."""
        for folder in PLAIN:
            for path in sorted((self.root / folder).glob("*.json")):
                self.send_plain(path)

    def send_plain(self, path: Path) -> None:
        """Send a JSON file if it changed here and can be used. Looks that others have sent meanwhile stay there."""
        name, content = self.name(path), path.read_bytes()
        if self.note(name).split()[1:] == [digest(content.hex())] or not usable(path):
            return
        if name.startswith(LOOKS) and (there := self.objects.entry(name)) is not None:
            self.fetch_plain(name, there)
            content = path.read_bytes()
        self.objects.write(name, content)
        entry = self.objects.entry(name)
        self.write_note(name, f"{entry.version} {digest(content.hex())}" if entry is not None else "")

    # What commands forget.

    def forget(self, name: str) -> None:
        """Note that a command forgot a folder or JSON file: the version that the copy had is removed there, too."""
        if note := self.note(name):
            self.forgotten[name] = note
            self.write_note(name, "")
            self.write_note(name + WITH_MODEL, "")

    def remove_forgotten(self) -> list[str]:
        """Remove what was forgotten, and return what the remote store then has no more. Raises TransferError."""
        return [name for name in sorted(self.forgotten) if self.remove(name)]

    def remove(self, name: str) -> bool:
        """Remove from the remote store what a command forgot, unless it changed there since. False if it is not there.

        The one place from which a result or a JSON file is removed.
        """
        if (note := self.forgotten.get(name)) is None:
            return False
        words = note.split()
        if JSON_FILE.fullmatch(name):
            entry, version, suffixes = self.objects.entry(name), words[0], [""]
        else:
            there, version = self.there(name), words[1]
            entry = there.failed if words[0] == "failed" else there.done
            # With a finished result goes the failure over which it has won. It goes last, so that none is left alone.
            suffixes = [FAILED] if words[0] == "failed" else [WITH_MODEL, FAILED, TAR]
        found = entry is not None and entry.version == version
        for suffix in suffixes if found else ():
            self.objects.remove(name + suffix)
        self.forgotten.pop(name, None)
        return found


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same finished result, whole."""
    if not (one / DONE).exists() or not (other / DONE).exists() or damage(other):
        return False
    return (one / DONE).read_bytes() == (other / DONE).read_bytes()
