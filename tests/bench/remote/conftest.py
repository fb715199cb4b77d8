"""A bucket on a real S3 server, and copies of a store in it, as two machines have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from bench.remote import objects
from bench.remote.local_copy import LocalCopy
from bench.remote.opened import objects_at
from tests.helpers.s3_server import s3_server

NUMBERS = count()


@pytest.fixture(scope="package")
def bucket() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def address(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of an empty store; copies lie below `tmp_path/cache`."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(objects, "PAUSE", 0.01)
    return f"{bucket}/runs/{next(NUMBERS)}"


@pytest.fixture
def copy(address: str, tmp_path: Path) -> Callable[[str], LocalCopy]:
    """`copy("a")` is the copy of machine a."""
    return lambda machine: LocalCopy(tmp_path / machine, objects_at(address, "s3"))
