"""Folders of a store as tar archives, in which they travel to other machines."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bench import system
from bench.store.files import part_folder
from bench.store.layout import DONE, LEASE, TIMING
from bench.store.leases import exclusive

FIRST = TIMING  # the first file of an archive, which its beginning holds whole
BEGINNING = 2**16  # bytes of an archive that hold its first file
BROKEN = (tarfile.TarError, EOFError, ValueError)  # what Python raises for an archive that was cut or changed


def packed(folder: Path, chosen: Callable[[str], bool] = lambda name: True) -> bytes:
    """The files of a folder whose names are chosen as a tar archive; never its lease, or what is half-written."""
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: (name != FIRST, name))
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in names:
            if name != LEASE and not name.endswith(".part") and chosen(name):
                archive.add(folder / name, arcname=name)
    return target.getvalue()


def extract(content: BinaryIO, folder: Path) -> None:
    """Write the files of an archive to a folder, and nothing outside of it. Raises one of `BROKEN`."""
    with tarfile.open(fileobj=content) as archive:
        archive.extractall(folder, filter="data")


def unpack(content: bytes, folder: Path, root: Path) -> None:
    """Make a folder below `root` from an archive, at once; nothing if another process has made it meanwhile.

    Replaces what a process that died has left there.
    """
    with part_folder(folder) as part:
        extract(io.BytesIO(content), part)
        try:
            system.patiently(os.rename, part, folder)
        except OSError:
            with exclusive(root):  # of two processes the second must not remove what the first has made
                if not (folder / DONE).exists():
                    shutil.rmtree(folder, ignore_errors=True)
                    with contextlib.suppress(OSError):
                        system.patiently(os.rename, part, folder)
            if not (folder / DONE).exists():
                raise


def first_file(beginning: bytes) -> bytes | None:
    """The content of `FIRST` from the beginning of an archive; None if the archive has no such file."""
    with contextlib.suppress(*BROKEN), tarfile.open(fileobj=io.BytesIO(beginning)) as archive:
        member = archive.next()
        if member is not None and member.name == FIRST:
            file = archive.extractfile(member)
            return None if file is None else file.read()
    return None
