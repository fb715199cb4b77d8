import csv
import html.parser
import io
import math
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from bench.leaderboard import frame, write_report
from bench.leaderboard.build import build
from bench.leaderboard.columns import COLUMNS, Room, number, percent
from bench.leaderboard.extra_tables.weights import over_seeds
from bench.leaderboard.formats import render
from bench.leaderboard.formats.html_text import inline
from bench.leaderboard.formats.prose import covered, escape, fewer_passes, heading, sizes
from bench.leaderboard.formats.to_latex import escape_tex
from tasks.errors import CONTROL
from tests.bench.leaderboard.fake_store import FakeStore

EVIL = "<script>alert('x')</script>&\"_$%\\"


@pytest.fixture
def store(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=120, notes=[f"note {EVIL}"])
    store.method("ce").method("dimp", skill=2.5).method("focal", skill=0.9).method("superloss", failed=[1])
    store.fail(store.section["methods"][3]["cells"]["1"], message=EVIL)
    store.method(f"imp({EVIL})", skill=1.2, core=False)
    return store


def written(store, **options):
    """The folder of a report."""
    return write_report(store.manifest(), store.root, store.root.parent / "reports", **options).parent


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"updates": 48, "batch_size": 32}, "it went 5.1 times through the 300 real rows, `--set checker_epochs=2` is"),
        (
            {"updates": 48, "batch_size": 32, "checker_updates": 480},
            "it went 51.2 times .* `--set checker_epochs=5` is",
        ),
        (
            {"updates": 48, "batch_size": 32, "checker_epochs": 8},
            "it went 8.0 times .* `--set checker_epochs=4` is fewer",
        ),
        ({"updates": 48, "batch_size": 16}, "^$"),
    ],
)
def test_fewer_passes_are_fewer(settings, text):
    """Five passes were called fewer updates of a checker that had made 4.8."""
    assert re.search(text, fewer_passes({"settings": settings, "sizes": {"real": 300}}))


def test_csv_holds_the_rows_of_the_frame(store):
    text = (written(store, figures=False) / "leaderboard.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    table = frame(store.manifest(), store.root)
    assert list(rows[0]) == list(table.columns)
    assert [row["label"] for row in rows] == table["label"].tolist()
    assert float(rows[0]["difference_p"]) == table["difference_p"][0]
    baseline = next(row for row in rows if row["label"] == "ce")
    assert baseline["difference_p"] == ""


def test_tex_is_escaped_and_complete(store):
    text = (written(store, figures=False) / "leaderboard.tex").read_text()
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    printed = [column for column in COLUMNS if column.room is Room.PAPER]
    assert len(body) == 5
    for line in body:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == len(printed) - 1
        assert not re.search(r"(?<!\\)[%#_]|[<>–†]", line)
    assert r"\begin{tabular}" in text
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")


@pytest.mark.parametrize(
    ("real", "pool", "text"),
    [
        (100, 200, "new draws of the small real set, the first weights of the head, "),
        (100, 100, "new draws of the first weights of the head, "),
    ],
)
def test_a_small_real_set_of_all_real_rows_is_not_drawn(real, pool, text):
    sizes = {"generated": 9, "real": real, "pool": pool}
    section = SimpleNamespace(spec={"sizes": sizes, "settings": {}, "seeds": [0, 1]})
    assert covered(section).startswith(text)
    rest = "the generated set and the small real set (all 100 real rows) are the same in all cells"
    assert covered(section).endswith(rest) == (real == pool)


@pytest.mark.parametrize(("title", "said"), [("Größe – „größer“ žluť", False), ("中文", True), ("emoji 🎉", True)])
def test_tex_says_where_another_compiler_is_needed(tmp_path, title, said):
    store = FakeStore(tmp_path / "runs", title=title).method("ce").method("dimp", skill=3.0)
    text = (written(store, figures=False) / "leaderboard.tex").read_text()
    assert ("LuaLaTeX" in text) == said


@pytest.mark.parametrize(
    ("seeds", "said"),
    [([0, 1, 2, 3, 4], "the same 50 rows tested in 5 folds"), ([1, 6], "1 of 5 folds of the same 50 rows tested")],
)
def test_only_folds_that_seeds_test_are_called_tested(seeds, said):
    spec = {"sizes": {"generated": 9, "real": 40, "pool": 50, "test": 50}, "cross_validation": {"folds": 5}}
    assert sizes(SimpleNamespace(spec={**spec, "seeds": seeds})).endswith(f", {said}")


def test_one_seed_covers_no_new_seeds(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=60, seeds=(7,)).method("ce").method("dimp", skill=3.0)
    text = (written(store, figures=False) / "leaderboard.md").read_text()
    assert "- intervals and verdicts cover new test rows only, since there is one seed\n" in text


def test_of_many_classes_the_telling_ones_are_listed(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=300, classes=150).method("ce", skill=2.0).method("dimp", skill=4.0)
    lines = (written(store, figures=False) / "leaderboard.md").read_text().splitlines()
    (shares,) = (line for line in lines if line.startswith("- label shares: "))
    assert " and 138 more (generated / real / test rows)" in shares
    most = max(range(150), key=lambda k: (store.labels == k).sum())
    assert f"class {most} " in shares
    (few,) = (line for line in lines if line.startswith("Differences of macro-F1 have no intervals"))
    assert len(few) < 500
    assert few.count(" (0 test rows)") == 12


def test_a_note_begins_like_a_sentence(tmp_path):
    store = FakeStore(tmp_path / "runs", notes=["imported, not trained here: 1 cell", "my.csv: no label"]).method("ce")
    text = (written(store, figures=False) / "leaderboard.md").read_text()
    assert "\nImported, not trained here: 1 cell.\n" in text
    assert "\nmy.csv: no label.\n" in text


def test_a_dollar_begins_no_formula():
    assert escape("$x$ costs 5 $ or $5") == r"\$x$ costs 5 $ or \$5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("+1.0 [-0.3, +2.0]", "+1.0 [$-$0.3, +2.0]"),
        ("real-only", "real-only"),
        ("< 0.001 †", r"\textless{} 0.001 \dag{}"),
        ("\\x{y}~^$#|\n–", r"\textbackslash{}x\{y\}\textasciitilde{}\textasciicircum{}\$\#\textbar{} --"),
    ],
)
def test_tex_escapes(text, expected):
    assert escape_tex(text) == expected


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_tex_compiles(store, tmp_path):
    written(store, figures=False)
    preamble = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}"
    (tmp_path / "paper.tex").write_text(preamble + r"\begin{document}\input{reports/leaderboard}\end{document}" + "\n")
    run = subprocess.run(["pdflatex", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stdout


class Page(html.parser.HTMLParser):
    """Tags, attributes and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.raw = [], [], "", 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.raw += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.raw -= tag in ("script", "style")

    def handle_data(self, data):
        self.text += "" if self.raw else data


def test_html_is_escaped_and_loads_nothing(store):
    page = Page((written(store) / "leaderboard.html").read_text())
    assert page.tags.count("script") == 1
    assert page.text.count("alert('x')") >= 3  # label, note and cause, as text
    addresses = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert addresses
    assert all(value.startswith(("data:image/svg+xml;base64,", "#")) for value in addresses)
    assert page.tags.count("img") == 3  # no histories, so no curves
    for part in ("degrees of freedom", "detectable at 80 % power", "variance, seed", "How to read it", "simulated"):
        assert part in page.text


def test_inline_markup():
    text = r"**a \**b*\* \<c>** `d` \*e\* \<f> g_h & \`"
    assert inline(text) == "<strong>a *<em>b</em>* &lt;c&gt;</strong> <code>d</code> *e* &lt;f&gt; g_h &amp; `"


def test_no_control_character_reaches_a_report(tmp_path):
    store = FakeStore(tmp_path, title="a\x1b[31mb", notes=["c\x07\x9b"]).method("ce").method("dimp", failed=[1])
    store.fail(store.section["methods"][1]["cells"]["1"], message="d\x1b]0;e")
    files = render(build(store.manifest(), tmp_path), figures=False)
    texts = "".join(content.decode() for content in files.values())
    assert not CONTROL.search(texts)
    assert "a\\x1b[31mb" in texts
    assert escape_tex("a\x1b") == r"a\textbackslash{}x1b"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "1,000 generated, 100 real from a pool of 200, 50 test"),
        ({"used": 1000, "of": 1000, "cause": ""}, "1,000 generated, 100 real from a pool of 200, 50 test"),
        (
            {"used": 1000, "of": 10280, "cause": "preset quick; --generated-rows all"},
            "1,000 of 10,280 generated (preset quick; --generated-rows all), 100 real from a pool of 200, 50 test",
        ),
        (
            {"used": 500, "of": 10280, "cause": "[generated=500]"},  # and duplicates
            "1,000 generated (from 500 of 10,280 generated; [generated=500]), 100 real from a pool of 200, 50 test",
        ),
    ],
)
def test_sizes_say_how_many_generated_rows_were_used(size, text):
    spec = {"sizes": {"generated": 1000, "real": 100, "pool": 200, "test": 50}}
    section = SimpleNamespace(spec=spec if size is None else {**spec, "generated_size": size})
    assert sizes(section) == text


@pytest.mark.parametrize(
    ("changes", "headings"),
    [
        (
            {"settings": {"updates": 48, "batch_size": 32, "lr": 0.001}},
            ["Tweet polarity (twitter, bundled, lr 0.0003)", "Tweet polarity (twitter, bundled, lr 0.001)"],
        ),
        (
            {"settings": {"updates": 48, "batch_size": 32, "lr": 0.0003, "checker_updates": 9}},
            [
                "Tweet polarity (twitter, bundled, checker_updates not set)",
                "Tweet polarity (twitter, bundled, checker_updates 9)",
            ],
        ),
        (
            {"sizes": {"generated": 1000, "real": 50, "test": 40}},
            ["Tweet polarity (twitter, bundled, real 100)", "Tweet polarity (twitter, bundled, real 50)"],
        ),
        (
            {"hashes": {"generated": "0123456789", "test": "7e57"}},
            [
                "Tweet polarity (twitter, bundled, generated set 9e4e)",
                "Tweet polarity (twitter, bundled, generated set 01234567)",
            ],
        ),
        (
            {"preset": "full", "settings": {"updates": 99, "batch_size": 32, "lr": 0.001}},
            ["Tweet polarity (twitter, bundled, quick)", "Tweet polarity (twitter, bundled, full)"],
        ),
    ],
)
def test_no_two_sections_have_one_heading(tmp_path, changes, headings):
    stores = [FakeStore(tmp_path), FakeStore(tmp_path, **changes)]
    for store in stores:
        store.method("ce").method("dimp")
    table = build(stores[0].manifest(stores[1]), tmp_path)
    assert [heading(section) for section in table.sections] == headings


@pytest.mark.parametrize(("value", "digits", "text"), [(-0.004, 2, "0.00"), (-0.04, 1, "0.0"), (-0.006, 2, "-0.01")])
def test_a_zero_has_no_sign(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text
    assert percent(value / 100) == number(value, 1)


def test_a_share_and_a_regret_stay_within_their_range() -> None:
    found = over_seeds([0.99, 1.0, 1.0])
    assert found.high == 1.0
    assert over_seeds([0.001, 0.0, 0.0002]).low == 0.0
    assert over_seeds([3.0, 4.0], math.inf).mean == 3.5
