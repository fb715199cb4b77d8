"""Stress axes: draws are nested and depend on texts; hidden columns tell what was done; other roles do not change."""

from dataclasses import replace

import numpy as np
import pytest

from tasks import AXES, DataError, load, stressed
from tasks.stress import NOISE, without_defaults

STEPS = {
    "generated": (200, 100),
    "imbalance": (2.0, 10.0),
    "noise": (0.1, 0.4),
    "duplicates": (0.05, 1.5),
    "real": (20, 60),
    "shift": (2.0, 5.0),
}
ROLES = {"generated": "generated", "real": "pool", "test": "test"}


@pytest.fixture(scope="module")
def data():
    return load("news")


def rows_of(data, role, seed=0):
    """The rows that an axis of this role acts on."""
    return data.real(seed) if role == "real" else getattr(data, role)


def trace(rows):
    """The rows as pairs of id and label."""
    return {(row, label) for row, label in zip(rows.ids.tolist(), rows.labels.tolist(), strict=True)}


def flipped(rows):
    return rows.ids[rows.labels != rows.hidden["label_clean"]]


def test_every_axis_with_a_value_is_tried_here():
    assert set(STEPS) == {name for name, axis in AXES.items() if axis.option_of is None}


@pytest.mark.parametrize("name", STEPS)
def test_an_axis_acts_on_its_role_alone(data, name):
    result = stressed(data, {name: STEPS[name][1]}, 0)
    for role in ROLES:
        same = rows_of(result, role).content_hash() == rows_of(data, role).content_hash()
        assert same == (role != AXES[name].role)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("seed", [0, 3])
def test_draws_are_nested_and_repeatable(data, name, seed):
    less, more = (rows_of(stressed(data, {name: value}, seed), AXES[name].role, seed) for value in STEPS[name])
    again = rows_of(stressed(data, {name: STEPS[name][1]}, seed), AXES[name].role, seed)
    assert again.content_hash() == more.content_hash()
    if name == "noise":
        assert set(flipped(less)) < set(flipped(more))
        at = np.isin(more.ids, flipped(less))
        assert np.array_equal(more.labels[at], less.labels[at]), "the same wrong label"
    else:
        small, large = sorted((less, more), key=len)
        assert trace(small) < trace(large)


@pytest.mark.parametrize("name", sorted(set(STEPS) - {"shift"}))
def test_seeds_draw_anew(data, name):
    a, b = (rows_of(stressed(data, {name: STEPS[name][1]}, seed), AXES[name].role, seed) for seed in (0, 1))
    assert a.content_hash() != b.content_hash()


def test_the_test_is_the_same_for_every_seed(data):
    a, b = (stressed(data, {"shift": 5.0}, seed).test for seed in (0, 1))
    assert a.content_hash() == b.content_hash()


@pytest.mark.parametrize("kind", NOISE)
def test_noise_flips_the_share_and_records_the_label(data, kind):
    rows = stressed(data, {"noise": 0.25, "noise_kind": kind}, 0).generated
    wrong = rows.labels != rows.hidden["label_clean"]
    assert wrong.sum() == round(0.25 * len(rows))
    assert np.array_equal(rows.hidden["label_clean"], data.generated.labels)
    assert set(rows.labels) == set(range(len(data.spec.labels)))


def test_uniform_and_pair_noise_keep_the_shares_of_the_classes_and_go_where_they_say(data):
    for kind, steps in (("uniform", {1, 2, 3}), ("pair", {1})):
        rows = stressed(data, {"noise": 0.4, "noise_kind": kind}, 0).generated
        clean, wrong = rows.hidden["label_clean"], rows.labels != rows.hidden["label_clean"]
        assert np.ptp(np.bincount(clean[wrong])) <= 1
        assert set((rows.labels - clean)[wrong] % 4) == steps


def test_instance_noise_prefers_the_texts_that_look_like_another_class():
    """Two rows whose words are the other class's are among the first to flip."""
    rows = load("twitter").generated
    texts = list(rows.texts)
    negative, positive = (np.flatnonzero(rows.labels == label) for label in (0, 1))
    odd = [*negative[:20], *positive[:20]]
    for mine, other in zip(odd, [*positive[20:40], *negative[20:40]], strict=True):
        texts[mine] = f"{texts[other]} indeed"
    data = replace(load("twitter"), generated=replace(rows, texts=texts))
    result = stressed(data, {"noise": 0.1, "noise_kind": "instance"}, 0).generated
    wrong = result.labels != result.hidden["label_clean"]
    assert wrong[odd].mean() > 2 * wrong.mean()


def test_instance_noise_reads_scripts_that_have_no_spaces():
    """A Chinese text was one word, which no other row has: then every row flips alike, and none is ambiguous."""
    plain = load("twitter").generated
    rng = np.random.default_rng(0)
    signs = ["".join(rng.choice(list(letters), 12)) for letters in ("\u597d\u7f8e\u559c", "\u574f\u4e11\u6068")]
    texts = [signs[label][k % 5 :] + f"\u6587{chr(0x5000 + k)}" for k, label in enumerate(plain.labels)]
    odd = np.arange(0, len(texts), 25)
    for row in odd:
        texts[row] = signs[1 - plain.labels[row]] + f"\u6587{chr(0x5000 + row)}"
    data = replace(load("twitter"), generated=replace(plain, texts=texts))
    result = stressed(data, {"noise": 0.1, "noise_kind": "instance"}, 0).generated
    wrong = result.labels != result.hidden["label_clean"]
    assert wrong[odd].mean() > 2 * wrong.mean()


def test_duplicates_are_copies_with_new_ids(data):
    rows = stressed(data, {"duplicates": 0.5, "noise": 0.2}, 0).generated
    copies = rows.hidden["copy_of"] >= 0
    assert copies.sum() == round(0.5 * len(data.generated))
    assert len(set(rows.ids)) == len(rows)
    place = {row: i for i, row in enumerate(rows.ids.tolist())}
    sources = [place[row] for row in rows.hidden["copy_of"][copies]]
    assert [rows.texts[i] for i in sources] == [rows.texts[i] for i in np.flatnonzero(copies)]
    assert np.array_equal(rows.labels[sources], rows.labels[copies]), "a copy of a wrong row is wrong"
    assert np.array_equal(rows.hidden["label_clean"][sources], rows.hidden["label_clean"][copies])
    assert np.array_equal(rows.origins[copies], rows.ids[sources])
    assert len(set(sources)) == np.ceil(0.1 * len(data.generated))


def test_imbalance_is_a_long_tail(data):
    rows = stressed(data, {"imbalance": 8.0}, 0).generated
    counts = np.sort(np.bincount(rows.labels))[::-1]
    assert counts.tolist() == [270, 135, 68, 34]


def test_a_class_that_would_be_lost_is_an_error(data):
    with pytest.raises(DataError, match="imbalance=500 leaves 1 of 270 rows of a class; least: 2"):
        stressed(data, {"imbalance": 500.0}, 0)


def test_what_changes_nothing_is_left_out():
    values = {"noise_kind": "pair", "noise": 0.0, "duplicates": 0.0, "imbalance": 1.0, "real": 50}
    assert without_defaults(values) == {"real": 50}
    assert without_defaults({"noise_kind": "pair", "noise": 0.1}) == {"noise": 0.1, "noise_kind": "pair"}


def test_hidden_columns_are_not_in_the_content_hash(data):
    rows = data.generated
    assert replace(rows, hidden={"label_clean": rows.labels}).content_hash() == rows.content_hash()


def test_news_noisy_knows_which_labels_are_wrong(shared_data):
    """Human errors: the share that the data's description states; the true label is in a hidden column only."""
    data = load("news-noisy", source="local", data_dir=shared_data)
    wrong = data.generated.labels != data.generated.hidden["label_clean"]
    assert wrong.mean() == pytest.approx(0.1975, abs=1e-3)
    assert not data.test.hidden
    assert not set(data.pool.keys) & set(data.generated.keys)
    more = stressed(data, {"noise": 0.3}, 0).generated
    assert np.array_equal(more.hidden["label_clean"], data.generated.hidden["label_clean"]), "the truth stays the truth"
