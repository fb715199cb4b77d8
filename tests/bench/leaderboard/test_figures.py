import gc
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from bench.leaderboard import USUAL, figures
from bench.leaderboard.build import build
from bench.leaderboard.columns import gain
from bench.leaderboard.compare.all_pairs import compare_pairs
from bench.leaderboard.figures import FIGURES, distinct_slugs, draw, files, forest, overviews, slugs, style, training
from bench.leaderboard.figures.findings import gains_found, shown_pairs
from bench.leaderboard.figures.style import figure, render, same_limits, styled
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.stats.crossed import compare
from bench.stats.multiple import holm
from tests.bench.leaderboard.fake_store import FakeStore


def table_of(*stores, **manifest):
    return build(stores[0].manifest(*stores[1:], **manifest), stores[0].root)


@pytest.fixture
def store(tmp_path):
    """Every kind of row: compared, exploratory, incomplete, of another environment, with markup in its label."""
    store = FakeStore(tmp_path / "runs", rows=120)
    store.method("ce").method("dimp", skill=2.5).method("focal", skill=0.9).method("superloss", failed=[1])
    store.method("imp", skill=2.0, env={"torch": "2.12.0"})
    store.method("a$b$(x<y&z=" + "long" * 20 + ")", core=False, skill=1.5)
    for entry in store.section["methods"][:3]:
        for path in entry["cells"].values():
            store.history(path)
    return store.weights("dimp", "focal")


def test_each_figure_has_the_same_bytes_twice(store):
    table = table_of(store)
    result = draw(table)
    assert [figure.name for figure in result] == [f"twitter-bundled-{entry.key}" for entry in FIGURES]
    again = draw(table)
    for one, two in zip(result, again, strict=True):
        assert one.svg == two.svg
        assert one.png == two.png
        assert one.png.startswith(b"\x89PNG")
        root = ET.fromstring(one.svg)
        assert root.tag.endswith("svg")
        assert b"<dc:date>" not in one.svg
        assert not re.search(rb"(href|src)=\"(?!#)", one.svg), "nothing is loaded from elsewhere"


def test_several_processes_draw_the_same(store, monkeypatch):
    table = table_of(store, store)
    expected = draw(table)
    monkeypatch.setattr(figures, "MANY", 2)
    assert draw(table) == expected


def test_the_report_links_its_figures(store):
    table = table_of(store)
    result = draw(table)
    text = as_markdown(table, result)
    names = {str(path) for path in files(result)}
    links = re.findall(r"!\[.+\]\((\S+)\)", text)
    assert len(links) == len(FIGURES)
    assert set(links) <= names


def test_two_sections_have_an_overview(store):
    other = FakeStore(store.root, rows=50, task_ref="news[noise=0.2]", source="local")
    for label, skill in (("ce", 1.0), ("dimp", 3.0), ("only-here", 2.0)):
        other.method(label, skill=skill, missing=other.seeds)
        for seed, path in other.section["methods"][-1]["cells"].items():
            new = path.replace("twitter", "news")
            other.section["methods"][-1]["cells"][seed] = new
            other.cell(new, other.logits(label, int(seed), skill))
    table = table_of(store, other)
    assert forest.all_gains(table.sections, table.rules) is not None
    assert forest.all_gains(table_of(other).sections, table.rules) is None
    assert slugs(section.spec for section in table.sections) == ["twitter-bundled", "news-noise-0.2-local"]


def test_sections_of_one_task_have_different_names(store):
    assert slugs([store.section] * 3) == ["twitter-bundled", "twitter-bundled-2", "twitter-bundled-3"]


def test_no_two_sections_write_one_file():
    names = distinct_slugs(["a-2", "a", "a", "b" * 400, "b" * 400 + "c"])
    assert names[:3] == ["a-2", "a", "a-3"]
    assert len(set(names)) == 5
    assert max(map(len, names)) < 200


def test_titles_end_before_the_figure_does():
    """With long labels the axes begin far to the right, and the title was cut off."""
    with style.styled():
        plot, [[axes]] = style.figure(2.0)
        names = ["w" * style.LABEL]
        style.name_rows(axes, names)
        style.title(axes, "a title of many words that goes on " * 4, names)
        style.render(plot)
        end = axes.title.get_window_extent().x1
    assert end <= plot.bbox.x1


def test_names_are_shown_on_one_line_and_cannot_turn_it_around():
    assert style.short("new\nline\u202eevil") == "new line\\u202eevil"


def test_short_labels_differ_where_the_labels_do():
    alike = ["weighted-finetune(weights=quality)", "weighted-finetune(weights=quality,prior=True)"]
    assert style.shorts(["ce", *alike]) == ["ce", "weighted-…une(weights=quality)", "weighted-…=quality,prior=True)"]
    ends = [f"{'a' * 32}{middle}{'b' * 25}" for middle in "xy"]
    assert style.shorts(ends) == ends


def test_letters_that_the_font_lacks_are_no_warnings(tmp_path, recwarn):
    store = FakeStore(tmp_path / "runs", title="中文").method("ce").method("emoji(🎉)", skill=3.0)
    assert draw(table_of(store))
    assert not [one for one in recwarn if "Glyph" in str(one.message)]


def test_the_overview_of_very_many_sections_says_what_it_leaves_out(store, monkeypatch):
    monkeypatch.setattr(forest, "HIGHEST", 3.0)
    table = table_of(*[store] * 5)
    (overview, *_) = overviews(table.sections, table.rules)
    assert "in the first 3 of 5 sections (each has a figure of its own)" in overview.caption
    assert overview.finding.count("twitter: ") == 3
    assert overview.caption.endswith(", with simultaneous 95 % intervals"), "as its title says"


@pytest.mark.parametrize("methods", [{}, {"ce": (0, 1, 2)}, {"ce": (), "dimp": (0, 1, 2)}])
def test_nothing_to_draw(tmp_path, methods):
    store = FakeStore(tmp_path / "runs")
    for label, failed in methods.items():
        store.method(label, failed=failed)
    kinds = [figure.name.rpartition("-")[2] for figure in draw(table_of(store))]
    assert kinds == (["seeds"] if len(methods) == 2 else [])


def test_one_seed(tmp_path):
    store = FakeStore(tmp_path / "runs", seeds=(7,), rows=200)
    store.method("ce").method("dimp", skill=3.0)
    assert [figure.name for figure in draw(table_of(store))] == [f"twitter-bundled-{key}" for key in ("gains", "seeds")]


def test_pairs_are_the_comparisons_of_two(store):
    (section,) = table_of(store).sections
    result = section.pairs
    assert len(result.labels) == 4  # neither the incomplete one nor the one of another environment
    assert result.labels[0] == "dimp"
    right = {
        label: np.stack([store.correct(label, seed, skill) for seed in store.seeds]).astype(float)
        for label, skill in (("ce", 1.0), ("dimp", 2.5), ("focal", 0.9), (result.labels[1], 1.5))
    }
    upper = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    each = [compare(right[result.labels[i]], right[result.labels[j]]) for i, j in upper]
    corrected = holm([one.p for one in each])
    for (i, j), one, p in zip(upper, each, corrected, strict=True):
        assert result.difference[i, j] == -result.difference[j, i] == pytest.approx(one.difference)
        assert result.p[i, j] == result.p[j, i] == pytest.approx(p)
        word = "undecided" if p >= 0.05 else "better" if one.difference > 0 else "worse"
        assert result.words[i][j] == word


def test_identical_methods_are_equivalent(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=600)
    store.method("ce").method("same")
    store.section["methods"][1]["cells"] = store.section["methods"][0]["cells"]
    (section,) = table_of(store).sections
    assert section.pairs.words[0][1] == section.pairs.words[1][0] == "equivalent"
    assert section.pairs.p[0, 1] == 1
    assert compare_pairs(section.rows[:1], section.test, USUAL) is None


def test_panels_with_the_same_limits_show_all_their_data():
    with styled():
        plot, [panels] = figure(3.0, columns=3)
        for axes, values in zip(panels, ([1.0, 3.0], [2.0, 5.0], [-1.0, 0.0]), strict=True):
            axes.plot([0, 1], values)
        same_limits("y", panels)
        assert [axes.get_ylim() for axes in panels] == [pytest.approx((-1.3, 5.3))] * 3
        shared = plot.subplots(1, 3, sharey=True)
        for axes, values in zip(shared, ([1.0, 3.0], [2.0, 5.0], [-1.0, 0.0]), strict=True):
            axes.plot([0, 1], values)
        assert shared[0].get_ylim() == pytest.approx((-1.3, 5.3)), "as matplotlib does it"


def test_histories(store):
    path = next(iter(store.section["methods"][0]["cells"].values()))
    result = training.history(store.root / path)
    assert result["loss"][1] == pytest.approx(0.7 * 0.97)
    (store.root / path / "history.jsonl").write_text("{not json")
    assert training.history(store.root / path) == {}
    long = np.arange(2400.0).reshape(2, 1200)
    assert training.stretched(long) == pytest.approx(long.reshape(2, 60, 20).mean(axis=2))
    assert training.stretched(long[:, :7]) == pytest.approx(long[:, :7])
    assert training.stretched(long[:, :100])[0, [0, -1]] == pytest.approx([0.5, 99.0])


@pytest.mark.parametrize("title", ["Short", "A title of a task that is much too long for a narrow figure " * 3])
def test_titles_and_legends_lie_within_the_figure(tmp_path, title):
    store = FakeStore(tmp_path / "runs", rows=300, title=title).method("ce").method("dimp", skill=2.0)
    (section,) = table_of(store).sections
    with styled():
        for entry in FIGURES[:3]:
            plot = entry.draw(section)
            render(plot)
            texts = [plot.axes[0].title, plot.axes[0]._left_title, *plot.legends]
            for box in (text.get_window_extent() for text in texts):
                assert box.x0 >= 0
                assert box.x1 <= plot.bbox.x1
                assert box.y1 <= plot.bbox.y1


def test_a_very_wide_interval_is_cut(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=300)
    store.method("ce", skill=1.5).method("dimp", skill=2.2).method("imp", skill=1.9).method("focal", skill=1.7)
    store.method("wild", missing=store.seeds)
    for seed, path in store.section["methods"][-1]["cells"].items():
        store.cell(path, store.logits("wild", int(seed), (0.0, 2.0, 5.0)[int(seed)]))
    (section,) = table_of(store).sections
    rows = {row.label: result for row, result in forest.differences(section)}
    half = np.median([one.high - one.low for one in rows.values()]) / 2
    low, high = forest.limits_of(section)
    assert 100 * rows["wild"].low < low
    assert high == pytest.approx(100 * (rows["wild"].difference + forest.WIDE * half), abs=30)
    for label in ("dimp", "imp", "focal"):
        assert low <= 100 * rows[label].difference <= high
    with styled():
        markers = [line.get_marker() for line in forest.gains(section).axes[0].lines]
    assert "<" in markers
    del store.section["methods"][-1]
    (section,) = table_of(store).sections
    with styled():
        markers = [line.get_marker() for line in forest.gains(section).axes[0].lines]
    assert not {"<", ">"} & set(markers)


def test_the_baseline_is_among_the_pairs(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=200)
    for i in range(18):
        store.method(f"m{i}", skill=2.0)
    (section,) = table_of(store.method("ce", skill=1.0)).sections
    places = shown_pairs(section.pairs, "ce", 16)
    assert len(places) == 16
    assert section.pairs.labels[places[-1]] == "ce"
    assert places[:15] == list(range(15))
    assert shown_pairs(section.pairs, "none", 16) == list(range(16))


def test_the_svg_follows_a_dark_page(store):
    for one in draw(table_of(store)):
        assert one.svg.count(b"prefers-color-scheme: dark") == 1
        assert not re.search(rb'id="patch_1">\s*<path [^>]*fill: #ffffff', one.svg), "no background"


def test_alternative_texts_state_what_figures_show(store):
    by_key = {one.name.rpartition("-")[2]: one.alt for one in draw(table_of(store))}
    assert "against ce: 1 better (dimp)" in by_key["gains"]
    assert "highest and lowest: dimp +" in by_key["gains"]
    assert "mean accuracy from" in by_key["seeds"]
    assert re.search(r"\d of 6 pairs differs? significantly; best group: dimp", by_key["pairs"])


def test_the_alternative_text_has_the_intervals_of_the_plot(store):
    table = table_of(store)
    rows = [row for row in table.sections[0].rows if row.paired and row.paired.shown]
    highest = max(rows, key=lambda row: row.paired.shown.difference)
    assert gain(highest.paired.shown) != gain(highest.paired.accuracy)
    assert f"{highest.label} {gain(highest.paired.shown)}" in gains_found(table.sections[0])


def test_a_figure_is_drawn_once_for_both_files(monkeypatch):
    drawn = []
    with styled():
        plot, [[axes]] = figure(2.0, width=3.0)
        axes.fill_between([0, 1], [0, 1], color="#0072B2")
        original = type(plot).draw
        monkeypatch.setattr(type(plot), "draw", lambda *arguments: (drawn.append(1), original(*arguments)))
        svg, png = render(plot)
    assert drawn == [1]
    assert b'viewBox="0 0 216 144"' in svg
    image = Image.open(io.BytesIO(png))
    assert image.size == (432, 288)
    assert image.mode == "RGB"
    colours = {colour for _, colour in image.getcolors(1 << 16)}
    assert {(255, 255, 255), (0, 0x72, 0xB2)} <= colours
    middle = np.asarray(image)[:, 300]
    assert (middle == (0, 0x72, 0xB2)).all(axis=1).sum() > 100, (
        "what is clipped in the SVG is clipped at the same place"
    )


def test_nothing_is_cut_off(store):
    (section,) = table_of(store).sections
    with styled():
        for entry in FIGURES:
            plot = entry.draw(section)
            render(plot)
            for text in plot.findobj(Text):
                if text.get_text() and text.get_visible() and text.axes is not None and text.axes.get_visible():
                    box = text.get_window_extent()
                    assert box.x0 >= -0.5, (entry.key, text)
                    assert box.x1 <= plot.bbox.x1 + 0.5, (entry.key, text)
                    assert box.y0 >= -0.5, (entry.key, text)
                    assert box.y1 <= plot.bbox.y1 + 0.5, (entry.key, text)


def test_drawing_leaves_no_settings_behind(store):
    from matplotlib.font_manager import fontManager

    draw(table_of(store))
    assert "findfont" not in vars(fontManager)
    assert gc.get_freeze_count() == 0
