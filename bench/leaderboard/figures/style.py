"""The style of figures, and how they are rendered to the same bytes every time.

The SVG has no background and follows the page from light to dark (`DARK`); the PNG is white and opaque. Colours are
those of Okabe and Ito; each verdict also has its own marker.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

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
    "text.parse_math": False,  # a dollar in a label is a dollar
    "svg.hashsalt": "counterweight",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "figure.dpi": DPI,  # that of the PNG, so that a text which the layout measured is not measured again
}


@contextmanager
def styled() -> Iterator[None]:
    """A context in which figures have this style; needs no display."""
    import matplotlib as mpl
    import seaborn as sns

    with mpl.rc_context(), warnings.catch_warnings():  # type: ignore[arg-type]  # a dict of its many names
        # Letters that the font lacks, such as Chinese ones, are boxes; the tables have them.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        sns.set_theme(style="whitegrid", rc=RC)
        yield


def figure(
    height: float, rows: int = 1, columns: int = 1, *, width: float = WIDTH, share: bool | Literal["all"] = False
) -> tuple[Figure, list[list[Axes]]]:
    """A figure and its axes by row, made without pyplot, so that there is no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    new = Figure(figsize=(width, height))
    FigureCanvasAgg(new)
    axes = new.subplots(rows, columns, squeeze=False, sharex=share, sharey="row" if share else False)
    for spine in (spine for one in axes.flat for spine in one.spines.values()):
        spine.set_in_layout(False)  # it lies on the border of the axes, and measuring it takes as long as the labels
    return new, axes.tolist()


def render(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG, without dates. Laid out once for both; `savefig` would do it for each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    svg, png = io.BytesIO(), io.BytesIO()
    backgrounds = [figure.patch, *(axes.patch for axes in figure.axes)]
    for patch in backgrounds:
        patch.set_visible(False)
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    for patch in backgrounds:
        patch.set_visible(True)
    figure.dpi = DPI  # which print_svg changed
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None}, pil_kwargs={"compress_level": COMPRESSION})
    return for_dark_pages(svg.getvalue()), png.getvalue()


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


def title(axes: Axes, text: str) -> None:
    """Set a title on at most two lines, from the axes to the end of the figure."""
    root = axes.get_figure(root=True)
    width = root.get_figwidth() if root is not None else WIDTH
    longest = max((len(label.get_text()) for label in axes.get_yticklabels()), default=0)
    axes.set_title(wrapped(text, width - max(1.0, 0.4 + CHARACTER * longest)))


def whole_title(plot: Figure, text: str) -> None:
    """Set a title over all panels, on at most two lines."""
    plot.suptitle(wrapped(text, plot.get_figwidth() - 1))


def wrapped(text: str, width: float) -> str:
    """A title on at most two lines of `width` inches."""
    return "\n".join(textwrap.wrap(plain(text), int(LINE * width), max_lines=2, placeholder=" …"))
