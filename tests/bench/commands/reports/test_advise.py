import json

import pytest

from bench.leaderboard import write_report
from bench.store.files import write_json
from bench.store.looks import looks_file, looks_in, with_looks
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.in_process import command as bench


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FakeStore(tmp_path / "runs", rows=200)
    store.method("ce").method("real-only", skill=0.9).method("dimp", skill=3.0)
    write_json(store.root / ".grids" / "a.json", store.manifest())
    return store


def test_the_advice_is_that_of_the_leaderboard(store, capsys):
    code, out, _ = bench(capsys, "advise")
    assert code == 0
    said = [line for line in out.splitlines() if line.startswith("- **")]
    assert len(said) == 3
    assert "`bench labels` says what more labelled rows would bring" in out
    text = write_report(store.manifest(), store.root, store.root.parent / "reports", figures=False).read_text()
    assert "\n".join(said) in text
    value = json.loads((store.root.parent / "reports" / "leaderboard.json").read_text())
    (section,) = json.loads(bench(capsys, "advise", "--json")[1])
    assert section["advice"] == value["sections"][0]["advice"]
    assert [f"- {sentence}" for sentence in section["advice"]["sentences"]] == said


def test_the_advice_as_a_file(store, capsys, tmp_path):
    for name in ("a.html", "a.md", "a.json"):
        assert bench(capsys, "advise", "--to", name)[:2] == (0, f"written: {name}\n")
    page = (tmp_path / "a.html").read_text()
    assert "<strong>dimp</strong>" in page
    assert "<script" not in page
    assert (tmp_path / "a.md").read_text() == bench(capsys, "advise")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "a.txt"), "--to a.txt: the name must end in .md, .html, .json"),
        (("--to", "a.md", "--json"), "--to a.md: the name must end in .json"),
        (("--task", "twiter"), "no task twiter in runs; did you mean 'twitter'?"),
        (("--out", "nowhere"), "type the command in the folder that holds nowhere"),
        (("--baseline", "cee"), "--baseline cee: no such method in runs"),
    ],
)
def test_bad_requests(store, capsys, arguments, message):
    code, _, error = bench(capsys, "advise", *arguments)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_section_without_any_result(store, capsys):
    other = FakeStore(store.root, task="b", task_ref="b").method("focal", missing=(0, 1, 2))
    write_json(store.root / ".grids" / "b.json", other.manifest())
    assert "No cell of this section has a result." in bench(capsys, "advise", "--task", "b")[1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "with simultaneous 95 % intervals"),
        ((), "corrected by Holm over the core methods of a section;"),
        (("--family", "report"), "corrected by Holm over the core methods of all sections;"),
        (("--correction", "bh"), "corrected by Benjamini and Hochberg over the core methods of a section;"),
    ],
)
def test_the_note_names_the_rules(store, capsys, options, text):
    code, out, error = bench(capsys, "advise", *options)
    assert code == 0, error
    assert text in out


def test_the_advice_is_a_look_at_the_tasks_that_it_shows(store, capsys):
    other = FakeStore(store.root, task="b", task_ref="b").method("ce").method("dimp")
    write_json(store.root / ".grids" / "b.json", other.manifest())
    bench(capsys, "advise", "--task", "b")
    assert [looks_in(looks_file(store.root, one.section))["seeds"] for one in (store, other)] == [[], [3]]
    more = FakeStore(store.root, task="b", task_ref="b", seeds=(0, 1, 2, 3)).method("ce").method("dimp")
    (section,) = with_looks([store.root], more.manifest())["sections"]
    assert "verdicts of this table were read before, with 3 seeds" in section["notes"][0]
