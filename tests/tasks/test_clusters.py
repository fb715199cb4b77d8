"""Clusters of test rows: a column `cluster`, a column `group` with many values, or rows that repeat a text."""

import numpy as np
import pandas as pd
import pytest

import tasks


@pytest.fixture
def load(tmp_path):
    """Load own files with a test of these texts and extra columns."""

    def loaded(texts, real=None, folds=None, **columns):
        def put(name, frame):
            frame.to_csv(tmp_path / name, index=False)
            return str(tmp_path / name)

        def rows(what, count):
            return pd.DataFrame({"text": [f"{what} {i}" for i in range(count)], "label": ["a", "b"] * (count // 2)})

        test = pd.DataFrame({"text": texts, "label": (["a", "b"] * len(texts))[: len(texts)], **columns})
        places = {
            "generated": put("g.csv", rows("made", 40)),
            "real": put("r.csv", rows("real", 60).assign(**real or {})),
        }
        return tasks.load("files", places={**places, **({} if folds else {"test": put("t.csv", test)})}, folds=folds)

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


def test_hashes_do_not_depend_on_clusters(load):
    texts = ["a", "b", "c", "d"]
    plain, clustered = load(texts), load(texts, cluster=[1, 1, 2, 2])
    assert plain.test.content_hash() == clustered.test.content_hash()


def taught(data):
    return [str(finding) for finding in data.findings if finding.kind == "taught-clusters"]


def test_clusters_that_are_taught_are_a_warning(load):
    """Half of the real rows, held out by text, shared their clusters with the other half without a word."""
    texts = [f"t{i}" for i in range(8)]
    data = load(
        texts, real={"cluster": [f"user {i // 2}" for i in range(60)]}, cluster=[f"user {i}" for i in range(26, 34)]
    )
    assert taught(data)[0].startswith(
        "4 of 8 tested rows are of a cluster (column 'cluster') that real rows have too: "
    )
    assert not taught(load(texts, real={"cluster": range(60)}, cluster=range(60, 68)))
    assert not taught(load(texts, cluster=range(8)))
    assert not taught(load(texts, real={"cluster": [None] * 60}, cluster=[None, *range(7)]))


def test_clusters_in_several_folds_are_a_warning(load):
    data = load([], real={"cluster": [i // 3 if i < 30 else i for i in range(60)]}, folds=5)
    assert taught(data)[0].startswith(
        "30 of 60 tested rows are of a cluster (column 'cluster') that other real rows have"
    )
