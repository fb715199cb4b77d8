"""The style of figures, and how they are rendered to the same bytes every time.

The background is white and opaque, for light and dark pages. Colours are those of Okabe and Ito; each verdict also has
its own marker.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.0  # inches
DPI = 144  # of the PNG
LABEL = 30  # characters shown of a method's label
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#222222"


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
    "axes.edgecolor": "#888888",
    "grid.color": "#E6E6E6",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar in a label is a dollar
    "svg.hashsalt": "counterweight",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
}


@contextmanager
def styled() -> Iterator[None]:
    """A context in which figures have this style; needs no display."""
    import matplotlib as mpl
    import seaborn as sns

    with mpl.rc_context():
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
    return new, axes.tolist()


def render(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG, without dates. Laid out once for both; `savefig` would do it for each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    svg, png = io.BytesIO(), io.BytesIO()
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    figure.dpi = DPI
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


def short(label: str, most: int = LABEL) -> str:
    """A label cut to `most` characters."""
    return label if len(label) <= most else label[: most - 1] + "…"


def title(axes: Axes, text: str) -> None:
    """Set a title, shortened to fit the figure."""
    axes.set_title(textwrap.shorten(text, 90, placeholder=" …"))
