"""The bytes of the smallest Excel workbook that holds given cells."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
Cells = Sequence[Sequence[str | float | bool | None]]


def workbook(sheets: Mapping[str, Cells], sheet_xml: str = "") -> bytes:
    """A workbook with some sheets; `sheet_xml` replaces the content of the first one."""
    names, content = list(sheets), io.BytesIO()
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    with zipfile.ZipFile(content, "w") as file:
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kinds}.worksheet+xml"/>'
            for n, _ in enumerate(names, 1)
        )
        file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
            f'PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>{overrides}</Types>',
        )
        file.writestr("_rels/.rels", relations({"rId1": ("officeDocument", "xl/workbook.xml")}))
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1))
        file.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        parts = {f"rId{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n, _ in enumerate(names, 1)}
        file.writestr("xl/_rels/workbook.xml.rels", relations(parts))
        for n, cells in enumerate(sheets.values(), 1):
            rows = sheet_xml if sheet_xml and n == 1 else "".join(map(row, range(1, len(cells) + 1), cells))
            file.writestr(
                f"xl/worksheets/sheet{n}.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
            )
    return content.getvalue()


def relations(parts: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{to}"/>' for i, (kind, to) in parts.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def row(number: int, cells: Sequence[str | float | bool | None]) -> str:
    return f'<row r="{number}">{"".join(cell(chr(65 + i), number, value) for i, value in enumerate(cells))}</row>'


def cell(column: str, number: int, value: str | float | bool | None) -> str:
    place = f'r="{column}{number}"'
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c {place} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c {place} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f"<c {place}><v>{value}</v></c>"
