"""The numbers of seeds at which verdicts were read are kept in the store, and later reports say so."""

from pathlib import Path

import numpy as np
import pytest

from bench.commands.reports import report as command
from bench.errors import UserError
from bench.leaderboard import USUAL
from bench.leaderboard.build import build
from bench.leaderboard.formats import render
from bench.stats.crossed import compare, correct
from bench.stats.multiple import holm
from bench.store.files import write_json
from bench.store.looks import EXCESS, looks_file, looks_in, record_look, with_looks
from bench.store.manifest import first_seeds, save
from tests.bench.leaderboard.fake_store import FakeStore


def store_with(root, count):
    return FakeStore(root, seeds=tuple(range(count))).method("ce").method("dimp", skill=1.2)


def test_a_later_report_names_the_looks_before_it(tmp_path):
    three, ten = store_with(tmp_path, 3), store_with(tmp_path, 10)
    record_look(tmp_path, three.manifest())
    record_look(tmp_path, three.manifest())
    assert looks_in(looks_file(tmp_path, three.section))["seeds"] == [3]
    assert with_looks([tmp_path], three.manifest()) == three.manifest()
    (section,) = with_looks([tmp_path], ten.manifest())["sections"]
    assert section["notes"][0].startswith("unplanned looks: verdicts of this table were read before, with 3 seeds")
    assert section["notes"][1:] == ten.section["notes"]
    other = FakeStore(tmp_path, seeds=range(10), preset="full")
    assert with_looks([tmp_path], other.manifest()) == other.manifest(), "another table"


def test_the_note_has_the_rates_of_the_committed_report():
    """It said 18 %, the worst with 10 seeds; the report that it cites has 25.5 % with 20."""
    lines = (Path(__file__).parents[3] / "reports" / "calibration-looks.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and line[2].isdigit()]
    worst = {most: max(float(one[3].split()[0]) for one in cells if one[0] == most) for most in ("10", "20")}
    assert f"up to {worst['10']:.0f} % of families instead of 5 % with at most 10 seeds" in EXCESS
    assert f"up to {worst['20']:.0f} % with 20" in EXCESS


def test_planned_looks_are_not_noted(tmp_path):
    five, ten = store_with(tmp_path, 5), store_with(tmp_path, 10)
    five.section["looks"] = ten.section["looks"] = [3, 5, 7, 10]
    record_look(tmp_path, five.manifest())
    assert with_looks([tmp_path], ten.manifest()) == ten.manifest()
    record_look(tmp_path, store_with(tmp_path, 4).manifest())
    (section,) = with_looks([tmp_path], ten.manifest())["sections"]
    assert "with 4 seeds" in section["notes"][0]


@pytest.mark.parametrize("planned_first", [False, True])
def test_a_look_without_a_plan_is_noted_where_a_later_plan_has_one(tmp_path, planned_first):
    """A plain run of 5 seeds read its verdicts at the whole 5 %, not at the share of a plan that came later."""
    five, ten = store_with(tmp_path, 5), store_with(tmp_path, 10)
    ten.section["looks"] = [3, 5, 7, 10]
    of_plan = {**five.section, "looks": [3, 5, 7, 10]}
    for section in (of_plan, five.section) if planned_first else (five.section, of_plan):
        record_look(tmp_path, {"sections": [section]})
    (section,) = with_looks([tmp_path], ten.manifest())["sections"]
    assert "with 5 seeds" in section["notes"][0]
    assert looks_in(looks_file(tmp_path, ten.section))["seeds"] == [5]


def test_a_record_of_an_earlier_version_has_only_looks_of_the_plan(tmp_path):
    ten = store_with(tmp_path, 10)
    ten.section["looks"] = [3, 5, 7, 10]
    write_json(looks_file(tmp_path, ten.section), {"seeds": [3, 5]})
    record_look(tmp_path, store_with(tmp_path, 7).manifest())
    (section,) = with_looks([tmp_path], ten.manifest())["sections"]
    assert "with 7 seeds" in section["notes"][0]


def test_what_is_no_look(tmp_path):
    """One seed has no verdict on new seeds, and the seeds of a run that goes on are not chosen by what was seen."""
    record_look(tmp_path, store_with(tmp_path, 1).manifest())
    record_look(tmp_path, first_seeds(store_with(tmp_path, 5).manifest(), 3))
    assert looks_in(looks_file(tmp_path, store_with(tmp_path, 5).section))["seeds"] == []


def test_without_two_whole_methods_nothing_was_read(tmp_path):
    """A run that ended in its first seed, and a report beside a run, have no verdict."""
    root = tmp_path / "runs"
    store = FakeStore(root, seeds=range(5)).method("ce", missing=(4,)).method("dimp").method("focal", failed=(0,))
    record_look(root, store.manifest())
    save(store.manifest(), root)
    command.report([root], tmp_path / "reports", USUAL, command="c", figures=False)
    command.report([root], tmp_path / "reports", USUAL, command="c", figures=False)
    assert looks_in(looks_file(root, store.section))["seeds"] == []
    store.method("gce")
    record_look(root, store.manifest())
    assert looks_in(looks_file(root, store.section))["seeds"] == [5], "dimp and gce have a verdict"


def test_the_report_of_a_store_is_a_look_and_stays_up_to_date(tmp_path):
    root, reports = tmp_path / "runs", tmp_path / "reports"
    three = store_with(root, 3)
    save(three.manifest(), root)
    command.report([root], reports, USUAL, command="c", figures=False)
    assert "nplanned looks" not in (reports / "leaderboard.md").read_text()
    five = store_with(root, 5)
    save(five.manifest(), root)
    assert not command.check([root], reports)[1], "a report of the store covers the new seeds and names the look"
    command.report([root], reports, USUAL, command="c", figures=False)
    assert (
        "Unplanned looks: verdicts of this table were read before, with 3 seeds"
        in (reports / "leaderboard.md").read_text()
    )
    assert command.check([root], reports)[1]
    assert looks_in(looks_file(root, five.section))["seeds"] == [3, 5]


def test_a_damaged_record_is_one_line(tmp_path):
    store = store_with(tmp_path, 3)
    write_json(looks_file(tmp_path, store.section), {"seeds": [5, 3]})
    with pytest.raises(UserError, match=r"ascending numbers of 1 or more"):
        with_looks([tmp_path], store.manifest())


def test_verdicts_at_planned_looks(tmp_path):
    """p is the smallest p / share over the looks so far; a method that stopped has those until then."""
    store = FakeStore(tmp_path, rows=400, seeds=range(7)).method("ce", skill=1.0)
    store.method("dimp", skill=1.35).method("focal", skill=1.0).method("far", skill=3.0)
    store.section["looks"] = [3, 5, 7, 10]
    store.section["methods"][3]["cells"] = dict(list(store.section["methods"][3]["cells"].items())[:5])
    section = build(store.manifest(), store.root).sections[0]
    rows = {row.label: row for row in section.rows}
    share = {3: 27 / 1000, 5: 98 / 1000, 7: 218 / 1000}
    expected = {}
    for label, most in (("dimp", 7), ("focal", 7), ("far", 5)):
        p = [1.0]
        for look in (3, 5, 7)[: 1 + (most > 3) + (most > 5)]:
            a, b = (np.stack([rows[name].cells[seed].predictions for seed in range(look)]) for name in (label, "ce"))
            p.append(compare(correct(store.labels, a), correct(store.labels, b)).p / share[look])
        expected[label] = min(p)
    corrected = dict(zip(expected, holm(list(expected.values())), strict=True))
    for label, value in expected.items():
        assert rows[label].paired.p_alone == pytest.approx(value)
        assert rows[label].paired.p_corrected == pytest.approx(corrected[label])
    assert rows["far"].paired.verdict.word == "better"
    assert rows["focal"].paired.verdict.word == "undecided"
    text = render(build(store.manifest(), store.root), figures=False)[Path("leaderboard.md")].decode()
    assert "3 seeds: 2.7 %, 5 seeds: 9.8 %" in text


def test_before_the_first_look_there_is_no_verdict(tmp_path):
    store = store_with(tmp_path, 2)
    store.section["looks"] = [3, 5, 7, 10]
    (row,) = (row for row in build(store.manifest(), store.root).sections[0].rows if row.label == "dimp")
    assert row.paired.withheld == "first look at 3 seeds"
    assert row.paired.verdict.word == ""
