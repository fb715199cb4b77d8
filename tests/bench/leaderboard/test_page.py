"""The page of a report: its parts and links, and what a browser does with it."""

import base64
import hashlib
import json
import re
import shutil
import subprocess

import pytest

from bench.leaderboard.build import build
from bench.leaderboard.figures import FigureFiles
from bench.leaderboard.formats.to_html import as_html
from tests.bench.leaderboard.fake_store import FakeStore

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SLUGS = ("twitter-bundled", "news-local")
EVIL = "<script>alert('x')</script>&\"_$%\\"
browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian package `chromium`)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the page of a report on two tasks, with weights and empty figures."""
    root = tmp_path_factory.mktemp("page")
    store = FakeStore(root / "runs", rows=120, notes=[f"note {EVIL}"])
    store.method("ce").method("dimp", skill=2.5, real_use="checker", real_rows=100, hyperparameters={"clip": 7.5})
    store.method("focal", skill=0.9).method("superloss", failed=[1]).method(f"imp({EVIL})", skill=1.2, core=False)
    store.weights("ce", "dimp")
    other = FakeStore(root / "runs", rows=60, task="news", task_ref="news", title="News", source="local")
    other.method("dimp", skill=2.0).method("ce")  # in folders that the first section does not use
    figures = [FigureFiles(k, f"{slug}-gains", "gains", b"<svg/>", b"") for k, slug in enumerate(SLUGS)]
    (root / "leaderboard.html").write_text(as_html(build(store.manifest(other), store.root), figures))
    return root


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "leaderboard.html").read_text()


def test_every_link_has_its_part(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links <= set(ids)
    assert {"method-dimp", "method-ce", "section-twitter-bundled", "section-news-local"} <= links
    figures = {name for name in ids if name.startswith("figure-")}
    assert figures & links, "a section links to its figures"
    assert 'href="#section-twitter-bundled">to the table</a>' in page


def test_the_filter_by_verdict_knows_the_means_over_tasks(tmp_path):
    """Their rows had no word, so each verdict emptied the table; one that they alone have was no choice."""
    stores = []
    for name in "ab":
        store = FakeStore(tmp_path / name, rows=400, task=name, task_ref=name).method("ce").method("dimp", skill=1.1)
        for entry in store.section["methods"]:
            entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
        stores.append(store)
    report = build(stores[0].manifest(stores[1]), tmp_path)
    assert {row.paired.verdict.word for section in report.sections for row in section.rows} == {"", "undecided"}
    text = as_html(report)
    part = text[text.index('class="across"') :].partition("</table>")[0]
    assert dict(re.findall(r'<tr data-label="(\w+)" data-word="(\w*)"', part)) == {"ce": "", "dimp": "better"}
    choices = text.partition('<select id="verdict">')[2].partition("</select>")[0]
    assert re.findall(r'value="(\w+)"', choices) == ["better", "undecided"]


def test_the_part_of_a_method(page):
    part = page[page.index('id="method-dimp"') :].partition('<details class="method"')[0]
    assert "weights computed for each batch" in part
    assert "they train the quality checker" in part
    assert "Fails: By its formula, weights have no bound" in part
    assert "w_i = (P&#39;(y_i | x_i) / p(y_i | x_i)) ^ gamma" in part
    assert "<td>clip</td><td>7.5, None</td><td>None</td>" in part
    assert part.count('class="seeds">0: ') == 2
    assert "ESS" in part
    assert "News" in part


def test_a_method_that_is_not_in_the_registry(tmp_path):
    store = FakeStore(tmp_path / "runs").method("ce").method("mine", skill=2.0)
    assert "family: not in the registry" in as_html(build(store.manifest(), store.root))


def test_only_the_script_whose_digest_is_in_the_page_may_run(page):
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in page


def opened(path, fragment="", script="", *options):
    """The page as the browser leaves it after `script`, and what the browser logged."""
    text = path.read_text()
    if script:
        allowed = re.sub(r"script-src '[^']+'", "script-src 'unsafe-inline'", text)
        path = path.with_name("changed.html")
        path.write_text(allowed.replace("</body>", f"<script>{script}</script></body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *options]
    run = subprocess.run(
        [*command, "--virtual-time-budget=3000", "--dump-dom", f"file://{path}{fragment}"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def shown(dom, section="twitter-bundled"):
    """The first words of the labels that the first table of a section shows."""
    part = dom[dom.index(f'id="section-{section}"') :]
    rows = re.findall(r'<tr data-label="(\w+)[^>]*?( hidden="")?>', part.partition("</table>")[0])
    return [label for label, gone in rows if not gone]


@browser
@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("#sort=accuracy", ["focal", "ce", "superloss", "imp", "dimp"]),
        ("#sort=label", ["ce", "dimp", "focal", "imp", "superloss"]),
        ("#sort=-p&filter=IMP", {"imp", "dimp"}),
        ("#real=checker&family=weights+computed+for+each+batch", {"dimp"}),
    ],
)
def test_addresses(folder, fragment, expected):
    dom, console = opened(folder / "leaderboard.html", fragment)
    assert console == []
    assert type(expected)(shown(dom)) == expected


STEPS = """
const seen = {};
const labels = () => [...document.querySelectorAll("#section-twitter-bundled table")][0].tBodies[0].rows;
const names = () => [...labels()].filter((row) => !row.hidden).map((row) => row.dataset.label.slice(0, 4));
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const set = (id, value, kind) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event(kind));
};
seen.start = names();
const button = document.querySelector("th[data-key=accuracy] button");
button.click(); seen.descending = names(); button.click(); seen.ascending = names();
set("family", "loss of the label's probability", "change"); seen.family = names();
set("verdict", "better", "change"); seen.both = names();
document.getElementById("clear").click(); seen.cleared = names().length;
press(document.body, "/"); seen.focus = document.activeElement.id;
set("filter", "foc", "input"); seen.filtered = names();
seen.count = document.getElementById("count").textContent;
press(document.getElementById("filter"), "Escape"); seen.escaped = names().length;
const box = document.querySelector("#columns input[value=accuracy]");
box.click();
seen.column = [...document.querySelectorAll("section.results td.accuracy")].every((cell) => cell.hidden);
seen.address = location.hash;
set("section", "section-news-local", "change");
seen.section = document.getElementById("section-twitter-bundled").hidden;
location.hash = "#section-twitter-bundled";
dispatchEvent(new HashChangeEvent("hashchange"));
seen.back = !document.getElementById("section-twitter-bundled").hidden;
location.hash = "#method-dimp";
dispatchEvent(new HashChangeEvent("hashchange"));
seen.part = document.getElementById("method-dimp").open;
seen.toolbar = document.getElementById("toolbar").open;
seen.wide = document.documentElement.scrollWidth > innerWidth;
seen.dark = getComputedStyle(document.body).backgroundColor;
document.title = JSON.stringify(seen);
"""


@browser
def test_clicks_keys_and_a_narrow_window(folder):
    dom, console = opened(
        folder / "leaderboard.html", "", STEPS, "--window-size=390,844", "--blink-settings=preferredColorScheme=0"
    )
    assert console == []
    seen = json.loads(re.search(r"<title>(.*?)</title>", dom)[1].replace("&amp;", "&"))
    assert seen["start"][0] == seen["descending"][0] == "dimp"
    assert seen["ascending"][0] == "foca"
    assert sorted(seen["family"]) == ["foca", "supe"], "ce is a reference method"
    assert seen["both"] == []
    assert (seen["focus"], seen["filtered"], seen["count"]) == ("filter", ["foca"], "1 of 5 methods shown")
    assert seen["cleared"] == seen["escaped"] == 5
    assert seen["column"]
    assert "hide=accuracy" in seen["address"]
    assert "sort=accuracy" in seen["address"]
    assert seen["section"]
    assert seen["back"]
    assert seen["part"]
    assert not seen["wide"]
    assert seen["dark"] == "rgb(22, 24, 27)"


@browser
def test_a_script_from_data_would_not_run(folder):
    path = folder / "leaderboard.html"
    changed = path.with_name("foreign.html")
    changed.write_text(path.read_text().replace("</body>", "<script>document.title = 'run'</script></body>"))
    dom, console = opened(changed)
    assert "<title>Leaderboard</title>" in dom
    assert len(console) == 1
    assert "Content Security Policy" in console[0]
