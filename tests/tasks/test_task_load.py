"""Loading tasks: splits, draws, overlap, filters and the sources of each role."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import tasks
from tasks import DataError, load, load_spec, task_names
from tests.tasks.task_files import make_rows, write_json_lines, write_parquet, write_task

# Source `hub` has tests of its own.
USABLE = [(name, source) for name in task_names() for source in load_spec(name).complete_sources() if source != "hub"]


@pytest.fixture(
    params=[
        pytest.param(pair, id="-".join(pair), marks=[pytest.mark.shared] if pair[1] == "local" else [])
        for pair in USABLE
    ],
    scope="module",
)
def data(request):
    name, source = request.param
    folders = {"local": "shared_data", "course": "course_folder"}
    folder = request.getfixturevalue(folders[source]) if source in folders else None
    return load(name, source=source, data_dir=folder)


@pytest.fixture(scope="module")
def course_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    for short in ("neg", "pos"):
        (folder / f"train_{short}.txt").write_text("".join(f"{short} tweet {i}\n" for i in range(500)), "utf-8")
    return folder


def shares(rows, n):
    return np.bincount(rows.labels, minlength=n) / len(rows)


def test_roles_do_not_share_texts(data):
    test = set(data.test.keys)
    for rows in (data.generated, data.pool):
        assert test.isdisjoint(rows.keys)


def test_sizes(data):
    stand_in = (data.spec.name, data.source) == ("news", "bundled")
    assert data.stand_in == stand_in
    assert data.default_real == (100 if stand_in else 300)
    if stand_in:
        assert (len(data.test), len(data.pool)) == (400, 200)
    elif data.source == "bundled":
        published = data.spec.sources["bundled"].rows
        counts = {"generated": data.generated, "real": data.pool, "test": data.test}
        assert {role: len(rows) for role, rows in counts.items()} == published, "nothing is cut or dropped"
    assert len(data.test) <= data.spec.sizes.test
    assert data.generated_subset(None) is data.generated
    assert data.generated_subset(10**6) is data.generated


def test_row_sets_are_well_formed(data):
    for rows in (data.generated, data.pool, data.test, data.real(0)):
        assert len(rows.ids) == len(rows.texts) == len(rows.labels)
        assert (rows.pairs is not None) == data.spec.pair
        assert (np.diff(rows.ids) > 0).all()
        assert set(rows.labels.tolist()) == set(range(len(data.spec.labels)))


def test_draws_are_nested_stable_and_stratified(data):
    n, size = len(data.spec.labels), data.default_real
    for draw, whole in ((data.real, data.pool), (lambda seed, size: data.generated_subset(size, seed), data.generated)):
        small, large = draw(3, size // 2), draw(3, size)
        assert set(small.ids.tolist()) < set(large.ids.tolist()) <= set(whole.ids.tolist())
        assert draw(3, size).content_hash() == large.content_hash() != draw(4, size).content_hash()
        assert np.abs(shares(large, n) - shares(whole, n)).max() <= 1 / size + 1e-9
    assert len(data.real(0)) == size


def test_a_real_set_larger_than_the_pool_is_refused(data):
    with pytest.raises(DataError, match=f"more than the {len(data.pool):,} real rows of the pool"):
        data.real(0, len(data.pool) + 1)


@pytest.mark.parametrize(("name", "source"), [("twitter-irony", "bundled"), ("mrpc", "bundled"), ("news", "budled")])
def test_a_source_without_real_rows_names_those_there_are(name, source):
    with pytest.raises(DataError, match=r"no .*source.* '?bu.*dled.*(has|one of): .*local"):
        load(name, source=source)


def test_local_needs_a_data_folder(tmp_path):
    with pytest.raises(DataError, match=r"--data-dir or set BENCH_DATA"):
        load("twitter", source="local")
    with pytest.raises(DataError, match=r"nowhere: no such data folder"):
        load("twitter", source="local", data_dir=tmp_path / "nowhere")


def test_test_size_changes_the_test_only(task_folder):
    whole = load(task_folder / "made.yaml", source="local", data_dir=task_folder, test_size=None)
    for size, expected in (("default", 8), (4, 4), (100, 20)):
        data = load(task_folder / "made.yaml", source="local", data_dir=task_folder, test_size=size)
        assert len(data.test) == expected
        assert set(data.test.ids.tolist()) <= set(whole.test.ids.tolist())
        assert data.pool.content_hash() == whole.pool.content_hash()
    with pytest.raises(DataError, match=r"a test of 1 row is too small.*least: 2"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder, test_size=1)


GOLDEN_IDS = {
    "test": [2, 5, 7, 9, 10, 13, 14, 17],
    "real": [0, 9, 21, 23, 26, 28],
    "other": [0, 7, 17, 24, 27, 29],
    "generated": [1, 4, 5, 12, 15, 19],
}


def test_golden_ids(task_folder):
    data = load(task_folder / "made.yaml", source="local", data_dir=task_folder)
    drawn = {"test": data.test, "real": data.real(0), "other": data.real(1), "generated": data.generated_subset(6)}
    assert {name: rows.ids.tolist() for name, rows in drawn.items()} == GOLDEN_IDS


def test_split_of_one_file(task_folder):
    sources = {"local": {"generated": "generated.jsonl", "real": "real.jsonl", "split": {"test": 10}}}
    write_task(task_folder, sources=sources)
    data = load(task_folder / "made.yaml", source="local", data_dir=task_folder)
    assert (len(data.test), len(data.pool)) == (8, 20)
    assert np.bincount(data.pool.labels).tolist() == [8, 12]
    assert set(data.test.ids.tolist()).isdisjoint(data.pool.ids.tolist())
    write_task(task_folder, sources={"local": sources["local"] | {"split": {"test": 30}}})
    with pytest.raises(DataError, match="a test of 30 rows leaves none of the 30 real rows"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder)


def test_rows_that_are_also_in_the_test_are_removed_and_counted(task_folder):
    for name, n in (("generated", 1), ("real", 2)):
        rows = [json.loads(line) for line in (task_folder / f"{name}.jsonl").read_text("utf-8").splitlines()]
        copies = [{"text": f" TEST  Negative {i}", "label": "positive"} for i in range(n)]
        write_json_lines(task_folder / f"{name}.jsonl", copies + rows)
    data = load(task_folder / "made.yaml", source="local", data_dir=task_folder, test_size=2)
    assert data.notes == (
        "removed 1 of 21 generated rows whose text is also in the test",
        "removed 2 of 32 real rows whose text is also in the test",
        "2 of the 20 test rows were drawn, stratified by label; --test-size all takes all",
    )
    assert data.generated.ids.tolist() == list(range(1, 21))  # ids stay the row numbers of the file
    assert data.pool.ids.tolist() == list(range(2, 32))


def test_a_pair_overlaps_only_as_a_whole(task_folder):
    for name, pair in (("generated", "a"), ("real", "b"), ("test", "a")):
        write_json_lines(
            task_folder / f"{name}.jsonl", [r | {"other": pair} for r in make_rows("x", {"negative": 3, "positive": 3})]
        )
    write_task(task_folder, text_pair="other")
    with pytest.raises(DataError, match="the generated rows and the test rows are the same"):
        load(task_folder / "made.yaml", source="local", data_dir=task_folder)
    write_json_lines(
        task_folder / "generated.jsonl", [r | {"other": "c"} for r in make_rows("x", {"negative": 3, "positive": 3})]
    )
    data = load(task_folder / "made.yaml", source="local", data_dir=task_folder)
    assert (len(data.generated), len(data.pool), data.notes) == (6, 6, ())
    assert data.pool.pairs == ["b"] * 6


def test_hash_does_not_depend_on_the_path(task_folder, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in [*task_folder.glob("*.jsonl"), task_folder / "made.yaml"]:
        (moved / path.name).write_bytes(path.read_bytes())
    one, two = (load(folder / "made.yaml", source="local", data_dir=folder) for folder in (task_folder, moved))
    assert one.generated.content_hash() == two.generated.content_hash()
    assert one.real(0).content_hash() == two.real(0).content_hash()


AGREEMENT = {"agreement": {"column": "agreement", "meaning": "share"}}
FILTERED = {"local": {"generated": "generated.jsonl", "real": "real.jsonl", "split": {"test": 4}}}


@pytest.fixture
def filtered(task_folder):
    rows = make_rows("real", {"negative": 12, "positive": 18})
    write_json_lines(task_folder / "real.jsonl", [row | {"agreement": 50 + 25 * (i % 3)} for i, row in enumerate(rows)])
    write_task(task_folder, sources=FILTERED, filters=AGREEMENT)
    return task_folder


def test_filters_keep_rows_at_or_above_the_value(filtered):
    data = load(filtered / "made.yaml", source="local", data_dir=filtered, options={"agreement": 75})
    assert data.notes == ("agreement=75: keeps 20 of 30 real rows",)
    ids = sorted([*data.test.ids.tolist(), *data.pool.ids.tolist()])
    assert ids == [i for i in range(30) if i % 3]
    assert len(data.generated) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agrement": 75}, r"task made has no option 'agrement'; did you mean 'agreement'\?"),
        ({"agreement": "75"}, "agreement takes a number, not '75'"),
        ({"agreement": True}, "agreement takes a number, not True"),
        ({"agreement": float("nan")}, "agreement takes a number, not nan"),
        ({"agreement": 101}, r"real\.jsonl: agreement=101 keeps no rows; the largest agreement is 100"),
    ],
)
def test_wrong_filters(filtered, options, message):
    with pytest.raises(DataError, match=message):
        load(filtered / "made.yaml", source="local", data_dir=filtered, options=options)


def test_filter_column_is_checked(filtered):
    rows = make_rows("real", {"negative": 3, "positive": 3})
    write_json_lines(filtered / "real.jsonl", [row | {"agreement": "a"} for row in rows])
    with pytest.raises(DataError, match=r"real\.jsonl, line 1: agreement is 'a', not a number"):
        load(filtered / "made.yaml", source="local", data_dir=filtered, options={"agreement": 75})
    with pytest.raises(DataError, match=r"real\.parquet: no column 'agreement'; columns: text, label"):
        load("financial", options={"agreement": 75})
    with pytest.raises(DataError, match="task twitter has no option 'agreement'; known: size"):
        load("twitter", options={"agreement": 75})


def test_bundled_generated_set_serves_a_data_folder_without_one(tmp_path):
    for part, n in (("train", 160), ("test", 20)):
        rows = make_rows(part, {"negative": n, "positive": n})
        columns = {"text": [row["text"] for row in rows], "label": [int(row["label"] == "positive") for row in rows]}
        write_parquet(tmp_path / "twitter_smiley" / f"{part}.parquet", columns)
    data = load("twitter", source="local", data_dir=tmp_path)
    assert data.notes == (
        "generated set: bundled, because source local does not have generated_llm_twitter/train.jsonl",
    )
    assert data.generated.content_hash() == load("twitter").generated.content_hash()
    assert (len(data.pool), len(data.test), data.stand_in) == (320, 40, False)
    (tmp_path / "generated_llm_twitter").mkdir()
    with pytest.raises(DataError, match=re.escape("train.jsonl: no such file")):
        load("twitter", source="local", data_dir=tmp_path)


def test_mrpc_has_no_bundled_generated_set(tmp_path):
    with pytest.raises(DataError, match=r"generated_supergen_mrpc.*no such file; .* is empty"):
        load("mrpc", source="local", data_dir=tmp_path)


def test_a_class_that_is_not_generated_is_noted(task_folder):
    write_json_lines(task_folder / "generated.jsonl", make_rows("generated", {"negative": 4}))
    data = load(task_folder / "made.yaml", source="local", data_dir=task_folder)
    assert [str(finding).partition(":")[0] for finding in data.findings if finding.kind == "absent-class"] == [
        "the generated set has no row of class positive"
    ]
    assert len(data.generated_subset(2)) == 2


@pytest.mark.shared
def test_bundled_and_shared_generated_sets_are_the_same(shared_data):
    for name in ("twitter", "twitter-irony", "financial", "news"):
        shared = shared_data / load_spec(name).sources["local"].generated
        bundled = load_spec(name).sources["bundled"].generated
        assert shared.read_bytes() == (Path(tasks.__file__).parent / bundled).read_bytes()


@pytest.mark.shared
def test_financial_agreement(shared_data):
    data = load("financial", source="local", data_dir=shared_data, options={"agreement": 75})
    assert len(data.test) + len(data.pool) == 3453
    assert "agreement=75: keeps 3,453 of 4,846 real rows" in data.notes
