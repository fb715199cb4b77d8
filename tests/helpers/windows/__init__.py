"""Windows, as far as it can be simulated on Linux.

`simulate()` changes this process, and all that it starts. In the simulation

- `bench.system` takes its Windows module, and its locks of parts of files are those that Linux has;
- modules that Windows lacks cannot be imported by the project (other packages need them here);
- the project cannot replace, rename or remove a file that some process has open or mapped, nor a folder with one;
- an empty folder is not replaced, folders cannot be opened, and only files open for writing are flushed;
- texts that the project writes get `\\r\\n`, unless it says how lines end, and its default encoding is Windows-1252.

Not simulated: drives and backslashes in paths, reserved names, the console, and how processes end.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import errno
import fcntl
import functools
import io
import os
import shutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SITE = Path(__file__).parent / "site"  # its sitecustomize.py calls `simulate` in each Python that is started
ROOT = Path(__file__).parents[3]
MARK = "BENCH_SIMULATED_SYSTEM"
OURS = ("bench", "methods", "tasks")
ABSENT = {"fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty"}
LAYERS = ("pathlib", "shutil", "contextlib", "concurrent.futures.thread", __name__)  # between the project and a call
ConsoleCalls = list[tuple[None, bool]]


def lock_range(descriptor: int, mode: int, count: int) -> None:
    """`msvcrt.locking`: lock or unlock bytes from the position of an open file, for this open file alone."""
    first = os.lseek(descriptor, 0, os.SEEK_CUR)
    assert first + count < 2**31, "positions of msvcrt have 32 bits"
    writes = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    kind = fcntl.F_UNLCK if mode == MSVCRT.LK_UNLCK else fcntl.F_WRLCK if writes else fcntl.F_RDLCK
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, first, count, 0))
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


console: ConsoleCalls = []  # the calls of SetConsoleCtrlHandler
KERNEL = SimpleNamespace(SetConsoleCtrlHandler=lambda *call: console.append(call))
MSVCRT = SimpleNamespace(LK_NBLCK=2, LK_UNLCK=0, locking=lock_range)
# What `bench.system` imports in place of these modules.
FAKES: Mapping[str, Any] = {
    "sys": SimpleNamespace(platform="win32"),
    "msvcrt": MSVCRT,
    "ctypes": SimpleNamespace(**{**vars(ctypes), "windll": SimpleNamespace(kernel32=KERNEL)}),
}


def simulate() -> None:
    """Change this process, and what it starts. Called before `bench` is imported."""
    os.environ[MARK] = "windows"
    paths = [str(SITE), str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    builtins.__import__ = functools.partial(imported, builtins.__import__)
    signal.SIGBREAK = signal.SIGHUP  # type: ignore[attr-defined]
    os.O_BINARY, os.linesep = 0, "\r\n"  # type: ignore[attr-defined, misc]
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    for name in ("replace", "rename"):
        setattr(os, name, functools.partial(moved, getattr(os, name), name))
    for name in ("unlink", "remove"):
        setattr(os, name, functools.partial(removed, getattr(os, name)))
    os.open = functools.partial(opened_low, os.open)  # type: ignore[assignment]
    os.fsync = functools.partial(flushed, os.fsync)  # type: ignore[assignment]
    os.supports_fd.discard(os.utime)  # type: ignore[attr-defined]
    os.utime = functools.partial(touched, os.utime)  # type: ignore[assignment]
    builtins.open = io.open = functools.partial(opened, io.open)  # type: ignore[assignment]


def imported(
    real: Callable[..., Any], name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    """`__import__`, in which the project finds what Windows has."""
    importer = str((globals or {}).get("__name__", ""))
    if not level and importer.partition(".")[0] in OURS:
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if importer.startswith("bench.system") and name in FAKES:
            return FAKES[name]
    return real(name, globals, locals, fromlist, level)


@functools.cache
def simulated(pid: int) -> bool:
    """Whether a process is in the simulation: its path had `SITE` when it was started."""
    with contextlib.suppress(OSError):
        return b"/".join(map(str.encode, SITE.parts[-3:])) in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def held() -> Iterator[str]:
    """The files that processes of the simulation have open or mapped."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()) and not simulated(int(process.name)):
            continue
        with contextlib.suppress(OSError):
            for link in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    yield os.readlink(link)
            for line in (process / "maps").read_text().splitlines():
                yield line.partition("/")[2] and "/" + line.partition("/")[2]


def refuse_held(*paths: Any) -> None:
    """Raise PermissionError if a process has one of the files open, or a file in one of the folders."""
    reals = [os.path.realpath(path) for path in paths]
    for name in held():
        for real in reals:
            if name == real or name.startswith(f"{real}/"):
                raise PermissionError(errno.EACCES, "the file is used by another process", real)


def moved(real: Callable[..., None], kind: str, source: Any, target: Any, **options: Any) -> None:
    """`os.replace` and `os.rename`."""
    if not ours():
        return real(source, target, **options)
    if os.path.isdir(target) or (kind == "rename" and os.path.exists(target)):
        raise PermissionError(errno.EACCES, "the target exists", os.fspath(target))
    refuse_held(source, target)
    return real(source, target, **options)


def removed(real: Callable[..., None], path: Any, **options: Any) -> None:
    """`os.unlink`."""
    if ours():
        refuse_held(path)
    real(path, **options)


def opened_low(real: Callable[..., int], path: Any, *arguments: Any, **options: Any) -> int:
    """`os.open`."""
    if ours() and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
    return real(path, *arguments, **options)


def flushed(real: Callable[[int], None], descriptor: int) -> None:
    """`os.fsync`."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    real(descriptor)


def touched(real: Callable[..., None], path: Any, *arguments: Any, **options: Any) -> None:
    """`os.utime`."""
    if isinstance(path, int):
        raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
    real(path, *arguments, **options)


def opened(real: Callable[..., Any], file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    """`open`, in which the project's texts are written and read as on Windows."""
    if "b" in mode or not ours():
        return real(file, mode, *arguments, **options)
    names = ("buffering", "encoding", "errors", "newline")
    options = {**dict(zip(names, arguments, strict=False)), **options}
    if options.get("encoding") in (None, "locale"):
        options["encoding"] = "cp1252"
    if options.get("newline") is None and "r" not in mode:
        options["newline"] = "\r\n"
    return real(file, mode, **options)


def ours() -> bool:
    """Whether the project's code makes this call, perhaps through `pathlib` or `shutil`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in LAYERS:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")).partition(".")[0] in OURS
