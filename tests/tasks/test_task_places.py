"""Tasks of the user's own files: a folder, one file, files by role; their columns and labels; content, not paths."""

import json
import shutil

import pandas as pd
import pytest

from tasks import DataError, load, load_spec
from tasks.reading import Reading
from tasks.sources.memory import table_of
from tests.helpers.workbook import workbook
from tests.tasks.task_files import make_rows, write_json_lines, write_parquet, write_task

BOTH = {"negative": 60, "positive": 60}


@pytest.fixture
def own(tmp_path):
    """A folder with generated.csv, real.jsonl and test.parquet."""
    folder = tmp_path / "mytask"
    folder.mkdir()
    pd.DataFrame(make_rows("generated", BOTH)).to_csv(folder / "generated.csv", index=False)
    write_json_lines(folder / "real.jsonl", make_rows("real", BOTH))
    test = pd.DataFrame(make_rows("test", {"negative": 20, "positive": 30}))
    write_parquet(folder / "test.parquet", {name: test[name].tolist() for name in test})
    return folder


def sizes(data):
    return len(data.generated), len(data.pool), len(data.test)


def hashes(data):
    return [rows.content_hash() for rows in (data.generated, data.pool, data.test, data.real(0))]


def csv(path, rows, **names):
    pd.DataFrame(rows).rename(columns=names).to_csv(path, index=False)
    return str(path)


def test_a_folder_is_a_task(own):
    data = load(own)
    assert sizes(data) == (120, 120, 50)
    assert (data.spec.labels, data.spec.title, data.source) == (("negative", "positive"), "mytask", "files")
    assert (data.stand_in, data.default_real, data.notes) == (False, 120, ())
    assert data.origins == {"generated": "generated.csv", "real": "real.jsonl", "test": "test.parquet"}


def test_validation_rows_in_a_folder_are_not_read_and_one_note_says_so(own):
    plain = load(own)
    csv(own / "validation.csv", make_rows("validation", {"neutral": 3}))  # a label that the other roles lack
    write_task(own, name="validation").rename(own / "validation.yaml")  # no rows
    data = load(own)
    assert data.notes == ("not read: validation.csv in the task's folder; --test FILE tests on such rows",)
    assert (hashes(data), data.origins) == (hashes(plain), plain.origins)
    places = {role: str(own / name) for role, name in plain.origins.items()}
    assert load("files", places=places).notes == (), "a file that is named alone has no folder"


def test_files_by_role_are_the_same_task_as_a_folder(own, tmp_path):
    """Names, paths, formats and column names do not matter; only the rows' content does."""
    real = [json.loads(line) for line in (own / "real.jsonl").read_text().splitlines()]
    places = {
        "generated": shutil.copy(own / "generated.csv", tmp_path / "a.csv"),
        "real": csv(tmp_path / "b.csv", real, text="Tweet", label="class"),
        "test": shutil.copy(own / "test.parquet", tmp_path / "c.parquet"),
    }
    places = {role: str(place) for role, place in places.items()}
    assert hashes(load("files", places=places)) == hashes(load(own))
    moved = shutil.copytree(own, tmp_path / "elsewhere" / "renamed")
    assert hashes(load(moved)) == hashes(load(own))
    one = load(tmp_path / "a.csv", places={role: places[role] for role in ("real", "test")})
    assert hashes(one) == hashes(load(own))


def test_one_file_needs_the_other_roles(own):
    with pytest.raises(DataError, match=r"no real rows; give --real FILE.*generated\.csv"):
        load(own / "generated.csv")
    with pytest.raises(DataError, match=r"no generated rows; give --generated FILE"):
        load("files", places={"real": str(own / "real.jsonl")})


def test_tests_that_were_drawn_from_the_same_rows_are_known_as_such(own):
    """Tasks of other names, sizes or folds test other rows of one file."""
    (own / "test.parquet").unlink()
    other = csv(own / "other.csv", make_rows("other", BOTH))
    folded, tested = load(own), load(own, places={"test": str(own / "real.jsonl"), "real": other})
    sources = {"files": {"generated": "generated.csv", "real": "real.jsonl"}}
    one, other = (
        load(write_task(own, name=name, sources=sources, sizes={"real": {"default": 6}, "test": 50}), folds=0)
        for name in ("one", "other")
    )
    assert set(one.test.ids) != set(other.test.ids)
    assert one.drawn_from == other.drawn_from == folded.drawn_from == tested.drawn_from


def test_without_a_test_set_half_of_the_real_rows_is_held_out(own):
    (own / "test.parquet").unlink()
    data = load(own, folds=0)
    assert sizes(data) == (120, 60, 60)
    assert set(data.test.keys).isdisjoint(data.pool.keys)
    assert data.test.labels.tolist().count(0) == 30
    assert data.notes[0].startswith("no test set was given: 60 of the 120 real rows, stratified by label")
    rows = [json.loads(line) for line in (own / "real.jsonl").read_text().splitlines()]
    write_json_lines(own / "real.jsonl", rows[::-1])
    assert set(load(own, folds=0).test.texts) == set(data.test.texts), "the split goes by content"
    write_json_lines(own / "real.jsonl", rows[30:90])
    with pytest.raises(DataError, match=r"task mytask: no test set, and 60 real rows .* at least 100 .*--test FILE"):
        load(own, folds=0)


def test_a_role_of_a_registered_task_is_replaced(own):
    plain = load("twitter")
    data = load("twitter", places={"real": str(own / "real.jsonl")})
    assert data.test.content_hash() == plain.test.content_hash()
    assert (len(data.pool), data.source, data.stand_in, data.about) == (120, "bundled, own real", False, "")
    assert (data.origins["real"], data.origins["test"]) == ("real.jsonl", "bundled/twitter/test.parquet")
    data = load("twitter", places={"generated": str(own / "generated.csv")})
    assert data.generated.texts[0] == "generated negative 0"
    assert data.pool.content_hash() == plain.pool.content_hash()
    data = load("twitter", places={"real": str(own / "real.jsonl"), "test": str(own / "test.parquet")})
    assert (sizes(data)[1:], data.stand_in) == ((120, 50), False)


def test_own_real_rows_beside_a_stand_in(own):
    sections = ["World", "Sports", "Business", "Sci/Tech"]
    write_json_lines(own / "real.jsonl", [{"text": f"item {i}", "label": sections[i % 4]} for i in range(120)])
    data = load("news", places={"real": str(own / "real.jsonl")})
    assert data.stand_in, "the test rows still are"
    assert (data.origins["real"], data.origins["held"]) == ("real.jsonl", "bundled/news/reference.jsonl")


def test_a_yaml_may_leave_columns_and_labels_open_and_name_files_beside_it(own):
    sources = {"files": {"generated": "generated.csv", "real": "real.jsonl", "test": "test.parquet"}}
    path = write_task(own, labels=None, text=None, sources=sources)
    data = load(path)
    assert (data.spec.labels, sizes(data), data.source) == (("negative", "positive"), (120, 120, 8), "files")
    renamed = [{"body": row["text"], "verdict": row["label"]} for row in make_rows("real", BOTH)]
    write_json_lines(own / "real.jsonl", renamed)
    write_json_lines(own / "generated.csv", renamed)
    columns = {"text": "body", "label": "verdict"}
    sources = {"files": {"real": "real.jsonl", "split": {"test": 40}, "columns": columns}}
    path = write_task(own, labels=None, text=None, sources=sources)
    assert sizes(load(path, places={"generated": str(own / "test.parquet")})) == (50, 80, 8)


def test_a_split_of_a_yaml_holds_for_the_real_rows_that_are_given(own):
    sources = {"files": {"generated": "generated.csv", "split": {"test": 50}}}
    data = load(write_task(own, labels=None, sources=sources), places={"real": str(own / "real.jsonl")}, test_size=None)
    assert sizes(data) == (120, 70, 50)


def test_labels_that_are_left_out_are_no_classes(own):
    write_json_lines(own / "real.jsonl", make_rows("real", BOTH | {"unclear": 7}))
    sources = {"files": {"generated": "generated.csv", "real": "real.jsonl", "leave_out": ["unclear"]}}
    data = load(write_task(own, labels=None, sources=sources), folds=0)
    assert (data.spec.labels, len(data.pool) + len(data.test)) == (("negative", "positive"), 112 + 8)
    assert data.notes[0] == "7 of 127 real rows left out: unclear"
    rows = [row | {"agreement": 50 + 50 * (i % 2)} for i, row in enumerate(make_rows("real", BOTH | {"unclear": 8}))]
    write_json_lines(own / "real.jsonl", rows)
    filters = {"agreement": {"column": "agreement", "meaning": "share"}}
    path = write_task(own, labels=None, sources={"files": sources["files"] | {"split": {"test": 20}}}, filters=filters)
    data = load(path, options={"agreement": 75})
    drawn = "8 of the 20 test rows were drawn, stratified by label; --test-size all takes all"
    assert data.notes == ("8 of 128 real rows left out: unclear", "agreement=75: keeps 60 of 128 real rows", drawn)
    assert len(data.pool) == 40


def test_labels_are_sorted_by_name_and_numbers_by_size(own):
    for name, start in (("generated", 0), ("real", 1000), ("test", 2000)):
        rows = [{"text": f"{name} {i}", "label": (2, 10, 1)[i % 3]} for i in range(start, start + 60)]
        csv(own / f"{name}.csv", rows)
    (own / "real.jsonl").unlink()
    (own / "test.parquet").unlink()
    data = load(own)
    assert data.spec.labels == ("1", "2", "10")
    assert data.generated.labels[:3].tolist() == [1, 2, 0]


def test_pairs_are_found_by_usual_names(own):
    for name in ("generated", "real", "test"):
        for path in own.glob(f"{name}.*"):
            path.unlink()
        rows = make_rows(name, BOTH)
        csv(own / f"{name}.csv", [{"sentence1": row["text"], "sentence2": "b", "label": row["label"]} for row in rows])
    data = load(own)
    assert data.spec.pair
    assert data.pool.pairs == ["b"] * 120
    csv(own / "real.csv", make_rows("real", BOTH))
    with pytest.raises(DataError, match=r"single texts in .*real\.csv, but pairs .* in .*generated\.csv.*test\.csv"):
        load(own)


HEAD = "text,label\n"
BAD_FOLDERS = [
    ("real.csv", HEAD + "a,Positive\nb,negative\n", r"generated\.csv, row .*'positive' \(60 rows\).*mean 'Positive'"),
    (
        "generated.csv",
        HEAD + "a,neutral\n",
        r"generated\.csv, row 1: label 'neutral' \(1 row\) is not a label of",
    ),
    ("test.csv", HEAD + "a,negative\n", r"real\.csv, row 61: label 'positive' \(60 rows\) is not a label of .*test"),
    ("real.csv", HEAD + "a,positive\nb,positive\n", r"generated\.csv, row 1: label 'negative' \(60 rows\) is not"),
    ("generated.csv", "txt,label\na,b\n", r"generated\.csv: no text column \(.* text, sent.*\); columns: txt, label"),
    ("generated.csv", "text,score\na,b\n", r"generated\.csv: no label column \(.* label, .*\); columns: text, score"),
    ("generated.jsonl", "{}", r"generated\.csv, generated\.jsonl all hold generated rows; keep one"),
    ("real.csv", "", r"real\.csv: the file is empty"),
    ("real.csv", HEAD + "a,negative\nb,positive,c\n", r"real\.csv, row 2: 3 fields, but the header has 2"),
    ("generated.csv", HEAD + "test negative 0,negative\ntest positive 1,positive\n", "all 2 generated rows .*test"),
    (
        "real.csv",
        HEAD + "a,negative\nb,positive\nc,negative\nd,positive\ne,positive\n",
        r"a small real set of 20 rows needs more than the 5 real rows of the pool; \[real=5\]",
    ),
    ("real.csv", HEAD + "a,negative\n" * 30 + "b,positive\n", "1 real row of class positive; at least 2"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FOLDERS, ids=[message for *_, message in BAD_FOLDERS])
def test_bad_folder(tmp_path, name, content, message):
    for role, counts in (("generated", BOTH), ("real", BOTH), ("test", {"negative": 20, "positive": 20})):
        csv(tmp_path / f"{role}.csv", make_rows(role, counts))
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path).real(0)
    assert "\n" not in str(caught.value)


def test_bad_paths(own, tmp_path):
    with pytest.raises(DataError, match=r"nowhere.csv: no such file; .*holds mytask"):
        load(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"no task 'mytsk'.*or a path"):
        load("mytsk")
    with pytest.raises(DataError, match=r"mytsk: no such file; .* did you mean 'mytask'"):
        load(f"{tmp_path}/mytsk")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty is empty; a task's folder needs generated\.\* and real\.\*"):
        load_spec(tmp_path / "empty")
    with pytest.raises(DataError, match=r"real\.jsonl: task mrpc needs two columns of texts; columns: text, label"):
        load("mrpc", places={role: str(own / "real.jsonl") for role in ("generated", "real", "test")})


def test_a_tasks_folder_serves_each_role_by_its_own_file(own):
    """Test rows never become training rows, even if `test` is the only split of a folder in hub layout."""
    whole = load(own)
    data = load("files", places=dict.fromkeys(("generated", "real", "test"), str(own)))
    assert hashes(data) == hashes(whole)
    (own / "generated.jsonl").write_text("")
    with pytest.raises(DataError, match=r"generated\.csv, generated\.jsonl all hold generated rows; keep one"):
        load("twitter", places={"generated": str(own)})


def test_a_folder_of_test_rows_alone_is_no_training_set(tmp_path):
    (tmp_path / "held").mkdir()
    csv(tmp_path / "held" / "test.csv", make_rows("test", BOTH))
    for role in ("generated", "real"):
        with pytest.raises(DataError, match="no split 'train'; splits: test"):
            load("twitter", places={role: str(tmp_path / "held")})
    assert len(load("twitter", places={"test": str(tmp_path / "held")}).test) == 120


def workbook_of(path):
    """A workbook whose first sheet has generated rows and whose second has real ones."""
    sheets = {
        role: [["text", "label"], *map(list, map(dict.values, make_rows(role, BOTH)))] for role in ("made", "real")
    }
    path.write_bytes(workbook(sheets))
    return str(path)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("generated.csv", "generated.csv", r"those of \S+generated.csv; each role needs its own rows"),
        ("generated.csv", "copy.csv", r"those of \S+generated.csv and \S+copy.csv; each role needs its own rows"),
        ("book.xlsx", "book.xlsx", r"those of \S+book.xlsx; of an Excel workbook one sheet is read, so save each"),
        (make_rows("a", BOTH), make_rows("a", BOTH), r"those of generated \(list\) and real \(list\)"),
    ],
)
def test_the_same_rows_in_two_roles_are_an_error(own, one, other, message):
    """LLM text was the real set and the test too, with a note on the sheet alone."""
    if one == "book.xlsx":
        pytest.importorskip("python_calamine")
    shutil.copy(own / "generated.csv", own / "copy.csv")
    workbook_of(own / "book.xlsx")
    rows = {"generated": one, "real": other}
    places = {
        role: str(own / place) if isinstance(place, str) else table_of(place, role) for role, place in rows.items()
    }
    with pytest.raises(DataError, match=rf"the generated rows and the real rows are the same, {message}"):
        load("files", places=places)
    with pytest.raises(DataError, match=r"the real rows and the test rows are the same, those of \S+real.jsonl;"):
        load(
            "files",
            places={
                "generated": str(own / "generated.csv"),
                **dict.fromkeys(("real", "test"), str(own / "real.jsonl")),
            },
        )


def test_a_file_may_have_a_column_of_each_role(own):
    frame = pd.DataFrame(make_rows("human", BOTH)).assign(llm=[row["text"] for row in make_rows("llm", BOTH)])
    path = csv(own / "both.csv", frame)
    readings = {"generated": Reading({"text": "llm"}), "real": Reading({"text": "text"})}
    data = load("files", places={"generated": path, "real": path}, readings=readings)
    assert (data.generated.texts[0], data.pool.texts[0]) == (frame["llm"][0], frame["text"][data.pool.ids[0]])
