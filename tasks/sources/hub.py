"""Read a data set of the Hugging Face hub, or a folder of files in the layout that the hub has, with `datasets`.

A place of the hub is written `ORG/NAME[:CONFIG[:SPLIT]][@REVISION]`. The origin of its table ends in the commit that
was read; a folder has no commit, and the origin of its table ends in a hash of the files.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, listed
from tasks.sources.files import Table

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

TIMEOUT = 5.0  # seconds for the hub's first answer; the libraries' own retries go on for half a minute
TEST = "test"  # the split that is never anything else
PLACE = re.compile(
    r"(?P<id>[\w.-]+/[\w.-]+)(:(?P<config>[\w.-]*))?(:(?P<split>[\w.-]+))?(@(?P<revision>[\w./-]+))?", re.ASCII
)


class UnreachableError(DataError):
    """The hub cannot be asked, and the cache does not have the data set."""


@dataclass(frozen=True)
class HubPlace:
    """Which rows of the hub: a data set, perhaps one of its configurations, splits and revisions."""

    id: str
    config: str | None
    split: str | None
    revision: str | None


def hub_place(text: str) -> HubPlace | None:
    """A place of the hub taken apart; None for text that is not written like one."""
    found = PLACE.fullmatch(text)
    return HubPlace(**{key: value or None for key, value in found.groupdict().items()}) if found else None  # type: ignore[arg-type]


def read_hub(place: HubPlace, split: str) -> Table:
    """The rows of a place; `split` is the one that is meant where the place names none.

    Raises UnreachableError within seconds where there is neither network nor cache, and DataError for a data set,
    configuration, split or revision that is not there.
    """
    commit = _commit(place)
    builder = _prepared(place.id, place.id, place.config, revision=commit)
    if commit not in (None, builder.hash):
        raise UnreachableError(f"{place.id}: the cache holds commit {builder.hash}, not {commit}")
    rows, split = _rows(builder, place.id, place.split, split)
    named = ":".join(filter(None, (place.id, place.config, split)))
    return Table(named, _columns(rows), origin=f"{named}@{builder.hash}")


def read_folder(folder: Path, config: str | None, wanted: str | None, split: str) -> Table:
    """The rows of one split of a folder in hub layout. `wanted` must be there, `split` is what is meant otherwise."""
    with tempfile.TemporaryDirectory() as cache:  # the shared cache could hand out files as they once were
        builder = _prepared(str(folder), str(folder), config, cache_dir=cache)
        rows, split = _rows(builder, str(folder), wanted, split)
        files = sorted(str(path) for path in (builder.config.data_files or {}).get(split, []))
        return Table(f"{folder} ({split})", _columns(rows), origin=f"{folder.name}:{split}@{_content(files)}")


def _commit(place: HubPlace) -> str | None:
    """The full commit that a revision means on the hub; offline, the revision as it is, for the cache."""
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
        raise DataError(f"{place.id}: the hub refuses: {_first_line(error)}") from None
    except Exception as error:  # whatever the network raises
        raise UnreachableError(
            f"{place.id}: the hub cannot be reached ({error}); HF_HUB_OFFLINE=1 uses what is cached"
        ) from None


def _prepared(path: str, name: str, config: str | None, **options: Any) -> DatasetBuilder:
    """The builder of a data set with its files there."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()  # what it warns of, another commit in the cache, is an error here
    try:
        builder = datasets.load_dataset_builder(path, config, **options)
        builder.download_and_prepare()
    except ConnectionError:
        raise UnreachableError(f"{name}: not in the cache, and the hub cannot be asked (offline)") from None
    except Exception as error:  # of parsers of many formats
        cause = error.__cause__ or error
        raise DataError(f"{name}: {_first_line(cause)}") from None
    return builder


def _rows(builder: DatasetBuilder, name: str, wanted: str | None, split: str) -> tuple[Dataset, str]:
    """A split and its name: the one wanted, the one meant, or the only one that has no other meaning.

    Raises DataError: rows that are called test are never read as training rows.
    """
    splits = list(builder.info.splits or {})
    chosen = wanted or (splits[0] if len(splits) == 1 and splits != [TEST] else split)
    if chosen not in splits:
        raise DataError(f"{name}: no split {chosen!r}; there are: {listed(splits)}")
    return builder.as_dataset(split=chosen), chosen  # type: ignore[return-value]


def _columns(rows: Dataset) -> dict[str, list[Any]]:
    """Columns as lists, classes by name; the hub's -1 is a label that is missing."""
    if not len(rows):
        raise DataError(f"{rows.info.dataset_name}: no rows")
    columns = rows.with_format(None)[:]
    for name, feature in rows.features.items():
        if classes := getattr(feature, "names", None):
            columns[name] = [None if label is None or label < 0 else classes[label] for label in columns[name]]
    return dict(columns)


def _content(files: list[str]) -> str:
    """SHA-256 (hex, shortened) over the contents of files."""
    total = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:20]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
