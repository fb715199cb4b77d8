"""Opens text files in their encoding: UTF-8, UTF-16 and UTF-32, and Windows-1252, of which Latin-1 text is a part."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from tasks.errors import DataError

Content = TypeVar("Content")

HEAD_BYTES = 4096  # read to recognise an empty file or its encoding
LEGACY = "cp1252"
# Text in a Latin alphabet has fewer letters outside ASCII; other alphabets have more, and would become nonsense.
MOST_ACCENTED = 0.3
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # how a workbook of Excel 97 begins, and an encrypted one
# Files of other kinds by how they begin, and what to do with one that has the suffix of a text file.
NO_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or another zip file; name a workbook .xlsx, or unpack the file"),
    (OLD_EXCEL, "a workbook of an old Excel (.xls); save the sheet as CSV or .xlsx"),
    (b"PAR1\x15", "a Parquet file; name it .parquet"),
    (b"\x1f\x8b", "a file that gzip packed; unpack it first"),
)
# UTF-32 comes first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The zero bytes (0) among the first four, if there is no mark: the first characters are ASCII (c).
ZEROS = {
    "c000": "utf-32-le",
    "000c": "utf-32-be",
    "c0c0": "utf-16-le",
    "0c0c": "utf-16-be",
}


def read_text(
    path: Path, newline: str, read: Callable[[TextIO], Content], place: Callable[[str], str]
) -> tuple[Content, tuple[str, ...]]:
    """The result of `read` on the opened file, which is read as a stream, and a note if its encoding is not Unicode.

    `place` turns the text before a broken byte into a row or line. Raises `DataError` if the file is empty or of a kind
    that is no text, or if its bytes are no text in a known encoding.
    """
    first = head(path)
    if not first.strip():
        raise DataError(f"{path}: the file is empty")
    if what := next((what for mark, what in NO_TEXT if first.startswith(mark)), ""):
        raise DataError(f"{path}: no text, but {what}")
    encoding = unicode_encoding(first)
    try:
        with path.open(encoding=encoding, newline=newline) as file:
            return read(file), ()
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise DataError(f"{path}: the file is not valid {encoding.upper()}; save it as UTF-8") from None
    _check_legacy(path, place)
    with path.open(encoding=LEGACY, newline=newline) as file:
        note = (
            f"{path.name} is not UTF-8 and was read as Windows-1252 (Latin-1); if letters are wrong, convert it: "
            f"iconv -f ENCODING -t UTF-8 {path.name}"
        )
        return read(file), (note,)


def head(path: Path) -> bytes:
    """The first bytes of a file, after a byte-order mark of UTF-8."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).removeprefix(codecs.BOM_UTF8)


def unicode_encoding(first: bytes) -> str:
    """The encoding of a file by its byte-order mark or its zero bytes, else UTF-8."""
    marked = next((name for mark, name in MARKS if first.startswith(mark)), None)
    return marked or ZEROS.get("".join("0" if byte == 0 else "c" for byte in first[:4]), "utf-8-sig")


def _check_legacy(path: Path, place: Callable[[str], str]) -> None:
    """Raise `DataError` if a file that is not UTF-8 is no Windows-1252 either.

    A file that is UTF-8 apart from a few bytes has more valid characters outside ASCII than broken bytes.
    """
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        byte, valid = content[error.start], content.decode("utf-8", "ignore")
    else:
        raise DataError(f"{path}: the file changed while it was read")
    where = f"{path}, {place(before)}: not valid UTF-8 (byte 0x{byte:02x})"
    characters = sum(not char.isascii() for char in valid)
    if characters >= len(content) - len(valid.encode()):
        raise DataError(f"{where}; save the file as UTF-8")
    accented = len(content) - sum(map(str.isascii, valid))
    letters = accented + sum(char.isascii() and char.isalpha() for char in valid)
    try:
        content.decode(LEGACY)
    except UnicodeDecodeError:
        accented = letters
    if accented > MOST_ACCENTED * letters:
        command = f"iconv -f ENCODING -t UTF-8 {path.name} > utf8{path.suffix}"
        raise DataError(f"{where}, and not Latin-1; save the file as UTF-8: {command}")
