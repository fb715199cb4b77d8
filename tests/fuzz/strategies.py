"""Hypothesis strategies: files that are almost right, and files that are anything."""

from __future__ import annotations

import copy
import io
import json
import struct
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.helpers.workbook import workbook

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["~nosuchuser/x", "\x1b[31m", "/dev/null", "..", "1e-5", "None", "x" * 3000, "\ud800", 10**400])
)
VALUES = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=6), part, max_size=4),
    max_leaves=8,
)
YAML_TEXT = st.text(alphabet="ab:-[]{}&*!#'\"\n |>?,01.~<%@=e_", max_size=80)
EXPRESSION = st.text(alphabet="abdimpce()[]=,.'\"0123456789 -_\x1b", max_size=60)


@st.composite
def mutated(draw: st.DrawFn, base: Any) -> Any:
    """A copy of a JSON value in which one to three entries are replaced or removed."""
    value = copy.deepcopy(base)
    for _ in range(draw(st.integers(1, 3))):
        container: Any = value
        while container:
            keys = list(container) if isinstance(container, dict) else list(range(len(container)))
            key = draw(st.sampled_from(keys))
            if isinstance(container[key], dict | list) and container[key] and draw(st.integers(0, 3)):
                container = container[key]
                continue
            if draw(st.integers(0, 4)):
                container[key] = draw(VALUES)
            else:
                del container[key]
            break
    return value


def json_files(base: Any) -> st.SearchStrategy[bytes]:
    """Bytes of a JSON file: `base` with mistakes, its first bytes, any JSON, any bytes."""
    wrong = mutated(base).map(lambda value: json.dumps(value).encode())
    cut = st.integers(0, len(json.dumps(base))).map(lambda end: json.dumps(base).encode()[:end])
    deep = st.integers(1, 10**5).map(lambda depth: b"[" * depth)
    return wrong | cut | deep | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60)


def lines(base: tuple[Any, ...]) -> st.SearchStrategy[list[bytes]]:
    """The lines of a file of JSON lines: those of `base`, some of them with mistakes."""
    whole = [st.just(json.dumps(value).encode()) | json_files(value) for value in base]
    return st.tuples(*whole).map(list)


def yaml_files(base: Any) -> st.SearchStrategy[bytes]:
    """Bytes of a YAML file: `base` with mistakes, with aliases of aliases, any text, any bytes."""
    wrong = mutated(base).map(lambda value: dumped(value).encode("utf-8", "surrogatepass"))
    text = YAML_TEXT.map(str.encode)
    bombs = st.tuples(st.sampled_from(sorted(base)), st.integers(1, 12), st.integers(0, 12)).map(lambda p: bomb(*p))
    return wrong | text | bombs | st.binary(max_size=60)


def dumped(value: Any) -> str:
    """A value as YAML; one that YAML cannot hold as JSON, which is YAML too."""
    try:
        return str(yaml.safe_dump(value))
    except (yaml.YAMLError, ValueError):
        return "broken: ["


def bomb(key: str, depth: int, width: int) -> bytes:
    """A list of lists with `width` to the power of `depth` entries, all but the first being aliases."""
    lists = ["&a0 [x]", *(f"&a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth))]
    return f"{key}: [{', '.join(lists)}]\n".encode()


def safetensors() -> st.SearchStrategy[bytes]:
    """Bytes of a safetensors file with a header that has mistakes, or whose length is not that of the file."""
    base = {"a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    framed = json_files(base).map(lambda text: struct.pack("<Q", len(text)) + text + bytes(16))
    return framed | st.binary(max_size=40) | st.tuples(st.integers(0, 2**64 - 1), json_files(base)).map(
        lambda pair: struct.pack("<Q", pair[0]) + pair[1]
    )  # fmt: skip


def tables() -> st.SearchStrategy[tuple[str, bytes]]:
    """The suffix and the bytes of a file of rows."""
    rows = [{"text": "good film", "label": "positive"}, {"text": "bad", "label": "negative"}]
    lines = "\n".join(map(json.dumps, rows)).encode()
    csv = st.text(alphabet='ab,"\n\r\t\x00;é', max_size=60).map(lambda text: ("text,label\n" + text).encode())
    content = json_files(rows) | csv | st.binary(max_size=80) | st.binary(max_size=20).map(lambda tail: lines + tail)
    wrong = st.tuples(st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".arrow"]), content)
    right = st.tuples(st.just(".parquet"), parquet({"text": "string", "label": "string", "id": "int64"}))
    return wrong | right | st.tuples(st.just(".xlsx"), workbooks())


@st.composite
def workbooks(draw: st.DrawFn) -> bytes:
    """An Excel workbook with any cells at any places, of which some bytes may be changed."""
    places = st.tuples(st.sampled_from(["A", "B", "ZZ", "XFD", "a", ""]), st.sampled_from([0, 1, 2, 9, 1048576, 10**7]))
    cell = st.tuples(places, st.sampled_from(["n", "s", "b", "e", "d", "x"]), st.text("0129.e<&é", max_size=6))
    cells = "".join(
        f'<c r="{column}{row}" t="{kind}"><v>{value}</v></c>'
        for (column, row), kind, value in draw(st.lists(cell, max_size=5))
    )
    content = bytearray(workbook({"Rows": [["text", "label"], ["a", "b"]]}, cells and f'<row r="1">{cells}</row>'))
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=2)):
        content[place] ^= draw(st.integers(1, 255))
    return bytes(content)


COLUMNS: dict[str, st.SearchStrategy[Any]] = {  # values by the name of their type
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
    "int8": st.integers(-128, 127),
    "float64": st.floats() | st.floats(-5, 0),
    "string": st.text(max_size=6) | st.sampled_from(["generated", "real", "good film"]),
    "binary": st.binary(max_size=4),
    "bool": st.booleans(),
    "null": st.none(),
    "timestamp[us]": st.integers(0, 10**9),
    "list": st.lists(st.integers(0, 9), max_size=2),
    "struct": st.fixed_dictionaries({"a": st.integers(0, 9)}),
}


@st.composite
def parquet(draw: st.DrawFn, columns: dict[str, str]) -> bytes:
    """Bytes of a Parquet file: columns of the given names and types, some with other types, some left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = draw(st.integers(0, 4))
    nested = {"list": pa.list_(pa.int64()), "struct": pa.struct([("a", pa.int64())])}
    table = {}
    for name, usual in columns.items():
        kind = draw(st.sampled_from([usual] * 8 + [*COLUMNS, "absent"]))
        if kind == "absent":
            continue
        values = COLUMNS[kind] if draw(st.integers(0, 4)) else COLUMNS[kind] | st.none()
        column = draw(st.lists(values, min_size=rows, max_size=rows))
        array = pa.array(column, nested.get(kind) or pa.type_for_alias(kind))
        table[name] = array.dictionary_encode() if kind == "string" and draw(st.booleans()) else array
    content = io.BytesIO()
    pq.write_table(pa.table(table), content)
    return content.getvalue()


PREDICTIONS = {"id": "int64", "label": "int64", "logit_0": "float64", "logit_1": "float64"}
WEIGHTS = {"id": "int64", "role": "string", "weight": "float64"}
SCORES = {"id": "int64", "logp_0": "float64", "logp_1": "float64"}
HIDDEN = {"id": "int64", "label": "int64", "label_clean": "int64", "copy_of": "int64"}


CELL_TABLES = {
    "predictions.parquet": PREDICTIONS,
    "weights.parquet": WEIGHTS,
    "train_scores.parquet": SCORES,
    "record.parquet": HIDDEN,
}


def right(columns: dict[str, str]) -> bytes:
    """Bytes of a Parquet file of two rows without mistakes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = {"int64": [0, 1], "string": ["generated", "generated"], "float64": [-0.5, -1.5]}
    content = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values[kind]) for name, kind in columns.items()}), content)
    return content.getvalue()


def cell_tables() -> st.SearchStrategy[dict[str, bytes]]:
    """The Parquet files of a cell and of its hidden columns, one or two of them with mistakes."""
    whole = {name: right(columns) for name, columns in CELL_TABLES.items()}
    wrong = [
        st.fixed_dictionaries({name: parquet(CELL_TABLES[name]) for name in names})
        for names in (*((name,) for name in whole), ("weights.parquet", "record.parquet"))
    ]
    return st.one_of(wrong).map(lambda files: {**whole, **files})
