"""Columns, gaps and copies in files of the user: what is taken, what is warned of, and the options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks import DataError, load, load_spec
from tasks.findings import Level
from tasks.loading.columns import columns_of
from tasks.loading.examples import examples
from tasks.reading import Columns, Reading, Readings
from tasks.sources.places import read_place
from tests.tasks.own_files import GENERATED, REAL, TEST, Rows, read, warnings, write
from tests.tasks.task_files import write_task


def test_a_repeated_text_column_beside_a_varied_one_is_a_warning(tmp_path: Path) -> None:
    rows = [
        {"text": f"Write a {r['label']} review", "label": r["label"], "generated_text": r["text"]} for r in GENERATED
    ]
    data = read(tmp_path, rows)
    assert warnings(data) == (
        "generated.csv: column 'text' was taken as the text, but holds only 2 different texts in 80 rows; column "
        "'generated_text' holds 80; --generated-text generated_text takes it",
        "78 of 80 generated rows have the text of an earlier generated row, such as 'Write a good review'",
    )
    data = read(tmp_path, rows, {"generated": Reading({"text": "generated_text"})})
    assert (warnings(data), data.generated.texts) == ((), [row["text"] for row in GENERATED])
    assert list(examples(data))[:2] == [
        "generated rows (generated.csv): text = generated_text, label = label",
        f"  good: {GENERATED[0]['text']!r}",
    ]
    assert len(list(examples(data))) == 12, "a line and three rows for each role"


def test_a_column_of_texts_without_spaces_is_one_of_texts(tmp_path: Path) -> None:
    rows = [
        {"text": f"写一条{r['label']}评论", "label": r["label"], "generated_text": f"这件商品第{place}次购买"}
        for place, r in enumerate(GENERATED)
    ]
    found = [line for line in warnings(read(tmp_path, rows)) if "generated_text" in line]
    assert len(found) == 1
    assert "column 'generated_text' holds 80" in found[0]


def test_two_columns_of_labels_are_a_warning(tmp_path: Path) -> None:
    rows = [
        {"target": REAL[i // 4]["label"], "labels": row["label"], "text": row["text"]}
        for i, row in enumerate(GENERATED)
    ]
    assert warnings(read(tmp_path, rows)) == (
        "generated.csv: the labels are those of column 'labels', but column 'target' may hold them; "
        "--generated-label target takes it",
    )
    data = read(tmp_path, rows, {"generated": Reading({"label": "target"})})
    assert (warnings(data), data.columns["generated"].label) == ((), "target")
    same = [{**row, "target": row["label"]} for row in GENERATED]
    assert warnings(read(tmp_path, same)) == (), "equal columns need no choice"


def test_two_columns_of_one_name_are_a_warning(tmp_path: Path) -> None:
    """The first was taken without a word."""
    rows = [{" Text": row["text"].upper(), "text": row["text"], "label": row["label"]} for row in GENERATED]
    assert warnings(read(tmp_path, rows)) == (
        "generated.csv: column ' Text' was taken as the text, and column 'text' has the same name apart from case and "
        "white space; --generated-text text takes it",
    )
    assert not warnings(read(tmp_path, rows, {"generated": Reading({"text": "text"})}))


def test_columns_that_a_yaml_names_are_no_guess(tmp_path: Path) -> None:
    for role, rows in (("real", REAL), ("test", TEST), ("generated", GENERATED)):
        write(tmp_path / f"{role}.csv", [{"text": row["text"], "verdict": row["label"], "label": "x"} for row in rows])
    files = {role: f"{role}.csv" for role in ("generated", "real", "test")}
    path = write_task(tmp_path, labels=None, sources={"files": {**files, "columns": {"label": "verdict"}}})
    data = load(path)
    assert (warnings(data), data.spec.labels) == ((), ("bad", "good"))


def test_a_column_for_all_roles_and_one_for_a_role(tmp_path: Path) -> None:
    renamed = {"real": REAL, "test": TEST, "generated": GENERATED}
    files = {
        role: [{"body": r["text"], "verdict": r["label"], "text": "x"} for r in rows] for role, rows in renamed.items()
    }
    files["generated"] = [{**row, "other": row["body"].upper()} for row in files["generated"]]
    readings: Readings = {
        None: Reading({"text": "body", "label": "verdict"}),
        "generated": Reading({"text": "other"}),
    }
    data = read(tmp_path, **files, readings=readings)
    assert data.pool.texts == [row["text"] for row in REAL]
    assert data.generated.texts == [row["text"].upper() for row in GENERATED]
    with pytest.raises(DataError, match=r"no column 'body'; columns: text, label; --real-text names the column"):
        read(tmp_path, **{**files, "real": REAL}, readings=readings)


def test_a_chosen_pair_of_columns(tmp_path: Path) -> None:
    def pairs(rows: Rows) -> Rows:
        return [{"a": row["text"], "b": row["text"][::-1], "label": row["label"]} for row in rows]

    chosen: Readings = {None: Reading({"text": "a", "text_pair": "b"})}
    data = read(tmp_path, pairs(GENERATED), chosen, real=pairs(REAL), test=pairs(TEST))
    assert data.spec.pair
    assert data.generated.pairs == [row["text"][::-1] for row in GENERATED]


def test_an_option_for_rows_that_are_not_the_users(tmp_path: Path) -> None:
    place: Any = {"generated": write(tmp_path / "g.csv", GENERATED)}
    with pytest.raises(DataError, match="--real-text is for your own real rows; give --real FILE"):
        load("twitter", places=place, readings={"real": Reading({"text": "x"})})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda i, row: {"text": row["text"], "label": ["good", "calm"]}, "a row has a single label only"),
        (lambda i, row: {"text": row["text"], "label": "['good']"}, "a row has a single label only"),
        (
            lambda i, row: {"text": row["text"], "good": i % 2, "bad": 1 - i % 2},
            r"no label column .* --generated-label COLUMN names it; columns good, bad hold a class each \(one-hot\)",
        ),
        (
            lambda i, row: {"text": row["text"], "score": i / 80},
            "no label column .*; --generated-label COLUMN names it",
        ),
        (
            lambda i, row: {"text": row["text"], "label": i / 80},
            "looks like scores, not labels: 79 different numbers",
        ),
    ],
)
def test_what_is_not_one_class_per_row(tmp_path: Path, change: Any, problem: str) -> None:
    places: Any = {"real": write(tmp_path / "real.csv", REAL), "test": write(tmp_path / "test.csv", TEST)}
    rows = [change(i, row) for i, row in enumerate(GENERATED)]
    (tmp_path / "g.json").write_text(json.dumps(rows), "utf-8")
    with pytest.raises(DataError, match=problem):
        load("files", places={**places, "generated": str(tmp_path / "g.json")})


def test_rows_with_gaps_are_counted_and_skipped(tmp_path: Path) -> None:
    rows = [
        {"text": "" if i % 20 == 3 else row["text"], "label": "" if i == 5 else row["label"]}
        for i, row in enumerate(GENERATED)
    ]
    message = r"row 4: text is empty \(5 of 80 rows without a text or a label; --skip-empty leaves them out\)"
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows)
    data = read(tmp_path, rows, {None: Reading(skip_empty=True)})
    assert data.generated.ids.tolist() == [i for i in range(80) if i != 5 and i % 20 != 3]
    assert "5 of 80 generated rows have no text or no label and were left out" in data.notes


def test_generated_rows_that_are_real_rows(tmp_path: Path) -> None:
    rows = REAL[:30] + GENERATED[:10]
    assert warnings(read(tmp_path, rows)) == (
        f"30 of 40 generated rows have the text of a real row, such as {REAL[0]['text']!r}; --drop-copies leaves "
        "them out",
    )
    data = read(tmp_path, rows, {None: Reading(drop_copies=True)})
    assert (len(data.generated), len(data.pool), warnings(data)) == (10, 60, ())
    assert [finding.level for finding in read(tmp_path, rows).findings] == [Level.FIX]
    assert [finding.level for finding in read(tmp_path, GENERATED + REAL[:1]).findings] == [Level.CARE]


def test_near_copies_of_test_rows(tmp_path: Path) -> None:
    near = [{**row, "text": row["text"].replace("even.", "even!")} for row in TEST[:20]]
    data = read(tmp_path, near + GENERATED[:20], real=near[:4] + REAL)
    copies = [finding for finding in data.findings if finding.kind == "punctuation"]
    assert [(finding.text[:18], finding.level, finding.rows) for finding in copies] == [
        ("20 of 40 generated", "fix", tuple((i, i) for i in range(20))),
        ("4 of 64 real rows ", "fix", tuple((i, i) for i in range(4))),
    ]
    example = f"such as {near[0]['text']!r} and {TEST[0]['text']!r}; --drop-copies leaves them out"
    assert f"{example}; accuracy may be up to 50.0 points too high" in copies[0].text
    assert copies[0].without_texts == (
        "20 of 40 generated rows differ from a test row only in punctuation or case; --drop-copies leaves them out; "
        "accuracy may be up to 50.0 points too high"
    )
    data = read(tmp_path, near + GENERATED[:20], {None: Reading(drop_copies=True)}, real=near[:4] + REAL)
    assert (len(data.generated), len(data.pool), len(data.test), warnings(data)) == (20, 60, 40, ())
    with pytest.raises(DataError, match="--drop-copies leaves no row"):
        read(tmp_path, near, {None: Reading(drop_copies=True)})


def test_an_option_that_leaves_no_row_is_not_named(tmp_path: Path) -> None:
    """A set all of whose rows are real ones was told to leave them out."""
    (text,) = {one.text for one in read(tmp_path, REAL[:20]).findings if one.kind == "copies"}
    assert text.startswith("20 of 20 generated rows have the text of a real row")
    assert text.endswith("without them, none is left")


def test_pairs_of_identical_texts(tmp_path: Path) -> None:
    def pairs(rows: Rows, every: int) -> Rows:
        return [
            {"text1": r["text"], "text2": r["text"] if i % every else f"Not: {r['text']}", "label": r["label"]}
            for i, r in enumerate(rows)
        ]

    data = read(tmp_path, pairs(GENERATED, 4), real=pairs(REAL, 1), test=pairs(TEST, 1))
    assert warnings(data) == ("60 of 80 generated pairs consist of two identical texts (by label: bad 40, good 20)",)


def test_a_rare_class_of_the_test(tmp_path: Path) -> None:
    odd = [{"text": f"odd {i}", "label": "odd"} for i in range(8)]
    data = read(tmp_path, GENERATED, real=REAL + odd[:6], test=TEST + odd[6:])
    assert warnings(data) == (
        "the real rows have fewer than 10 rows of 1 class (odd 6): a small real set teaches little about them",
        "the test has fewer than 10 rows of 1 class (odd 2): their recall, and macro-F1 with it, says little",
        "the generated set has no row of class odd: nothing that is trained on it alone can predict it",
    )


def test_texts_with_several_labels(tmp_path: Path) -> None:
    rows = [*GENERATED, {"text": GENERATED[0]["text"].upper(), "label": "bad"}, {**REAL[0], "label": "bad"}]
    copy, conflict = read(tmp_path, rows).findings
    assert copy.text.startswith("1 of 82 generated rows has the text of a real row, 1 of them with another label, ")
    assert (copy.rows, conflict.rows) == (((81, 0),), ((0, 80),))
    assert conflict.text == (
        f"1 text of the generated rows has more than one label (2 of 82 rows), such as "
        f"{GENERATED[0]['text']!r} (good, bad)"
    )


def test_many_repeated_texts_and_many_conflicting_labels(tmp_path: Path) -> None:
    same = [{"text": "the same text", "label": label} for label in ("good", "bad") * 6]
    conflict, repeats = read(tmp_path, [*GENERATED, *same]).findings
    assert conflict.text == (
        "1 text of the generated rows has more than one label (12 of 92 rows), such as 'the same text' (good, bad)"
    )
    assert conflict.level is Level.FIX
    assert repeats.text == "11 of 92 generated rows have the text of an earlier generated row, such as 'the same text'"
    assert repeats.rows[:2] == ((81, 80), (82, 80))
    assert not read(tmp_path, [*GENERATED, GENERATED[0]]).findings, "few repeats are no finding"


def test_a_second_column_alone_makes_pairs(tmp_path: Path) -> None:
    """It was ignored where the first column has another usual name than `text`."""

    def pairs(rows: Rows) -> Rows:
        return [{"sentence": row["text"], "b": row["text"][::-1], "label": row["label"]} for row in rows]

    chosen: Readings = {None: Reading({"text_pair": "b"})}
    data = read(tmp_path, pairs(GENERATED), chosen, real=pairs(REAL), test=pairs(TEST))
    assert data.columns["real"].text == "sentence"
    assert data.generated.pairs == [row["text"][::-1] for row in GENERATED]


def test_columns_that_are_named_come_before_usual_ones(tmp_path: Path) -> None:
    """A task of pairs took the columns with usual names, whatever the user named."""
    rows = [{"text": "x", "text_pair": "y", "a": r["text"], "b": r["text"][::-1], "label": "equivalent"} for r in REAL]
    place: Any = {"generated": write(tmp_path / "g.csv", rows)}
    spec = load_spec("mrpc")
    table = read_place(place["generated"], "generated")
    assert columns_of(table, spec, None, {"text": "a", "text_pair": "b"}, "") == Columns("a", "b")
    assert columns_of(table, spec, None, {"text": "a"}, "") == Columns("a", "text_pair")
    assert columns_of(table, spec, None, {"text_pair": "b"}, "") == Columns("text", "b")


@pytest.mark.parametrize("chosen", [{"text": "label"}, {"label": "text"}, {"text": "text", "text_pair": "text"}])
def test_one_column_for_two_things_is_an_error(tmp_path: Path, chosen: Any) -> None:
    with pytest.raises(DataError, match=r"g\S*\.csv: column '(text|label)' is named as .* and as .*; --generated-"):
        read(tmp_path, GENERATED, {None: Reading(chosen)})


def test_all_test_rows_that_a_leaking_row_repeats_count(tmp_path: Path) -> None:
    """One real row counted as one test row, although thirty of them are its near copies."""
    copies = [{**TEST[0], "text": TEST[0]["text"] + "!" * many} for many in range(1, 31)]
    asked = {**TEST[0], "text": TEST[0]["text"] + "?"}
    (leak,) = read(tmp_path, GENERATED, real=[*REAL, asked], test=[*TEST, *copies]).findings
    assert leak.text.startswith("1 of 61 real rows differs from a test row only in punctuation or case")
    assert leak.text.endswith(f"accuracy may be up to {100 * 31 / 70:.1f} points too high")
    many = [{**TEST[0], "text": f"{' '.join(map(str, range(20)))} {place}"} for place in range(100, 130)]
    near = {**many[0], "text": many[0]["text"].replace("100", "again")}
    leak, *_ = read(tmp_path, [*GENERATED, near], test=[*TEST, *many]).findings
    assert leak.text.startswith("1 of 81 generated rows nearly repeats a test row")
    assert leak.text.endswith(f"accuracy may be up to {100 * 30 / 70:.1f} points too high")


def test_classes_without_generated_rows_are_one_finding(tmp_path: Path) -> None:
    more = [{"text": f"{label} {i}", "label": label} for label in ("c", "d", "e") for i in range(4)]
    found = read(tmp_path, GENERATED, real=[*REAL, *more[::2]], test=[*TEST, *more[1::2]]).findings
    (absent,) = [one for one in found if one.kind == "absent-class"]
    assert absent.text == (
        "the generated set has no row of 3 classes: c, d, e: nothing that is trained on it alone can predict them"
    )


def test_texts_that_stand_for_missing_ones(tmp_path: Path) -> None:
    rows = [*GENERATED, {"text": "NaN", "label": "good"}, {"text": " none ", "label": "bad"}]
    (finding,) = read(tmp_path, rows).findings
    assert (finding.level, finding.rows) == (Level.CARE, ((80,), (81,)))
    assert finding.text.startswith(
        "2 of 82 generated rows have a text that mostly stands for a missing one, such as 'NaN'"
    )
    assert "NaN" not in finding.without_texts


def test_a_usual_name_is_named_once(tmp_path: Path) -> None:
    """The column of a task has a usual name itself."""
    (tmp_path / "real.csv").write_text("Review Text,label\nfine,positive\n")
    with pytest.raises(DataError, match=r"\(usual names: text, sentence, ") as error:
        load("twitter", places={"real": str(tmp_path / "real.csv")})
    assert "text, text" not in str(error.value)


def test_a_task_may_name_a_column_with_a_capital(tmp_path: Path) -> None:
    spec = load_spec("twitter")
    single, pair = {"text": "Claim"}, {"text": "Claim", "text_pair": "Proof"}
    for header, first, second in (
        ("Claim,Proof,text,label", "Claim", "Proof"),
        ("claim,PROOF,text,label", "claim", "PROOF"),
        ("claim,proof,Claim,Proof,label", "Claim", "Proof"),
    ):
        (tmp_path / "real.csv").write_text(f"{header}\n{header}\n")
        table = read_place(str(tmp_path / "real.csv"), "real")
        assert columns_of(table, spec.model_copy(update=single), None, {}, "") == Columns(first, None)
        assert columns_of(table, spec.model_copy(update=pair), None, {}, "") == Columns(first, second)
