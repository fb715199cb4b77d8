"""Clusters of test rows: a column `cluster`, a column `group` with many values, or rows that repeat a text."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import tasks
from tasks import DataError
from tasks.draw import cluster_folds
from tasks.loading.clusters import components, with_clusters
from tasks.loading.copies import without_repeats
from tasks.loading.division import division
from tasks.loading.read_roles import Reader
from tasks.sources.registry import Split
from tests.tasks.task_files import write_json_lines, write_task


@pytest.fixture
def load(tmp_path):
    """Load own files with a test of these texts and extra columns."""

    def loaded(texts, real=None, folds=None, real_rows=60, **columns):
        def put(name, frame):
            frame.to_csv(tmp_path / name, index=False)
            return str(tmp_path / name)

        def rows(what, count):
            return pd.DataFrame({"text": [f"{what} {i}" for i in range(count)], "label": ["a", "b"] * (count // 2)})

        test = pd.DataFrame({"text": texts, "label": (["a", "b"] * len(texts))[: len(texts)], **columns})
        places = {
            "generated": put("g.csv", rows("made", 40)),
            "real": put("r.csv", rows("real", real_rows).assign(**real or {})),
        }
        return tasks.load(
            "files", places={**places, **({} if folds is not None else {"test": put("t.csv", test)})}, folds=folds
        )

    return loaded


def test_rows_that_repeat_a_text_are_one_cluster(load):
    data = load(["One  text", "other", "one text", "third"])
    clusters = data.test.hidden["cluster"]
    assert clusters[0] == clusters[2]
    assert len(np.unique(clusters)) == 3
    note = "the 4 test rows are 3 clusters of the same text; intervals and verdicts count clusters, not rows"
    assert note in data.notes


def test_without_repeats_rows_are_as_they_were(load):
    data = load(["one", "two", "three", "four"])
    assert "cluster" not in data.test.hidden
    assert not any("cluster" in note for note in data.notes)


def test_a_column_names_clusters(load):
    data = load(["a", "b", "c", "d", "e", "f"], Cluster=["x", "y", "x", None, None, "y"])
    clusters = data.test.hidden["cluster"].tolist()
    assert clusters[0] == clusters[2]
    assert clusters[1] == clusters[5]
    assert len(set(clusters)) == 4, "rows without a name are clusters of their own"
    assert any("2 test rows without a Cluster" in note for note in data.notes)
    assert any("6 test rows are 4 clusters of the same Cluster (column 'Cluster' of the test)" in n for n in data.notes)


def test_a_group_of_few_values_is_an_attribute(load):
    data = load([f"t{i}" for i in range(80)], group=["man", "woman"] * 40)
    assert "cluster" not in data.test.hidden
    assert any("column 'group' of the test has 2 values, too few to be clusters" in note for note in data.notes)
    data = load([f"t{i}" for i in range(80)], group=[f"author {i // 2}" for i in range(80)])
    assert len(np.unique(data.test.hidden["cluster"])) == 40


def test_the_rows_that_the_test_is_drawn_from_say_what_a_group_is(load):
    """They have 45 authors and the half that tests has fewer than 30: its rows counted as independent."""
    data = load([], folds=0, real_rows=600, real={"group": [f"author {i // 2 % 45}" for i in range(600)]})
    assert 1 < len(set(data.test.columns["group"])) < 30
    assert len(np.unique(data.test.hidden["cluster"])) == len(set(data.test.columns["group"]))
    assert not any("too few" in note for note in data.notes)


def test_hashes_do_not_depend_on_clusters(load):
    texts = ["a", "b", "c", "d"]
    plain, clustered = load(texts), load(texts, cluster=[1, 1, 2, 2])
    assert plain.test.content_hash() == clustered.test.content_hash()


def trained(data):
    return [str(finding) for finding in data.findings if finding.kind == "trained-clusters"]


def test_clusters_that_are_trained_on_are_a_warning(load):
    """Half of the real rows, held out by text, shared their clusters with the other half without a word."""
    texts = [f"t{i}" for i in range(8)]
    data = load(
        texts, real={"cluster": [f"user {i // 2}" for i in range(60)]}, cluster=[f"user {i}" for i in range(26, 34)]
    )
    assert trained(data)[0].startswith(
        "4 of 8 tested rows are of a cluster (column 'cluster') that real rows have too: "
    )
    assert not trained(load(texts, real={"cluster": range(60)}, cluster=range(60, 68)))
    assert not trained(load(texts, cluster=range(8)))
    assert not trained(load(texts, real={"cluster": [None] * 60}, cluster=[None, *range(7)]))


def names(rows):
    return {str(name) for name in rows.columns["cluster"] if name == name}


@pytest.mark.parametrize("sizes", [[3] * 20, [2] * 15 + [1] * 30, [11, 11, 9, 9, 5, 5, 5, 5]])
def test_a_fold_takes_whole_clusters(load, sizes):
    """Folds were cut by text, so that most authors were both trained on and tested; a warning said so."""
    clusters = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes)).tolist()
    data = load([], real={"cluster": clusters}, folds=5)
    assert not trained(data)
    assert f"the 60 real rows are {len(sizes)} clusters (column 'cluster'" in "".join(data.notes)
    parts = [tasks.stressed(data, {}, seed) for seed in range(10)]
    for repeat in (parts[:5], parts[5:]):
        assert sorted(np.concatenate([part.test.ids for part in repeat])) == list(range(60))
    for part in parts:
        assert not names(part.test) & names(part.pool)
        assert set(part.test.labels) == {0, 1}
        assert not part.test.hidden
        assert not part.pool.hidden
        assert abs(len(part.test) - 12) <= max(sizes)
    assert set(parts[0].test.ids) != set(parts[5].test.ids)


def test_real_rows_without_a_cluster_are_counted_and_divided_alone(load):
    data = load([], real={"cluster": [i // 3 if i < 30 else None for i in range(60)]}, folds=5)
    assert "30 real rows without a cluster: each is a cluster of its own" in data.notes
    assert any("the 60 real rows are 40 clusters" in note for note in data.notes)


def test_folds_of_clusters_do_not_depend_on_the_order_of_the_file():
    rows = tasks.Rows(
        np.arange(60),
        [f"text {i}" for i in range(60)],
        None,
        np.arange(60) % 2,
        columns={"cluster": [i // 4 for i in range(60)]},
    )
    clusters = np.arange(60) // 4
    order = np.random.default_rng(0).permutation(60)
    folds = cluster_folds("t", rows, 0, 5, clusters)
    assert (cluster_folds("t", rows.take(order), 0, 5, clusters[order]) == folds[order]).all()


def test_clusters_that_cannot_be_cut_are_one_line(load):
    with pytest.raises(DataError, match="3 clusters cannot be cut into 5 folds; give more rows, or ask for fewer"):
        load([], real={"cluster": [i // 20 for i in range(60)]}, folds=5)
    by_class = [i % 2 * 10 + i % 7 // 2 for i in range(60)]
    data = load([], real={"cluster": by_class}, folds=6)
    with pytest.raises(DataError, match=r"no row of class . is in fold . of 6, because rows of a cluster"):
        [tasks.stressed(data, {}, seed) for seed in range(6)]


def test_a_held_out_half_takes_whole_clusters(load):
    data = load([], real={"cluster": [i // 4 for i in range(120)]}, real_rows=120, folds=0)
    assert 60 <= len(data.test) <= 63
    assert len(data.test) + len(data.pool) == 120
    assert not names(data.test) & names(data.pool)
    assert not data.pool.hidden
    assert not trained(data)
    assert any("rows are 30 clusters" in note for note in data.notes)
    with pytest.raises(DataError, match="leaves no real row, because rows of a cluster stay together"):
        load([], real={"cluster": [1] * 120}, real_rows=120, folds=0)


def test_rows_linked_by_a_text_or_a_cluster_are_one_component():
    numbers = components(["a", "a", "b", "c", "d"], ["1", "2", "2", "3", "4"])
    assert numbers[0] == numbers[1] == numbers[2]
    assert len(set(numbers.tolist())) == 3


def test_a_split_of_a_yaml_takes_whole_clusters(tmp_path):
    """Rows of one cluster, and rows that differ in punctuation alone, were both trained on and tested."""
    rows = [{"text": f"real {i}", "label": "ab"[i % 2], "cluster": i // 4} for i in range(200)]
    write_json_lines(tmp_path / "generated.jsonl", [{"text": f"made {i}", "label": "ab"[i % 2]} for i in range(40)])
    path = write_task(
        tmp_path,
        labels=["a", "b"],
        sources={"local": {"generated": "generated.jsonl", "real": "real.jsonl", "split": {"test": 60}}},
        sizes={"real": {"default": 6}, "test": 100},
    )

    def loaded(rows):
        write_json_lines(tmp_path / "real.jsonl", rows)
        return tasks.load(path, source="local", data_dir=tmp_path)

    data = loaded(rows)
    assert 60 <= len(data.test) <= 63
    assert len(data.test) + len(data.pool) == 200
    assert not names(data.test) & names(data.pool)
    assert not trained(data)
    assert any("rows are 50 clusters" in note for note in data.notes)
    plain = [{key: row[key] for key in ("text", "label")} for row in rows]
    data = loaded([row | {"text": f"real, {i - i % 2}" + "!" * (i % 2)} for i, row in enumerate(plain)])
    assert not {*data.test.near_keys} & {*data.pool.near_keys}
    assert len(loaded(plain).test) == 60


def test_a_registered_task_keeps_its_split():
    """Its published tests stay what they are, although near copies may be trained on."""
    rows = tasks.Rows(np.arange(4), ["so", "so!", "yes", "yes!"], None, np.zeros(4, dtype=np.int64))
    reader = Reader("news", "bundled", None, {}, {})
    reader.block = reader.block.model_copy(update={"split": Split(test=1)})
    held, pool, _ = division(reader, {"real": rows}, None, None, drop_copies=False)
    assert (len(held), len(pool)) == (1, 3)


def test_clusters_of_two_files_are_compared_whatever_their_spelling(load):
    texts = [f"t{i}" for i in range(8)]
    for real, test in (
        ({"cluster": range(60)}, {"cluster": [float(i) for i in range(56, 64)]}),
        ({"cluster": range(60)}, {" Cluster": range(56, 64)}),
        ({"CLUSTER": [*map(float, range(59)), None]}, {"Cluster": [55, 56, 57, 58, 60, 61, 62, None]}),
    ):
        assert trained(load(texts, real=real, **test))[0].startswith("4 of 8 tested rows are of a cluster (column ")


def test_one_long_text_costs_its_length_once():
    """Each row took the memory of the longest."""
    texts = ["so", "a" * 10**6, "so!", *(f"text {i}" for i in range(97)), "so"]
    rows = tasks.Rows(np.arange(len(texts)), texts, None, np.arange(len(texts)) % 2)
    keys = np.unique(np.array([text[:9] for text in texts]), return_inverse=True)[1]
    rows.near_keys  # noqa: B018  # reads the text once
    tracemalloc.start()
    clusters, notes = with_clusters(rows, [], rows).hidden["cluster"], []
    left = without_repeats(rows, notes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clusters.tolist() == keys.tolist()
    assert left.ids.tolist() == [0, 1, *range(3, 100)]
    assert notes == [
        "left out 2 of 101 real rows that repeat an earlier real row, apart from punctuation (--drop-copies)"
    ]
    assert peak < 5 * 10**7
