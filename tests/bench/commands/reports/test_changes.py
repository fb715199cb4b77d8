"""`bench changes`: two reports whose differences are known."""

import json

import pytest

from bench.leaderboard import write_report
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.in_process import command as bench


def written(root, **changed):
    """The folder of a report on `ce`, `dimp` and more."""
    store = FakeStore(root / "runs", rows=60, **changed.pop("section", {}))
    store.method("ce")
    for label, skill in changed.pop("methods", {"dimp": 2.0, "focal": 0.9}).items():
        store.method(label, skill=skill)
    return write_report(store.manifest(), store.root, root / "reports", figures=False).parent


def test_what_changed(tmp_path, capsys):
    section = {
        "hashes": {"generated": "9e4e", "test": "other"},
        "settings": {"updates": 96, "batch_size": 32, "lr": 0.0003},
    }
    old = written(tmp_path / "old")
    new = written(tmp_path / "new", methods={"dimp": 3.0, "gce": 1.0}, section=section)
    code, out, _ = bench(capsys, "changes", str(old), str(new))
    assert code == 0
    assert "## twitter, bundled, sentence-transformers/all-MiniLM-L6-v2, quick, fixed" in out
    assert "- settings: updates 48 → 96" in out
    assert "- hashes: the content of the test rows is another" in out
    assert "New methods: gce." in out
    assert "Methods that are gone: focal." in out
    before, after = (
        next(row for row in json.loads((folder / "leaderboard.json").read_text())["rows"] if row["label"] == "dimp")
        for folder in (old, new)
    )
    means = [f"{100 * row['accuracy']['mean']:.1f}" for row in (before, after)]
    (line,) = [line for line in out.splitlines() if line.startswith("| dimp |")]
    assert line.startswith(f"| dimp | 3 | {means[0]} → {means[1]} | +")
    assert "1 method without a change." in out


def test_a_report_and_itself(tmp_path, capsys):
    folder = written(tmp_path)
    out = bench(capsys, "changes", str(folder), str(folder / "leaderboard.json"))[1]
    assert "3 methods without a change." in out
    assert "→" not in out


def test_an_encoder_that_was_moved_is_the_same(tmp_path, capsys):
    """The sections were not compared. Other weights under the same name were compared without a word."""
    old = written(tmp_path / "old", section={"encoder": "/data/minilm"})
    new = written(tmp_path / "new", section={"encoder": "/mnt/minilm"})
    out = bench(capsys, "changes", str(old), str(new))[1]
    assert "## twitter, bundled, /mnt/minilm, quick, fixed" in out
    assert "Sections only" not in out
    assert "- encoder: " not in out
    assert "3 methods without a change." in out
    changed_json(old, lambda value: value["sections"][0].update(encoder="/mnt/minilm", encoder_hash="other"))
    changed_json(old, lambda value: [row.update(encoder="/mnt/minilm") for row in value["rows"]])
    out = bench(capsys, "changes", str(old), str(new))[1]
    assert "- encoder: its weights or its tokenizer are others" in out
    assert "3 methods without a change." in out


def test_what_the_reports_show_alike_did_not_change(tmp_path, capsys):
    """Accuracies of 76.6 and 76.7 counted as unchanged."""
    old, new = written(tmp_path / "old"), written(tmp_path / "new")
    for folder, mean in ((old, 0.76648), (new, 0.76652)):
        changed_json(folder, lambda value, mean=mean: row_of(value, "dimp")["accuracy"].update(mean=mean))
    out = bench(capsys, "changes", str(old), str(new))[1]
    assert "| dimp | 3 | 76.6 → 76.7 | " in out
    changed_json(old, lambda value: row_of(value, "dimp")["accuracy"].update(mean=0.76740))
    assert "3 methods without a change." in bench(capsys, "changes", str(old), str(new))[1], "76.7 is 76.7"


def test_an_interval_that_excludes_nothing_is_said_to_do_so(tmp_path, capsys):
    folders = [written(tmp_path / str(seeds), section={"seeds": tuple(range(seeds))}) for seeds in (2, 3)]
    values = [row_of(json.loads((folder / "leaderboard.json").read_text()), "dimp") for folder in folders]
    assert values[0]["difference"]["shown_low"] == -1
    out = bench(capsys, "changes", *map(str, folders))[1]
    (line,) = [line for line in out.splitlines() if line.startswith("| dimp |")]
    assert f"{100 * values[0]['difference']['accuracy']:+.1f} [excludes nothing] → " in line.replace("\\", "")


def row_of(value, label):
    """The row of a method in the JSON of a report."""
    return next(row for row in value["rows"] if row["label"] == label)


@pytest.mark.parametrize("content", [None, "[]", "{", '{"command": "x"}'])
def test_no_report(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "leaderboard.json").write_text(content)
    code, _, error = bench(capsys, "changes", str(tmp_path), str(tmp_path))
    assert code == 2
    said = "leaderboard.json; name the folder" if content is None else "leaderboard.json is not the JSON of a report"
    assert said in error


def changed_json(folder, change):
    """Change the JSON of a report."""
    path = folder / "leaderboard.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_report_of_an_earlier_version_has_fewer_entries(tmp_path, capsys):
    old, new = written(tmp_path / "old"), written(tmp_path / "new")
    changed_json(old, lambda value: [value["sections"][0].pop(name, None) for name in ("notes", "seeds", "sizes")])
    changed_json(new, lambda value: value["sections"][0].update(notes=["35 rows are copies"]))
    code, out, _ = bench(capsys, "changes", str(old), str(new))
    assert code == 0
    assert "new: 35 rows are copies" in out
    assert "- seeds: – → 0, 1, 2" in out


def both(root, *settings):
    """The folder of a report with a section for each of some settings, which have the same names."""
    sections = []
    for number, own in enumerate(settings):
        store = FakeStore(root / str(number), rows=60, settings={"updates": 48, "batch_size": 32, "lr": 3e-4, **own})
        section = store.method("ce").method("dimp", skill=2.0 + own.get("updates", 0) / 48).section
        for method in section["methods"]:
            method["cells"] = {seed: f"{number}/{path}" for seed, path in method["cells"].items()}
        sections.append(section)
    manifest = {**store.manifest(), "sections": sections}
    return write_report(manifest, root, root / "reports", figures=False).parent


def test_sections_that_differ_in_settings_alone_are_compared_with_the_nearest(tmp_path, capsys):
    old = both(tmp_path / "old", {"updates": 48}, {"updates": 96}, {"lr": 1e-4})
    new = both(tmp_path / "new", {"updates": 96, "lr": 5e-4}, {"updates": 48})
    code, out, error = bench(capsys, "changes", str(old), str(new))
    assert code == 0, error
    name = "twitter, bundled, sentence-transformers/all-MiniLM-L6-v2, quick, fixed"
    assert f"Sections only in the old report: {name}, updates 48, lr 0.0001." in out
    first, second = out.split("## ")[1:]
    assert first.startswith(f"{name}, updates 96, lr 0.0005")
    assert "- settings: lr 0.0003 → 0.0005" in first
    assert second.startswith(f"{name}, updates 48, lr 0.0003")
    assert "settings" not in second
    assert "2 methods without a change" in second, "its rows are its own, not those of the other section"


def test_a_report_with_one_section_beside_one_with_two(tmp_path, capsys):
    old, new = both(tmp_path / "old", {}), both(tmp_path / "new", {"updates": 96}, {})
    code, out, error = bench(capsys, "changes", str(old), str(new))
    assert code == 0, error
    assert "Sections only in the new report" in out
    assert "updates 96" in out
    assert "2 methods without a change" in out


def test_rows_of_an_earlier_version_that_belong_to_one_of_two_sections_are_an_error(tmp_path, capsys):
    folder = both(tmp_path, {}, {"updates": 96})
    changed_json(folder, lambda value: [entry.pop("section") for entry in (*value["sections"], *value["rows"])])
    code, _, error = bench(capsys, "changes", str(folder), str(folder))
    assert code == 2
    assert "write it again with `bench report`" in error


def test_the_names_of_sections_stand_in_a_report_only_where_they_are_needed(tmp_path):
    one, two = (
        json.loads((folder / "leaderboard.json").read_text())
        for folder in (both(tmp_path / "1", {}), both(tmp_path / "2", {}, {"updates": 96}))
    )
    assert "section" not in one["sections"][0]
    assert "section" not in one["rows"][0]
    assert {row["section"] for row in two["rows"]} == {"updates 48", "updates 96"}


def test_other_values_of_a_column_are_said(tmp_path, capsys):
    """Only the numbers of the method that reads it changed."""
    old, new = (FakeStore(tmp_path / name / "runs", rows=60).method("ce") for name in ("old", "new"))
    for store, value in ((old, "ab"), (new, "cd")):
        store.method("score", given={"column:score": value, "quality": "same"})
        store.method("imp", given={"quality": value} if store is new else {})
        write_report(store.manifest(), store.root, store.root.parent / "reports", figures=False)
    out = bench(capsys, "changes", str(tmp_path / "old" / "reports"), str(tmp_path / "new" / "reports"))[1]
    assert "- score: the values of column score are others" in out
    assert "imp" not in out, "a report of an earlier version does not say which values it read"
