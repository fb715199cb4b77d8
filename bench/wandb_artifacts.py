"""W&B artifacts as models and data sets: `wandb:entity/project/name:version` is downloaded to a folder.

A file of a data set follows its version: `wandb:entity/project/name:version/train.json`. Of several names separated by
|, the first that is there is taken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from pydantic import BaseModel

from bench import system
from bench.errors import UserError
from bench.store.files import read_json, whole_folder, write_text
from tasks.errors import in_a_line, short_repr, without_password

SCHEME = "wandb:"
FORM = re.compile(r"(?P<entity>[^/:]+)/(?P<project>[^/:]+)/(?P<name>[^/:]+):(?P<version>[^/:]+)(?:/(?P<file>.+))?")
SEAL = ".artifact.json"  # written last: shows that a download is whole


class Seal(BaseModel):
    """The content of the seal."""

    artifact: str


def is_artifact(name: str | Path) -> bool:
    """Whether a name is that of a W&B artifact."""
    return str(name).startswith(SCHEME)


def located(place: str) -> str | Path:
    """The local folder or file of a W&B artifact; any other place is returned as it is. Raises UserError."""
    return local(place) if is_artifact(place) else place


def local(name: str) -> Path:
    """The folder (or file) of a W&B artifact, downloaded unless the cache has it.

    Raises UserError for a name that is malformed or unknown, a damaged download, or a server that does not answer.
    """
    parts = FORM.fullmatch(name.removeprefix(SCHEME))
    if parts is None:
        raise UserError(f"{short_repr(name)} is not of the form wandb:entity/project/name:version")
    folder = artifact(name, parts)
    paths = [folder / name for name in (parts["file"] or "").split("|")]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        files = ", ".join(sorted(file.name for file in folder.iterdir() if file.name != SEAL))
        raise UserError(f"{name}: the W&B artifact has no such file; it has {files}")
    return path


def artifact(name: str, parts: re.Match[str]) -> Path:
    """The folder of a W&B artifact; `parts` are those of its name."""
    folder = cache() / parts["entity"] / parts["project"] / system.folder_name(f"{parts['name']}:{parts['version']}")
    if re.fullmatch(r"v\d+", parts["version"]) and (folder / SEAL).exists():
        return folder  # a numbered version never changes
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        raise UserError(f"{name} is not in {cache()}, and WANDB_MODE={os.environ['WANDB_MODE']} forbids to download it")
    return download("{entity}/{project}/{name}:{version}".format(**parts.groupdict()), folder)


def download(name: str, folder: Path) -> Path:
    """Download a W&B artifact to a folder beside `folder`, named by its version if `name` has an alias."""
    import wandb

    if why := why_unreachable():
        raise UserError(f"{SCHEME}{name} is not available: {why}")
    try:
        remote = wandb.Api(timeout=PATIENCE).artifact(name)
        base = name.rpartition("/")[2].partition(":")[0]
        target = folder.with_name(system.folder_name(f"{base}:{remote.version}"))
        if (target / SEAL).exists():
            return target
        shutil.rmtree(target, ignore_errors=True)  # without its seal it is not whole
        with whole_folder(target) as part:
            remote.download(root=str(part))
            remote.verify(root=str(part))
            write_text(part / SEAL, json.dumps({"artifact": remote.qualified_name, "digest": remote.digest}))
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise UserError(f"{SCHEME}{name} is not available: {in_a_line(error)}") from error
    return target


def option_name(artifact: str) -> str:
    """The name of a W&B artifact as options take it."""
    return f"{SCHEME}{artifact}"


def origin(path: Path) -> str | None:
    """The W&B artifact (entity/project/name:version) that a folder or a file in it was downloaded from, if any."""
    seal = next((folder / SEAL for folder in (path, *path.parents) if (folder / SEAL).exists()), None)
    return None if seal is None else str(read_json(seal, Seal)["artifact"])


def cache() -> Path:
    """The folder of downloads and converted encoders: BENCH_CACHE, or one in the user's cache.

    The folder under the project's former name is used if only that one exists.
    """
    if folder := os.environ.get("BENCH_CACHE"):
        return Path(folder)
    current = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "data-weighting-bench"
    former = Path.home() / ".cache" / "counterweight"
    return former if former.is_dir() and not current.is_dir() else current


PATIENCE = 10  # seconds to wait for the server


def address() -> str:
    """The URL of the client's server: of the environment, of its settings, or W&B's own. It may hold a password."""
    import wandb

    return wandb.setup().settings.base_url


def why_unreachable() -> str:
    """Why the client's server cannot be reached, empty if it answers.

    Checked before the client is used, which would wait longer and report less.
    """
    import requests

    url = address()
    place = without_password(url)
    try:
        requests.head(url, timeout=PATIENCE)
    except requests.exceptions.SSLError:
        return ""  # it answers, and the client has certificates of its own
    except requests.Timeout:
        return f"{place} does not answer within {PATIENCE} s"
    except requests.RequestException:
        return f"{place} cannot be reached"
    return ""
