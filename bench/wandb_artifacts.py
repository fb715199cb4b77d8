"""`wandb:entity/project/name:version` wherever a model or a data set is named: downloaded, checked, then a folder.

A data set's file is named behind it: `wandb:entity/project/name:version/train.json`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from bench.errors import UserError
from bench.store.files import whole_folder

SCHEME = "wandb:"
FORM = re.compile(r"(?P<entity>[^/:]+)/(?P<project>[^/:]+)/(?P<name>[^/:]+):(?P<version>[^/:]+)(?:/(?P<file>.+))?")
SEAL = ".artifact.json"  # written last: the download is whole


def is_reference(name: str | Path) -> bool:
    """Whether a name asks for a W&B artifact."""
    return str(name).startswith(SCHEME)


def located(place: str) -> str | Path:
    """A place as it is, or where the artifact lies that it names. Raises UserError."""
    return local(place) if is_reference(place) else place


def local(reference: str) -> Path:
    """The folder (or file) of an artifact, downloaded unless it is kept already.

    Raises UserError: malformed, unknown, damaged on the way, or not kept and the server out of reach.
    """
    parts = FORM.fullmatch(reference.removeprefix(SCHEME))
    if parts is None:
        raise UserError(f"{reference!r} is not wandb:entity/project/name:version")
    folder = artifact(reference, parts)
    path = folder / (parts["file"] or "")
    if not path.exists():
        held = ", ".join(sorted(file.name for file in folder.iterdir() if file.name != SEAL))
        raise UserError(f"{reference}: the artifact has no such file; it holds {held}")
    return path


def artifact(reference: str, parts: re.Match[str]) -> Path:
    """The folder of an artifact."""
    kept = cache() / parts["entity"] / parts["project"] / f"{parts['name']}:{parts['version']}"
    if re.fullmatch(r"v\d+", parts["version"]) and (kept / SEAL).exists():
        return kept  # a numbered version never changes
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        raise UserError(f"{reference} is not kept in {cache()} and WANDB_MODE is {os.environ['WANDB_MODE']}")
    return download("{entity}/{project}/{name}:{version}".format(**parts.groupdict()), kept)


def download(name: str, kept: Path) -> Path:
    """Fetch an artifact into a folder named by the version that an alias stands for now."""
    import wandb

    if why := why_unreachable():
        raise UserError(f"{SCHEME}{name} cannot be had: {why}")
    try:
        found = wandb.Api(timeout=PATIENCE).artifact(name)
        target = kept.with_name(f"{kept.name.partition(':')[0]}:{found.version}")
        if (target / SEAL).exists():
            return target
        shutil.rmtree(target, ignore_errors=True)  # without its seal it is not whole
        with whole_folder(target) as part:
            found.download(root=str(part))
            found.verify(root=str(part))
            (part / SEAL).write_text(json.dumps({"artifact": found.qualified_name, "digest": found.digest}))
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise UserError(f"{SCHEME}{name} cannot be had: {' '.join(str(error).split())[:300]}") from error
    return target


def named(artifact: str) -> str:
    """How an artifact is referred to here."""
    return f"{SCHEME}{artifact}"


def origin(path: Path) -> str | None:
    """The W&B artifact (entity/project/name:version) that a folder or a file in it was downloaded from, if any."""
    seal = next((folder / SEAL for folder in (path, *path.parents) if (folder / SEAL).exists()), None)
    return None if seal is None else str(json.loads(seal.read_text(encoding="utf-8"))["artifact"])


def cache() -> Path:
    """The folder of downloads and converted encoders: BENCH_CACHE, or one in the user's cache.

    The folder of the project's former distribution name goes on being used where only that one exists.
    """
    if folder := os.environ.get("BENCH_CACHE"):
        return Path(folder)
    current = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "data-weighting-bench"
    former = Path.home() / ".cache" / "counterweight"
    return former if former.is_dir() and not current.is_dir() else current


PATIENCE = 10  # seconds to wait for it


def address() -> str:
    """The server that the client asks: of the environment, of its settings, or W&B's own."""
    import wandb

    return wandb.setup().settings.base_url


def why_unreachable() -> str:
    """Why the server that the client would ask cannot be had; empty where it answers, whatever it says."""
    import requests

    url = address()
    try:
        requests.head(url, timeout=PATIENCE)
    except requests.exceptions.SSLError:
        return ""  # it does answer, and the client has certificates of its own
    except requests.Timeout:
        return f"{url} does not answer within {PATIENCE} s"
    except requests.RequestException:
        return f"{url} cannot be reached"
    return ""
