"""What `--out` means: a folder, or the address of a remote store, of which commands get the local copy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bench.errors import UserError, unknown
from bench.remote.addresses import parsed
from bench.remote.lives import living_runs
from bench.remote.local_copy import LocalCopy
from bench.remote.objects import Objects, TransferError
from bench.store import find
from bench.store.layout import GRIDS, root_of
from bench.wandb_artifacts import cache
from tasks.errors import plural, user_path

EXTRAS = {"s3": "'data-weighting-bench[s3]'", "s3a": "'data-weighting-bench[s3]'", "gs": "gcsfs", "gcs": "gcsfs"}
SERVERS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "FSSPEC_S3_ENDPOINT_URL", "STORAGE_EMULATOR_HOST")
_copies: dict[Path, LocalCopy] = {}


def local_folder(out: str | Path) -> Path:
    """The folder in which commands work on a store: `out` itself, or the local copy of the remote store at `out`.

    Sends no request. Raises UserError for an address that cannot be used, and where a package for it is missing.
    """
    scheme, place = parsed(out)
    if scheme == "file":
        return user_path(place)
    url = f"{scheme}://{place}"
    # Buckets of one name on two servers are two stores.
    servers = [os.environ.get(name, "") for name in SERVERS]
    mark = hashlib.sha256("\n".join([url, *servers]).encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.-]+", "-", url)[:80]
    root = Path(os.path.realpath(cache() / "stores" / f"{name}-{mark}"))
    if root not in _copies:
        _copies[root] = LocalCopy(root, objects_at(url, scheme))
    return root


def objects_at(url: str, scheme: str) -> Objects:
    """The objects of a remote store. Raises UserError for an unknown scheme, or without the package for it."""
    import fsspec

    try:
        fsspec.get_filesystem_class(scheme)
        system, prefix = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        install = f"pip install {EXTRAS[scheme]}" if scheme in EXTRAS else "install it with pip"
        raise UserError(f"--out {url} needs a package that is missing ({error}): {install}") from error
    except ValueError as error:
        if scheme not in fsspec.available_protocols():
            raise unknown("kind of store", scheme, ("s3", "gs", "file")) from error
        raise UserError(f"--out {url}: {error}") from error
    return Objects(url, system, prefix.rstrip("/"))


def copy_of(root: Path) -> LocalCopy | None:
    """The copy whose folder is `root`; None if that is a store itself."""
    return _copies.get(Path(os.path.realpath(root)))


def fetched(out: str | Path, *, whole: bool = False) -> Path:
    """The folder of a store for a command that reads it, up to date. Without `whole`, large tables are left out.

    Raises UserError for a remote store that is empty, and TransferError where it cannot be read.
    """
    root = local_folder(out)
    if (copy := copy_of(root)) is not None:
        tell(copy.fetch(whole=whole).lines(copy.objects.url, root))
        if not any((root / GRIDS).glob("*.json")) and not any(copy.folders()):
            raise UserError(f"no results in {copy.objects.url}: no grid was run there, or there is no such bucket")
    return root


def send_looks(root: Path) -> None:
    """Send what a report notes of itself in a store, if the store may be written."""
    if (copy := copy_of(root)) is not None:
        with contextlib.suppress(TransferError):
            copy.send_json()


@contextlib.contextmanager
def opened(out: str | Path, *, removes: bool = False, may_be_new: bool = False, whole: bool = True) -> Iterator[Path]:
    """The folder of a store for a command that changes it in the body; the changes are then sent.

    Without `whole`, large tables are left out. With `removes` the body may call `forgot`: UserError if a run uses the
    store then.
    """
    root = local_folder(out)
    if (copy := copy_of(root)) is None:
        yield root
        return
    with contextlib.suppress(UserError) if may_be_new else contextlib.nullcontext():
        fetched(out, whole=whole)
    if removes and (users := living_runs(copy)):
        raise UserError(f"a run uses {copy.objects.url} ({'; '.join(users)}); clean when it is done")
    yield root
    gone = copy.remove_forgotten()
    sent = copy.send()
    parts = [f"{plural(len(sent), 'folder')} sent"] * bool(sent) + [f"{len(gone)} removed"] * bool(gone)
    tell([f"{copy.objects.url}: {', '.join(parts)}"] if parts else [])


def forgot(root: Path, path: Path) -> None:
    """Say that a command forgot a folder or JSON file of the store at `root`, which is then removed in a bucket too."""
    if (copy := copy_of(root)) is not None:
        copy.forget(copy.name(path))


def bytes_there(folder: Path) -> int:
    """The size of a finished table in a bucket of whose copy this is the folder, with its time alone; otherwise 0."""
    copy = copy_of(root_of(folder))
    words = copy.note(copy.name(folder)).split() if copy is not None else []
    return int(words[2]) if words[:1] == ["time"] else 0


def model_of(name: str, out: str | Path) -> str:
    """`bench.store.find.model_of` in a store, whose copy gets the model of a cell if it lacks it."""
    root = local_folder(out)
    if copy_of(root) is not None and find.names_cell(name):
        return saved_model(find.find(fetched(out), name), root)
    return find.model_of(name, root)


def saved_model(cell: Path, root: Path) -> str:
    """The folder of a cell's model, which the copy of a bucket gets if it lacks it.

    A cell that is named by its folder may be of another store. Raises UserError for a cell without a whole model.
    """
    copy, place = copy_of(root), cell.resolve()
    if copy is not None and place.is_relative_to(copy.root):
        copy.fetch_model(place)
    return find.model_of(str(cell), root)


def checkers_of(names: Mapping[str, str | None], out: str | Path) -> dict[str, str | None]:
    """`model_of` for each name that is not empty."""
    return {key: model_of(name, out) if name and name.strip() else name for key, name in names.items()}


def tell(lines: Iterable[str]) -> None:
    """Print lines on standard error: standard output belongs to what the command was asked for."""
    for line in lines:
        print(line, file=sys.stderr)
