import errno
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from bench.leaderboard import frame, write_report
from bench.store.files import write_json
from methods import METHODS
from methods.plugins import installed
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.in_process import command as bench
from tests.helpers.plugins import CODE, installed_package


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FakeStore(tmp_path / "runs", rows=60)
    store.method("ce").method("dimp", skill=2.0).method("focal")
    (tmp_path / "file").touch()
    write_json(store.root / ".grids" / "a.json", store.manifest())
    return store


def test_a_report_is_checked_against_its_store(store, capsys):
    options = ("--baseline", "focal", "--delta", "2.5")
    assert bench(capsys, "report", "--no-figures", *options)[0] == 0
    assert "equivalent" in (store.root.parent / "reports" / "leaderboard.md").read_text()
    assert json.loads((store.root.parent / "reports" / "leaderboard.json").read_text())["delta"] == 0.025
    assert bench(capsys, "report", "--check")[:2] == (0, "reports/ is up to date with runs/\n")

    cell = store.section["methods"][1]["cells"]["0"]
    store.cell(cell, store.logits("other", 0, 0.5))
    code, out, _ = bench(capsys, "report", "--check")
    assert code == 1
    assert "leaderboard.md: line " in out
    assert "reports/ is not up to date with runs/: 5 files would change" in out

    (store.root.parent / "reports" / "leaderboard.tex").unlink()
    assert "leaderboard.tex: missing" in bench(capsys, "report", "--check")[1]


def test_only_the_formats_that_are_asked_for(store, capsys):
    pytest.importorskip("xlsxwriter")
    reports = store.root.parent / "reports"
    assert bench(capsys, "report", "--no-figures", "--format", "csv")[0] == 0
    assert [path.name for path in reports.iterdir()] == ["leaderboard.csv"]
    code, out, _ = bench(capsys, "report", "--format", "md,json,xlsx")
    assert code == 0
    assert "reports/leaderboard.csv is that of an earlier report: --format has no csv" in out
    names = {path.name for path in reports.iterdir()}
    assert names == {"leaderboard.csv", "leaderboard.json", "leaderboard.md", "leaderboard.xlsx", "figures"}
    linked = re.findall(r"\]\((figures/[^)]+)\)", (reports / "leaderboard.md").read_text())
    assert linked
    assert all((reports / name).is_file() for name in linked)
    first = {path: path.read_bytes() for path in reports.rglob("*.*") if path.is_file()}
    assert bench(capsys, "report", "--check")[:2] == (0, "reports/ is up to date with runs/\n")
    bench(capsys, "report", "--format", "md,json,xlsx")
    assert {path: path.read_bytes() for path in first} == first
    (reports / "leaderboard.xlsx").unlink()
    assert "leaderboard.xlsx: missing" in bench(capsys, "report", "--check")[1]


def test_a_page_alone_is_checked_with_its_figures(store, capsys):
    assert bench(capsys, "report", "--format", "html,json")[0] == 0
    assert not (store.root.parent / "reports" / "leaderboard.md").exists()
    code, out, _ = bench(capsys, "report", "--check")
    assert code == 0, out


def test_figures_that_an_earlier_report_left_are_named(store, capsys):
    bench(capsys, "report")
    assert "reports/figures/ is that of an earlier report: --no-figures" in bench(capsys, "report", "--no-figures")[1]
    assert "reports/figures/ is that of an earlier" in bench(capsys, "report", "--format", "html")[1]


def test_a_list_without_a_cell_says_so(store, capsys):
    assert bench(capsys, "list", "cells", "--failed") == (0, "no failed cell in runs\n", "")


def test_a_workbook_holds_the_numbers_and_no_formula(tmp_path):
    pytest.importorskip("xlsxwriter")
    label = '=HYPERLINK("http://x")'
    store = FakeStore(tmp_path / "runs", rows=60).method("ce").method(label, skill=2.0)
    write_report({**store.manifest(), "formats": ["xlsx"]}, store.root, tmp_path)
    with zipfile.ZipFile(tmp_path / "leaderboard.xlsx") as book:
        parts = {name: book.read(name).decode() for name in book.namelist()}
        assert {info.date_time[:3] for info in book.infolist()} == {(1980, 1, 1)}
    assert not any("<f>" in text for text in parts.values())
    assert "=HYPERLINK" in parts["xl/sharedStrings.xml"]
    accuracy = frame(store.manifest(), store.root).set_index("label")["accuracy_mean"]
    numbers = [float(text) for text in re.findall(r"<v>([\d.]+)</v>", parts["xl/worksheets/sheet1.xml"])]
    assert all(any(abs(number - value) < 1e-12 for number in numbers) for value in accuracy)
    assert "xl/worksheets/sheet3.xml" in parts


def test_the_report_of_a_grid_is_checked_as_that(store, capsys):
    other = FakeStore(store.root, rows=60)
    other.section["methods"] = store.section["methods"][:2]
    manifest = other.manifest(command="python -m bench run --methods ce,dimp")
    write_json(store.root / ".grids" / "b.json", manifest)
    write_report(manifest, store.root, store.root.parent / "reports")
    code, out, _ = bench(capsys, "report", "--check")
    assert code == 0, out
    figure = next((store.root.parent / "reports" / "figures").glob("*.png"))
    figure.write_bytes(b"other")
    assert f"figures/{figure.name}: contents differ" in bench(capsys, "report", "--check")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", "--baseline", "dinp"), "--baseline dinp: no such method in runs; did you mean 'dimp'?"),
        (
            ("report", "--check", "--reports", "nowhere"),
            "there is no nowhere/leaderboard.json; `bench report` writes one",
        ),
        (("report", "--check", "--baseline", "dimp"), "from the report that is there; leave out --baseline"),
        (("report", "--check", "--format", "xlsx"), "from the report that is there; leave out --format"),
        (("report", "--from", "runs", "--out", "runs"), "--from names the stores; leave out --out"),
        (("advise", "--from", "runs", "--out", "runs"), "--from names the stores; leave out --out"),
        (("weights", "dimp", "--to", "w.csv", "--with-texts"), "leave out --with-texts"),
        (("calibrate", "--aa", "--from", "runs", "--full"), "leave out --full"),
        (("variance", "--baseline", "dinp"), "--baseline dinp: no such method in runs; did you mean 'dimp'?"),
        (("plan", "--from", "runs", "--methods", "ce,imp", "--baseline", "imp"), "no complete comparison with imp on"),
        (("list", "methods", "--failed"), "list methods reads no store; leave out --failed"),
        (("report", "--reports", "file/reports"), "cannot write to file/reports: file is a file, not a folder"),
        (("report", "--format", "md,pdf"), "unknown format"),
        (("report", "--format", ","), "--format names no format; there are json, csv, tex, html, md, xlsx"),
        (("report", "--delta", "-1"), "delta"),
        (("report", "--delta", "inf"), "delta"),
        (("compare", "ce", "ce"), "not ce twice"),
        (("stress", "--axis", "noise=0,0.2", "--tasks", "news"), "not --tasks"),
        (("stress", "--axis", "noise=0,0.2", "--tasks=news"), "not --tasks"),
        (("compare", "dimp", "cee"), "no method 'cee' in runs; did you mean 'ce'?"),
    ],
)
def test_what_cannot_be_done_is_one_line(store, capsys, arguments, message):
    code, _, err = bench(capsys, *arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"schema": 99, "sections": []}'])
def test_a_grid_of_another_version_or_none_is_one_line(store, capsys, content):
    (store.root / ".grids" / "b.json").write_text(content)
    code, _, err = bench(capsys, "report")
    assert code == 2
    assert "runs/.grids/b.json is" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("report",), ("advise",), ("compare", "dimp", "ce"), ("publish", "--to", "b.zip", "--name", "us")]
)
def test_a_package_that_cannot_be_used_is_one_line(store, capsys, monkeypatch, registry_as_it_was, command):
    """Reports ask for the methods too, and ended in a traceback."""
    site = store.root.parent / "site"
    site.mkdir()
    installed_package(site, "raise OSError('broken')")
    monkeypatch.syspath_prepend(str(site))
    installed.cache_clear()
    code, _, error = bench(capsys, *command)
    assert (code, error) == (2, "error: package own-dist offers methods in own_methods: OSError: broken\n")


def test_a_report_with_a_plugins_method_is_up_to_date_where_the_plugin_is_named(store, capsys, registry_as_it_was):
    """The page has a method's idea and settings from its class; without it, --check called nothing up to date."""
    store.method("half", skill=1.3, core=False)
    write_json(store.root / ".grids" / "a.json", store.manifest())
    plugin = store.root.parent / "half.py"
    plugin.write_text(CODE)
    lacks = "leaderboard.html has no idea, formula and settings of half: the methods of a file are known with --plugin"
    code, out, _ = bench(capsys, "report", "--no-figures")
    assert code == 0
    assert lacks in out
    code, out, _ = bench(capsys, "report", "--no-figures", "--plugin", "half.py")
    assert (code, out) == (0, "leaderboard: reports/leaderboard.md\n")
    assert "Half of every weight." in (store.root.parent / "reports" / "leaderboard.html").read_text()
    assert bench(capsys, "report", "--check", "--plugin", "half.py")[0] == 0
    assert "idea" not in bench(capsys, "publish", "--to", "b", "--name", "us", "--no-figures", "--plugin", "half.py")[1]
    METHODS.pop("half")
    code, out, _ = bench(capsys, "report", "--check")
    assert code == 1
    assert lacks in out
    assert lacks in bench(capsys, "publish", "--to", "b.zip", "--name", "us", "--no-figures")[1]


def test_damaged_weights_are_one_line(store, capsys):
    cell = store.root / store.section["methods"][1]["cells"]["0"]
    (cell / "weights.parquet").write_text("[]")
    code, _, err = bench(capsys, "report", "--no-figures")
    assert code == 2
    assert f"{cell.relative_to(store.root.parent)}/weights.parquet" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["timing.json", "env.json"])
def test_a_cell_with_a_damaged_file_has_no_result_and_the_report_says_why(store, capsys, name):
    cell = store.root / store.section["methods"][1]["cells"]["0"]
    (cell / name).write_text("[]")
    assert bench(capsys, "report", "--no-figures")[0] == 0
    page = (store.root.parent / "reports" / "leaderboard.md").read_text()
    assert f"dimp, seed 0: missing: {cell.relative_to(store.root.parent)}/{name} is damaged" in page


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"task_ref": "twitter"}'])
def test_a_damaged_cell_hides_no_other_from_the_list(store, capsys, content):
    for method in store.section["methods"]:
        for seed, cell in method["cells"].items():
            spec = {"task_ref": "twitter", "label": method["label"], "seed": seed}
            write_json(store.root / cell / "spec.json", spec)
    (store.root / cell / "spec.json").write_text(content)
    code, out, _ = bench(capsys, "list", "cells")
    assert code == 0
    assert len(out.splitlines()) == 9
    assert f"{cell}/spec.json is" in out


def test_without_a_command_the_help_is_all(capsys):
    code, out, err = bench(capsys)
    assert code == 2
    assert "Usage" in out + err
    assert "error" not in err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_one_line(store, capsys, monkeypatch, number):
    write = Path.write_bytes

    def full(path, content):
        write(path, content[:100])
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = bench(capsys, "report", "--no-figures")
    assert code == 2
    assert err == f"error: reports/leaderboard.json cannot be written: {os.strerror(number)}\n"
    assert not list(store.root.parent.rglob("*.part"))


def test_compare_and_calibrate_from_the_command_line(store, capsys, monkeypatch):
    from bench.commands.reports import calibrate

    monkeypatch.setattr(calibrate, "NULLS", {False: 200, True: 200})
    assert "exact McNemar" in bench(capsys, "compare", "dimp", "ce")[1]
    code, out, _ = bench(capsys, "calibrate", "--reports", "elsewhere")
    assert code == 0
    assert "written: elsewhere/calibration.md" in out
