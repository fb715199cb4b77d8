"""Every kind of bad file gives an error of one line that says what is wrong and in which row."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tasks import DataError, load
from tasks.errors import plural
from tasks.sources.files import read_table
from tests.tasks.task_files import make_rows, write_json_lines, write_parquet, write_task

GOOD = [{"text": f"good {label} {i}", "label": label} for i in range(5) for label in ("negative", "positive")]


def load_generated(folder, name):
    """Load the made task with one file as its generated set; the error's message, which must be one line."""
    sources = {"local": {"generated": name, "real": "real.jsonl", "test": "test.jsonl"}}
    return load(write_task(folder, sources=sources), source="local", data_dir=folder)


def message_of(folder, name):
    with pytest.raises(DataError) as caught:
        load_generated(folder, name)
    message = str(caught.value)
    assert message.startswith(str(folder / name.split("/")[0]))
    assert "\n" not in message
    return message.removeprefix(str(folder / name))


BAD_ROWS = [
    ({"text": "a", "label": "postive"}, "label 'postive' is not one of negative, positive; did you mean 'positive'?"),
    ({"text": "a", "label": 2}, "label 2 is not one of negative, positive"),
    ({"text": "a", "label": -1}, "label -1 is not one of negative, positive"),
    ({"text": "a", "label": 0.5}, "label 0.5 is not one of negative, positive"),
    ({"text": "a", "label": True}, "label True is not one of negative, positive"),
    ({"text": "a", "label": None}, "label is missing"),
    ({"text": "a", "label": float("nan")}, "label is missing"),
    ({"text": "a"}, "label is missing"),
    ({"text": "", "label": 0}, "text is empty"),
    ({"text": " \u00a0\t", "label": 0}, "text is empty"),
    ({"text": "\u200b\ufeff \x00", "label": 0}, "text is empty"),
    ({"text": None, "label": 0}, "text is missing"),
    ({"text": float("nan"), "label": 0}, "text is missing"),
    ({"label": 0}, "text is missing"),
    ({"text": 17, "label": 0}, "text is 17 (int), not a string"),
    ({"text": ["a"], "label": 0}, "text is ['a'] (list), not a string"),
    ({"text": "\ud83d", "label": 0}, "text contains half a character (a lone surrogate)"),
]


@pytest.mark.parametrize(("row", "problem"), BAD_ROWS, ids=[problem for _, problem in BAD_ROWS])
def test_bad_row_in_json_lines(task_folder, row, problem):
    write_json_lines(task_folder / "bad.jsonl", [*GOOD[:2], row, *GOOD[2:]])
    assert message_of(task_folder, "bad.jsonl") == f", line 3: {problem}"


def test_blank_lines_count_as_lines_but_not_as_rows(task_folder):
    lines = ["", *[json.dumps(row) for row in GOOD], "", json.dumps({"text": "", "label": 0})]
    (task_folder / "bad.jsonl").write_text("\n".join(lines), "utf-8")
    assert message_of(task_folder, "bad.jsonl") == ", line 13: text is empty"
    (task_folder / "bad.jsonl").write_text("\n".join(lines[:-1]), "utf-8")
    assert load_generated(task_folder, "bad.jsonl").generated.ids.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": "a", "label": "negative"', "not valid JSON: Expecting"),
        ("{'text': 'a'}", "not valid JSON: Expecting"),
        ("[1, 2]", "a JSON list, not an object"),
        ("[" * 100_000, "not readable JSON"),
        ('{"text": "a", "label": ' + "1" * 5000 + "}", "not readable JSON"),
    ],
)
def test_broken_json(task_folder, line, problem):
    (task_folder / "bad.jsonl").write_text("\n".join([json.dumps(GOOD[0]), line]), "utf-8")
    assert message_of(task_folder, "bad.jsonl").startswith(f", line 2: {problem}")


def test_line_separators_inside_a_json_string_do_not_cut_it(task_folder):
    rows = [{"text": f"{row['text']} \u2028 x", "label": row["label"]} for row in GOOD]
    (task_folder / "good.jsonl").write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    assert load_generated(task_folder, "good.jsonl").generated.texts[0] == "good negative 0 \u2028 x"


CSV = 'text,label\noné,negative\n"two, with a\nline end",1\n'


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            "three,negative,extra\n",
            ", row 3: 3 fields, but the header has 2; put a text that holds a separator in quotes",
        ),
        ("three\n", ", row 3: 1 field, but the header has 2"),
        ("three,\n", ", row 3: label is missing"),
        (",negative\n", ", row 3: text is empty"),
        ("\n\nthree,7\n", ", row 3: label '7' is not one of negative, positive"),
        ('three,negative\n"four,negative\n', ", row 4: not valid CSV: unexpected end of data"),
        (b"three,negative\nf\xffur,negative\n", ", row 4: not valid UTF-8 (byte 0xff); save the file as UTF-8"),
        (b"three,negative\n\xfffour,negative\n", ", row 4: not valid UTF-8 (byte 0xff); save the file as UTF-8"),
    ],
)
def test_bad_row_in_csv(task_folder, rows, problem):
    rows = rows if isinstance(rows, bytes) else rows.encode()
    (task_folder / "bad.csv").write_bytes(CSV.encode() + rows)
    assert message_of(task_folder, "bad.csv") == problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ": the file is empty"),
        (b"\xef\xbb\xbf", ": the file is empty"),
        (b"\n \n", ": the file is empty"),
        (b"text,label\n", ": no rows"),
        (b"txt,label\na,negative\n", ": no column 'text'; columns: txt, label; did you mean 'txt'?"),
        (b"text,lable\na,negative\n", ": no column 'label'; columns: text, lable; did you mean 'lable'?"),
        (b"text,label,text\na,negative,b\n", ": a column name occurs twice: text, label, text"),
        (b'"te\nxt",label\na,0\n', ": no column 'text'; columns: te xt, label; did you mean 'te\\nxt'?"),
        (b"t\xc3\xa9\xffxt,label\n", ", header: not valid UTF-8 (byte 0xff); save the file as UTF-8"),
    ],
)
def test_bad_csv_file(task_folder, content, problem):
    (task_folder / "bad.csv").write_bytes(content)
    assert message_of(task_folder, "bad.csv") == problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", ": no rows"),
        ("\x1c", ": no rows"),
        ('[{"text": "a", "label": 0}, 3]', ", row 2: a JSON int, not an object"),
        ('[{"text": "a", "label": 0},\n{"text": "", "label": 0}]', ", row 2: text is empty"),
        ('[{"text": "a"', ": not valid JSON: Expecting"),
        ("[" * 100_000, ": not valid JSON: "),
        ("[\xff", ", line 1: not valid UTF-8 (byte 0xff), and not Latin-1; save the file as UTF-8: iconv"),
    ],
)
def test_bad_json_array(task_folder, content, problem):
    (task_folder / "bad.json").write_text(content, "latin-1")
    assert message_of(task_folder, "bad.json").startswith(problem)


def test_a_json_array_of_objects(task_folder):
    (task_folder / "good.json").write_text("\n " + json.dumps(GOOD, indent=1), "utf-8")
    assert load_generated(task_folder, "good.json").generated.texts == [row["text"] for row in GOOD]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ": the file is empty"),
        (
            b'{"text": "\xc3\xa9", "label": 0}\n{"text": "\xe9", "label": 0}\n',
            ", line 2: not valid UTF-8 (byte 0xe9); save the file as UTF-8",
        ),
        (b'{"txt": "a", "label": 0}\n', ": no column 'text'; columns: txt, label; did you mean 'txt'?"),
        (b"{}\n", ": no rows"),
    ],
)
def test_bad_json_lines_file(task_folder, content, problem):
    (task_folder / "bad.jsonl").write_bytes(content)
    assert message_of(task_folder, "bad.jsonl") == problem


TEXTS, CLASSES = [row["text"] for row in GOOD], [row["label"] for row in GOOD]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"text": [*TEXTS, None], "label": [*CLASSES, "negative"]}, ", row 11: text is missing"),
        ({"text": [*TEXTS, "a"], "label": [*([0, 1] * 5), None]}, ", row 11: label is missing"),
        ({"text": [*TEXTS, "a"], "label": [*([0.0, 1.0] * 5), np.nan]}, ", row 11: label is missing"),
        ({"text": [*TEXTS, "a"], "label": [*([0, 1] * 5), 2]}, ", row 11: label 2 is not one of negative, positive"),
        ({"text": list(range(4)), "label": [0] * 4}, ", row 1: text is 0 (int), not a string"),
        ({"text": [b"a"], "label": [0]}, ", row 1: text is b'a' (bytes), not a string"),
        ({"Text": ["a"], "label": [0]}, ": no column 'text'; columns: Text, label; did you mean 'Text'?"),
        ({"text": pa.array([], pa.string()), "label": pa.array([], pa.int64())}, ": no rows"),
    ],
)
def test_bad_parquet(task_folder, columns, problem):
    write_parquet(task_folder / "bad.parquet", columns)
    assert message_of(task_folder, "bad.parquet") == problem


def test_broken_utf8_in_parquet(task_folder):
    broken = pa.array([b"fine", b"br\xffken"]).view(pa.string())
    write_parquet(task_folder / "bad.parquet", {"text": broken, "label": [0, 1]})
    assert message_of(task_folder, "bad.parquet") == ", row 2: text is not valid UTF-8"


@pytest.mark.parametrize("content", [b"PAR1", b"text,label\na,0\n", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_not_a_parquet_file(task_folder, content):
    (task_folder / "bad.parquet").write_bytes(content)
    assert message_of(task_folder, "bad.parquet").startswith(": not a readable Parquet file: ")
    (task_folder / "bad.parquet").write_bytes(b"")
    assert message_of(task_folder, "bad.parquet") == ": the file is empty"


def test_missing_file_names_what_is_there(task_folder):
    made_names = "generated.jsonl, made.yaml, real.jsonl, test.jsonl"
    assert message_of(task_folder, "generated.json") == (
        f": no such file; {task_folder} holds {made_names}; did you mean 'generated.jsonl'?"
    )
    sources = {"local": {"generated": "generated.jsonl", "real": "reel/train.csv", "test": "test.jsonl"}}
    (task_folder / "real").mkdir()
    with pytest.raises(DataError, match=r"reel/train\.csv: no such file; .* holds .*; did you mean 'real'\?"):
        load(write_task(task_folder, sources=sources), source="local", data_dir=task_folder)


def test_unreadable_kinds_of_file(task_folder):
    (task_folder / "bad.docx").write_bytes(b"x")
    readable = ".parquet, .jsonl, .ndjson, .json, .csv, .tsv, .xlsx, .arrow"
    assert message_of(task_folder, "bad.docx") == f": cannot read .docx; readable: {readable}"
    (task_folder / "bad.csv.gz").write_bytes(b"x")
    assert message_of(task_folder, "bad.csv.gz") == f": cannot read .gz; unpack it first; readable: {readable}"
    (task_folder / "bad.csv").mkdir()
    assert message_of(task_folder, "bad.csv") == ": this is a folder, not a file"


def test_labels_by_name_by_number_and_by_the_order_of_the_folder(task_folder):
    (task_folder / "set").mkdir()
    (task_folder / "set" / "dataset.json").write_text(
        json.dumps({"label_names": ["positive", "neutral", "negative"]}), "utf-8"
    )
    (task_folder / "set" / "good.csv").write_text("text,label\na,0\nb,2\nc,negative\n", "utf-8")
    assert load_generated(task_folder, "set/good.csv").generated.labels.tolist() == [1, 0, 0]
    (task_folder / "set" / "bad.csv").write_text("text,label\na,0\nb,1\n", "utf-8")
    assert message_of(task_folder, "set/bad.csv") == ", row 2: label '1' (neutral) is not one of negative, positive"
    for content, problem in (("{", "not valid JSON"), ('{"label_names": "a"}', "label_names must be a list")):
        (task_folder / "set" / "dataset.json").write_text(content, "utf-8")
        with pytest.raises(DataError, match=rf"dataset\.json: {problem}"):
            load_generated(task_folder, "set/good.csv")


def test_labels_that_are_numbers_are_names(task_folder):
    for name in ("generated", "real", "test"):
        rows = [{"text": f"{name} {i}", "label": 1 + i % 2} for i in range(12)]
        write_json_lines(task_folder / f"{name}.jsonl", rows)
    path = write_task(task_folder, labels=["1", "2"])
    assert load(path, source="local", data_dir=task_folder).pool.labels.tolist() == [0, 1] * 6
    write_json_lines(task_folder / "generated.jsonl", [{"text": "a", "label": 0}])
    with pytest.raises(DataError, match="line 1: label 0 is not one of 1, 2"):
        load(path, source="local", data_dir=task_folder)


def test_whole_numbers_are_one_label_however_they_are_written(task_folder):
    """A table with a gap makes 1.0 of 1: in Parquet and JSON a float, in CSV the text."""

    def role(name):
        return [{"text": f"{name} {i}", "label": i % 2} for i in range(40)]

    write_json_lines(task_folder / "real.jsonl", role("real"))
    write_json_lines(task_folder / "test.jsonl", role("test"))
    generated = role("generated")
    columns = {"text": [row["text"] for row in generated], "label": [float(row["label"]) for row in generated]}
    write_parquet(task_folder / "g.parquet", columns)
    write_json_lines(task_folder / "g.jsonl", [{**row, "label": float(row["label"])} for row in generated])
    lines = [f"{row['text']},{float(row['label'])}" for row in generated]
    (task_folder / "g.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    write_json_lines(task_folder / "whole.jsonl", generated)
    places = {"real": str(task_folder / "real.jsonl"), "test": str(task_folder / "test.jsonl")}
    result = [
        load("files", places={**places, "generated": str(task_folder / name)})
        for name in ("whole.jsonl", "g.parquet", "g.jsonl", "g.csv")
    ]
    assert {data.spec.labels for data in result} == {("0", "1")}
    assert len({data.generated.content_hash() for data in result}) == 1
    (task_folder / "g.csv").write_text("text,label\na,0.0\nb,nan\nc,1.0\n", "utf-8")
    with pytest.raises(DataError, match=r"g\.csv, row 2: label is missing"):
        load("files", places={**places, "generated": str(task_folder / "g.csv")})


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "ndjson", "json", "csv", "tsv"])
def test_every_format_reads_the_same_rows(task_folder, suffix):
    path = task_folder / f"good.{suffix}"
    texts = ['a "quoted" text', "NA", "nan", "tab\tand\nline", "caf\u00e9 \U0001f600", " spaced ", "null", "1"]
    labels = [0, 1] * 4
    if suffix == "parquet":
        write_parquet(path, {"text": texts, "label": labels})
    elif suffix in ("csv", "tsv"):
        import pandas as pd

        frame = pd.DataFrame({"text": texts, "label": labels})
        frame.to_csv(path, sep="\t" if suffix == "tsv" else ",", index=False, encoding="utf-8-sig")
    else:
        write_json_lines(path, [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)])
    rows = load_generated(task_folder, path.name).generated
    assert (rows.texts, rows.labels.tolist(), rows.ids.tolist()) == (texts, labels, list(range(8)))


def test_too_few_rows_of_a_class(task_folder):
    write_json_lines(task_folder / "real.jsonl", make_rows("real", {"negative": 1, "positive": 9}))
    with pytest.raises(DataError, match=r"task made \(source local\): 1 real row of class negative; at least 2"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder)


def test_a_class_that_is_absent_from_the_test(task_folder):
    write_json_lines(task_folder / "test.jsonl", make_rows("test", {"negative": 9}))
    with pytest.raises(DataError, match=r"task made \(source local\): the test has no row of class positive"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder)


def test_pair_column_is_checked(task_folder):
    with pytest.raises(DataError, match=r"generated\.jsonl: no column 'other'; columns: text, label"):
        load(write_task(task_folder, text_pair="other"), source="local", data_dir=task_folder)
    rows = [row | {"other": "x"} for row in GOOD]
    write_json_lines(task_folder / "generated.jsonl", [*rows, GOOD[0] | {"other": " "}])
    with pytest.raises(DataError, match=r"generated\.jsonl, line 11: other is empty"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder)


def test_a_text_may_be_long_in_every_format(tmp_path):
    text = "word " * 40_000
    (tmp_path / "rows.csv").write_text(f"text,label\n{text},1\n")
    assert read_table(tmp_path / "rows.csv").columns == {"text": [text], "label": ["1"]}


def test_a_count_has_the_form_of_its_noun():
    assert [plural(number, "row") for number in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
