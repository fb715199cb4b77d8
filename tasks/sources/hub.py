"""Reads a data set of the Hugging Face hub, or a folder in the layout of the hub, with `datasets`.

A place on the hub is written `ORG/NAME[:CONFIG[:SPLIT]][@REVISION]`. The origin of its table ends in the commit that
was read. A folder has no commit, so the origin of its table ends in a hash of the files.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, in_a_line
from tasks.sources.arrow_files import chosen_split, columns_of
from tasks.sources.files import label_names_of
from tasks.sources.table import Table

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

TIMEOUT = 5.0  # seconds for the hub's first answer; without it the libraries retry for half a minute
PLACE = re.compile(
    r"(?P<id>[\w.-]+/[\w.-]+)(:(?P<config>[\w.-]*))?(:(?P<split>[\w.-]+))?(@(?P<revision>[\w./-]+))?", re.ASCII
)


class UnreachableError(DataError):
    """The hub does not answer, and the cache does not hold the data set."""


@dataclass(frozen=True)
class HubPlace:
    """A data set on the hub; its configuration, split and revision where the place names them."""

    id: str
    config: str | None
    split: str | None
    revision: str | None


def hub_place(text: str) -> HubPlace | None:
    """Parse `ORG/NAME[:CONFIG[:SPLIT]][@REVISION]`; None for text of another form."""
    match = PLACE.fullmatch(text)
    return HubPlace(**{key: value or None for key, value in match.groupdict().items()}) if match else None  # type: ignore[arg-type]


def read_hub(place: HubPlace, split: str) -> Table:
    """The rows of a place on the hub. `split` is read if the place names no split.

    Raises `UnreachableError` within seconds if there is neither network nor cache, and `DataError` if the data set,
    configuration, split or revision does not exist.
    """
    commit = _commit(place)
    builder = _prepared(place.id, place.config, revision=commit)
    if commit not in (None, builder.hash):
        raise UnreachableError(f"{place.id}: the cache holds commit {builder.hash}, not {commit}")
    rows, split = _rows(builder, place.id, place.split, split)
    name = ":".join(filter(None, (place.id, place.config, split)))
    return Table(name, columns_of(rows, name), origin=f"{name}@{builder.hash}")


def read_folder(folder: Path, config: str | None, wanted: str | None, split: str) -> Table:
    """The rows of one split of a folder in hub layout: `wanted`, which must exist, or `split` if `wanted` is None."""
    with tempfile.TemporaryDirectory() as cache:  # the shared cache could return an earlier state of the files
        builder = _prepared(str(folder), config, cache_dir=cache)
        rows, split = _rows(builder, str(folder), wanted, split)
        files = sorted(str(path) for path in (builder.config.data_files or {}).get(split, []))
        names = label_names_of(folder / "dataset.json")
        origin = f"{folder.name}:{split}@{_content(files)}"
        name = f"{folder} ({split})"
        return Table(name, columns_of(rows, name), label_names=names, origin=origin)


def _commit(place: HubPlace) -> str | None:
    """The full commit of a revision on the hub. Offline it is the revision itself, which the cache may hold."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return HfApi().dataset_info(place.id, revision=place.revision, timeout=TIMEOUT).sha
    except OfflineModeIsEnabled:
        return place.revision
    except RevisionNotFoundError:
        raise DataError(f"{place.id}: the hub has no revision {place.revision}") from None
    except RepositoryNotFoundError:
        raise DataError(f"{place.id}: the hub has no such data set, or it is private") from None
    except HfHubHTTPError as error:
        raise DataError(f"{place.id}: the hub refuses the request: {in_a_line(error)}") from None
    except Exception as error:  # whatever the network raises
        raise UnreachableError(
            f"{place.id}: the hub cannot be reached ({in_a_line(error)}); set HF_HUB_OFFLINE=1 to use cached data sets"
        ) from None


def _prepared(path: str, config: str | None, **options: Any) -> DatasetBuilder:
    """The builder of a data set after its files were downloaded and prepared."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()  # it warns of another commit in the cache; here that is an error
    try:
        builder = datasets.load_dataset_builder(path, config, **options)
        builder.download_and_prepare()
    except ConnectionError:
        raise UnreachableError(f"{path}: not in the cache, and the hub cannot be reached (offline)") from None
    except Exception as error:  # parsers of many formats raise many kinds
        cause = error.__cause__ or error
        raise DataError(f"{path}: {in_a_line(cause)}") from None
    return builder


def _rows(builder: DatasetBuilder, name: str, wanted: str | None, split: str) -> tuple[Dataset, str]:
    """The rows and the name of a split."""
    chosen = chosen_split(list(builder.info.splits or {}), name, wanted, split)
    return builder.as_dataset(split=chosen), chosen


def _content(files: list[str]) -> str:
    """SHA-256 (hex, first 20 digits) over the contents of files."""
    total = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:20]
