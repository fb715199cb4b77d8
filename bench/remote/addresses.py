"""What is written for a store: a folder, `file:///folder`, or the address of a remote store such as s3://bucket/prefix."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from bench.errors import UserError

# A path joins the two slashes of an address to one, or has none of them at its end.
ADDRESSED = re.compile(r"(?P<scheme>[a-z][a-z0-9+]+):(/+(?P<place>.*))?", re.DOTALL | re.IGNORECASE)
HOST = re.compile("file://[^/]", re.IGNORECASE)


def parsed(out: str | Path) -> tuple[str, str]:
    """The scheme in lower case and the place of an address; of a folder `file` and its path.

    Raises UserError for an address that cannot be used.
    """
    match = ADDRESSED.fullmatch(out.as_posix() if isinstance(out, PurePath) else out)
    if match is None or (match["scheme"].lower() != "file" and Path(out).exists()):
        return "file", str(out)
    refuse_host(str(out))
    scheme, place = match["scheme"].lower(), (match["place"] or "").strip("/")
    if scheme == "file":
        return scheme, place if Path(place).drive else f"/{place}"  # a drive of Windows
    if "@" in place.partition("/")[0]:
        raise UserError(
            "--out holds an @, perhaps a password, and is recorded; leave out what is before the @, and give keys as "
            "the variables of the object store, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not place:
        raise UserError(f"--out {scheme}:// names no bucket; write {scheme}://BUCKET/PREFIX")
    return scheme, place


def refuse_host(text: str) -> None:
    """Raise UserError for file://NAME/..., in which NAME is a machine: a path no longer shows it."""
    if HOST.match(text):
        path = text[len("file://") :]
        raise UserError(f"{text} names a machine, {path.partition('/')[0]}; write a folder as {path} or file:///{path}")
