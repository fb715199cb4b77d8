"""The style of figures, and how they are rendered to the same bytes every time.

The SVG has no background and follows the page from light to dark (`DARK`); the PNG is white and opaque. Colours are
those of Okabe and Ito; each verdict also has its own marker.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tasks.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.0  # inches
DPI = 144  # of the PNG
COMPRESSION = 3  # of the PNG, 1 to 9: as small as with 6, in two thirds of the time
LABEL = 30  # characters shown of a method's label
LINE = 11.5  # characters of a title per inch
CHARACTER = 0.08  # inches of a character of a label, about
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#222222"

BAND, AXIS, GRID = "#F0F0F0", "#555555", "#E6E6E6"
# Colours of text, lines and bands on a dark page, in place of those on a light one.
DARK = {INK: "#E6E6E6", AXIS: "#BBBBBB", GRID: "#3A3D42", BAND: "#2A2E33", BLUE: "#6BB7F0", ORANGE: "#FF9D5C"}


class Style(NamedTuple):
    """Colour, marker and sign of a verdict."""

    colour: str
    marker: str
    sign: str


VERDICTS = {
    "better": Style(BLUE, "^", "▲"),
    "worse": Style(ORANGE, "v", "▼"),
    "equivalent": Style(GREEN, "s", "="),
    "undecided": Style(GREY, "o", ""),
    "": Style("#BBBBBB", "x", ""),
}
RC = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # else each drawing and each pass of the layout looks for ticks above the axes
    "axes.edgecolor": "#888888",
    "grid.color": GRID,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.hinting": "no_hinting",  # texts of the PNG are as wide as those of the SVG, by which both are laid out
    "text.parse_math": False,  # a dollar in a label is a dollar
    "svg.hashsalt": "counterweight",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "figure.dpi": 72,  # a dot is a point, the unit of the SVG
}


@contextmanager
def styled() -> Iterator[None]:
    """A context in which figures have this style; needs no display."""
    import matplotlib as mpl
    import seaborn as sns

    with mpl.rc_context(), warnings.catch_warnings():
        # Letters that the font lacks, such as Chinese ones, are boxes; the tables have them.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        sns.set_theme(style="whitegrid", rc=RC)
        with fonts_found_once():
            yield


@contextmanager
def fonts_found_once() -> Iterator[None]:
    """A context in which matplotlib looks up a font once; else it reads eleven settings for every text it measures."""
    from matplotlib.font_manager import fontManager

    find, found = fontManager.findfont, dict[tuple[Hashable, ...], Any]()

    def remembered(prop: Any, *more: Any, **named: Any) -> Any:
        key = (hash(prop), more, *named.items())
        if key not in found:
            found[key] = find(prop, *more, **named)
        return found[key]

    fontManager.findfont = remembered  # type: ignore[method-assign]
    try:
        yield
    finally:
        del fontManager.findfont


def figure(
    height: float, rows: int = 1, columns: int = 1, *, width: float = WIDTH, share: bool | Literal["all"] = False
) -> tuple[Figure, list[list[Axes]]]:
    """A figure and its axes by row, made without pyplot, so that there is no global state."""
    from matplotlib.figure import Figure

    new = Figure(figsize=(width, height))
    axes = new.subplots(rows, columns, squeeze=False, sharex=share, sharey="row" if share else False)
    for spine in (spine for one in axes.flat for spine in one.spines.values()):
        spine.set_in_layout(False)  # it lies on the border of the axes, and measuring it takes as long as the labels
    return new, axes.tolist()


def render(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG, without dates. Laid out and drawn once for both; `savefig` would do it for each."""
    from bench.leaderboard.figures.both import Canvas

    renderer = Canvas(figure, DPI).get_renderer()
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)  # the page is the background of the SVG, and that of the PNG is white
    figure.draw(renderer)
    svg, png = renderer.files(COMPRESSION)
    return for_dark_pages(svg), png


def for_dark_pages(svg: bytes) -> bytes:
    """The SVG with a style that replaces the colours `DARK` where the page is dark; other viewers ignore it."""
    rules = "".join(
        f'[style*="{kind}: {light.lower()}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>\n <defs>".encode()
    return svg.replace(b"<defs>", style, 1)


def same_limits(name: Literal["x", "y"], panels: Sequence[Axes]) -> None:
    """Give panels the same limits on an axis, within which all their data lie.

    matplotlib's shared axes do the same, but ask all panels whenever one of them is measured.
    """
    ends = [getattr(axes.dataLim, f"interval{name}") for axes in panels]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    margin = 0.05 * (high - low)
    for axes in panels:
        axes.set(**{f"{name}lim": (low - margin, high + margin)})


def grid_lines(row: Sequence[Axes], *, bottom: bool) -> None:
    """Give panels of the same limits the grid lines of the first one, which alone has numbers at its left side.

    Only panels at the `bottom` have numbers below them. Lines without numbers are one artist, ticks would be many.
    """
    x, y = (
        [at for at in ticks if low <= at <= high]
        for ticks, (low, high) in (
            (row[0].get_xticks(), sorted(row[0].get_xlim())),
            (row[0].get_yticks(), sorted(row[0].get_ylim())),
        )
    )
    for place, axes in enumerate(row):
        if bottom:
            axes.set_xticks(x)
        else:
            axes.set_xticks([])
            lines_across(axes, x, along="x")
        if place:
            axes.set_yticks([])
            lines_across(axes, y)


def plain(text: str) -> str:
    """A text on one line, with control characters as escapes."""
    return " ".join(printable(text).split())


def short(label: str, most: int = LABEL) -> str:
    """A label on one line, cut to `most` characters."""
    label = plain(label)
    return label if len(label) <= most else label[: most - 1] + "…"


def shorts(labels: Sequence[str], most: int = LABEL) -> list[str]:
    """`short` of labels, none like another: those of one beginning lose their middle instead, or nothing."""
    texts = [short(label, most) for label in labels]
    for longer in (partial(without_middle, most=most), plain):
        texts = [text if texts.count(text) == 1 else longer(label) for label, text in zip(labels, texts, strict=True)]
    return texts


def without_middle(label: str, most: int) -> str:
    """A label on one line, cut to `most` characters, two thirds of them from its end, where settings are."""
    label, end = plain(label), 2 * most // 3
    return label if len(label) <= most else f"{label[: most - 1 - end]}…{label[-end:]}"


def name_rows(axes: Axes, names: Sequence[str], first: float = 0, *, lines: bool = False) -> None:
    """Write names beside the places `first`, `first` + 1, ... of the y axis, with grid `lines` if wanted.

    They are texts and not labels of ticks, because a tick is five artists.
    """
    import matplotlib as mpl

    axes.set_yticks([])
    pad = mpl.rcParams["ytick.major.size"] + mpl.rcParams["ytick.major.pad"]
    transform, va, ha = axes.get_yaxis_text1_transform(pad)
    for place, name in enumerate(names):
        axes.text(0, first + place, name, va=va, ha=ha, transform=transform, fontsize=mpl.rcParams["ytick.labelsize"])
    if lines:
        lines_across(axes, range(len(names)))


def lines_across(axes: Axes, places: Iterable[float], along: Literal["x", "y"] = "y") -> None:
    """Draw grid lines at places of an axis, as one artist."""
    from matplotlib.collections import LineCollection

    where = axes.get_yaxis_transform() if along == "y" else axes.get_xaxis_transform()
    ends = [[(0, place), (1, place)] if along == "y" else [(place, 0), (place, 1)] for place in places]
    axes.add_collection(LineCollection(ends, colors=GRID, linewidths=1, zorder=0.5, transform=where), autolim=False)


def title(axes: Axes, text: str, names: Sequence[str] = ()) -> None:
    """Set a title on at most two lines, from the axes to the end of the figure; `names` are those of its rows."""
    root = axes.get_figure(root=True)
    width = root.get_figwidth() if root is not None else WIDTH
    longest = max(map(len, names), default=0)
    axes.set_title(wrapped(text, width - max(1.0, 0.4 + CHARACTER * longest)))


def whole_title(plot: Figure, text: str) -> None:
    """Set a title over all panels, on at most two lines."""
    plot.suptitle(wrapped(text, plot.get_figwidth() - 1))


def wrapped(text: str, width: float) -> str:
    """A title on at most two lines of `width` inches."""
    return "\n".join(textwrap.wrap(plain(text), int(LINE * width), max_lines=2, placeholder=" …"))
