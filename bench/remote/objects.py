"""The objects of a remote store, through fsspec: read, written, created if absent, listed, removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import UserError
from tasks.errors import in_a_line, plural

Value = TypeVar("Value")

TRIES, PAUSE = 4, 1.0  # attempts of a request, and the seconds before the second one, which double each time
AT_ONCE = 16  # requests at a time
LASTING = (FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)  # another attempt ends the same
NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound")
UNREACHABLE = ("EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError", "ConnectionClosedError")


class TransferError(UserError):
    """A request to a remote store failed, also when it was repeated."""


class RefusedError(TransferError):
    """A request was refused, and would be if it was repeated."""


@dataclass(frozen=True)
class Entry:
    """An object of a listing."""

    version: str  # another one after each change of the content
    size: int  # bytes
    changed: float  # seconds since 1970


class Objects:
    """The objects below the prefix of a remote store, by their names there. Names are relative, with slashes.

    Every method raises TransferError, which names the object, where the store does not do what it is asked.
    """

    def __init__(self, url: str, system: Any, prefix: str) -> None:
        """`system`: a file system of fsspec without a cache of listings; `prefix`: the bucket and the start of keys."""
        self.url, self.system, self.prefix = url, system, prefix
        self.pool = ThreadPoolExecutor(AT_ONCE)  # for single requests, none of which waits for another
        self.repeated = 0  # requests that were sent again
        self.answered = False  # whether the store has answered so far: before, nothing is repeated

    def read(self, name: str, size: int | None = None) -> bytes | None:
        """The content of an object, or its first `size` bytes; None if there is none."""
        return self._absent_as_none("read", name, lambda path: self.system.cat_file(path, end=size))

    def read_to(self, name: str, path: Path) -> bool:
        """Write the content of an object to a file, in pieces: archives may be larger than memory. False if absent."""

        def copied(place: str) -> bool:
            self.system.get_file(place, str(path))
            return True

        return self._absent_as_none("read", name, copied) or False

    def write(self, name: str, content: bytes) -> None:
        """Write an object, in place of another one."""
        self._put(name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one: False, and nothing is written. One request, where the store has it."""
        try:
            self._put(name, content, mode="create")
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        self._absent_as_none("remove", name, self.system.rm_file)

    def entry(self, name: str) -> Entry | None:
        """Version, size and time of an object; None if there is none."""
        found = self._absent_as_none("read", name, self.system.info)
        return None if found is None else entry_of(found)

    def beginning_with(self, name: str) -> dict[str, Entry]:
        """The objects whose names begin with `name`, all in one folder."""
        folder, _, start = name.rpartition("/")
        return {key: entry for key, entry in self._listed(folder, start).items() if key.startswith(name)}

    def listing(self, folders: Iterable[str]) -> dict[str, Entry]:
        """All objects in some folders, and in those below them."""
        found = self.pool.map(self._listed, sorted(set(folders)))
        return {name: entry for entries in found for name, entry in entries.items()}

    def _listed(self, folder: str, start: str = "") -> dict[str, Entry]:
        """`listing` of one folder; "" is the whole store. Object stores list only what begins with `start` there."""
        how = {"detail": True, **({"prefix": start} if start else {})}
        found = self._absent_as_none("list", folder, lambda path: self.system.find(path, **how)) or {}
        known = self.prefix.strip("/") + "/"
        return {path.strip("/").removeprefix(known): entry_of(info) for path, info in found.items()}

    def _put(self, name: str, content: bytes, **how: Any) -> None:
        """Write an object. Raises TransferError where its bucket is missing, FileExistsError as `how` says."""
        try:
            self._request("write", name, lambda path: self.system.pipe_file(path, content, **how))
        except FileNotFoundError as error:
            raise TransferError(
                f"cannot write {self.url}/{name}: {in_words(error)}; create the bucket first"
            ) from error

    def _absent_as_none(self, verb: str, name: str, call: Callable[[str], Value]) -> Value | None:
        """`_request`; None where there is no such object."""
        with contextlib.suppress(FileNotFoundError):
            return self._request(verb, name, call)
        return None

    def _request(self, verb: str, name: str, call: Callable[[str], Value]) -> Value:
        """The answer to a request, which is repeated if it fails. Raises FileNotFoundError and FileExistsError too."""
        path = f"{self.prefix}/{name}".rstrip("/")
        for attempt in range(1, TRIES + 1):
            try:
                answer = call(path)
                self.answered = True
                return answer
            except (FileNotFoundError, FileExistsError):
                self.answered = True
                raise
            except Exception as error:  # each file system has errors of its own
                if attempt == TRIES or not self.answered or lasting(error):
                    times = f" in {plural(attempt, 'attempt')}" if attempt > 1 else ""
                    kind = RefusedError if lasting(error) else TransferError
                    raise kind(f"cannot {verb} {self.url}/{name}{times}: {in_words(error)}") from error
            self.repeated += 1
            time.sleep(PAUSE * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")


def entry_of(info: Mapping[str, Any]) -> Entry:
    """An entry of a listing. Stores without a version of their own have size and time in its place."""
    times = [info.get(name) for name in ("LastModified", "mtime", "updated", "created", "last_modified")]
    changed = max((seconds(one) for one in times if one is not None), default=0.0)
    versions = [info.get(name) for name in ("ETag", "etag", "generation")]
    size = int(info.get("size") or 0)
    version = next((str(one).strip('"') for one in versions if one), f"{size}-{changed}")
    return Entry(version, size, changed)


def seconds(moment: Any) -> float:
    """A moment, as file systems give it, in seconds since 1970."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return float(moment.timestamp() if isinstance(moment, datetime) else moment)


def lasting(error: Exception) -> bool:
    """Whether another attempt would end the same."""
    return isinstance(error, LASTING) or type(error).__name__ in NO_CREDENTIALS


def in_words(error: Exception) -> str:
    """What a file system's error says, in one line, with what fixes it."""
    name, line = type(error).__name__, in_a_line(error)
    if name in NO_CREDENTIALS:
        return f"{line}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with the client of the store"
    if isinstance(error, PermissionError):
        return f"access denied ({line})"
    if name in UNREACHABLE:
        return f"it cannot be reached ({line})"
    return line
