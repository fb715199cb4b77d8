"""A renderer that draws a figure as SVG and as PNG at once.

So its texts are measured once, and its artists are gone through once. matplotlib's canvases would do both for each
format, which takes longer than the drawing itself.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase, GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, TransformedPath
from PIL import Image

POINTS = 72  # per inch: the unit of the SVG


class Both(RendererBase):
    """Sends what a figure draws to an SVG and, `scale` times as large, to a white bitmap. No images, no gradients.

    Texts are measured as those of the SVG. Widths, heights and places are in points.
    """

    def __init__(self, width: float, height: float, scale: float) -> None:
        super().__init__()
        self.scale, self.enlarged, self.text = scale, Affine2D().scale(scale), io.StringIO()
        self.svg = RendererSVG(width, height, self.text, metadata={"Date": None})
        self.png = RendererAgg(scale * width, scale * height, scale * POINTS)
        np.asarray(self.png.buffer_rgba())[:] = 255

    def files(self, compression: int) -> tuple[bytes, bytes]:
        """What was drawn as SVG and as PNG."""
        self.svg.finalize()
        png, dots, pixels = io.BytesIO(), self.scale * POINTS, self.png.buffer_rgba()
        image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels, "raw", "RGBA", 0, 1).convert("RGB")
        image.save(png, "png", compress_level=compression, dpi=(dots, dots))
        return self.text.getvalue().encode(), png.getvalue()

    def large(self, gc: GraphicsContextBase) -> GraphicsContextBase:
        """The context for the bitmap: the same, but what it clips to is as large as the bitmap."""
        new = self.png.new_gc()
        new.copy_properties(gc)
        if (rectangle := gc.get_clip_rectangle()) is not None:
            new.set_clip_rectangle(rectangle.transformed(self.enlarged))
        path, transform = gc.get_clip_path()
        if path is not None and transform is not None:
            new.set_clip_path(TransformedPath(path, transform + self.enlarged))  # type: ignore[arg-type]  # it is a Path
        return new

    def draw_path(self, gc: GraphicsContextBase, path: Any, transform: Any, *more: Any, **named: Any) -> None:
        self.svg.draw_path(gc, path, transform, *more, **named)
        self.png.draw_path(self.large(gc), path, transform + self.enlarged, *more, **named)

    def draw_markers(  # type: ignore[override]  # the arguments here have names of their own
        self, gc: GraphicsContextBase, marker: Any, shape: Any, path: Any, transform: Any, *more: Any, **named: Any
    ) -> None:
        self.svg.draw_markers(gc, marker, shape, path, transform, *more, **named)
        shape, transform = shape + self.enlarged, transform + self.enlarged
        self.png.draw_markers(self.large(gc), marker, shape, path, transform, *more, **named)

    def draw_path_collection(  # type: ignore[override]
        self,
        gc: GraphicsContextBase,
        transform: Any,
        paths: Any,
        each: Any,
        offsets: Any,
        moved: Any,
        *more: Any,
        **named: Any,
    ) -> None:
        self.svg.draw_path_collection(gc, transform, paths, each, offsets, moved, *more, **named)
        transform, moved = transform + self.enlarged, moved + self.enlarged
        self.png.draw_path_collection(self.large(gc), transform, paths, each, offsets, moved, *more, **named)

    def draw_quad_mesh(
        self,
        gc: GraphicsContextBase,
        transform: Any,
        columns: int,
        rows: int,
        corners: Any,
        offsets: Any,
        moved: Any,
        *more: Any,
    ) -> None:
        self.svg.draw_quad_mesh(gc, transform, columns, rows, corners, offsets, moved, *more)
        transform, moved = transform + self.enlarged, moved + self.enlarged
        self.png.draw_quad_mesh(self.large(gc), transform, columns, rows, corners, offsets, moved, *more)

    def draw_text(self, gc: GraphicsContextBase, x: float, y: float, *more: Any, **named: Any) -> None:
        self.svg.draw_text(gc, x, y, *more, **named)
        self.png.draw_text(self.large(gc), self.scale * x, self.scale * y, *more, **named)

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        width, height, descent = self.svg.get_text_width_height_descent(s, prop, ismath)
        return width, height, descent

    def open_group(self, s: str, gid: str | None = None) -> None:
        self.svg.open_group(s, gid)

    def close_group(self, s: str) -> None:
        self.svg.close_group(s)

    def flipy(self) -> bool:
        return True

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.svg.width, self.svg.height


class Canvas(FigureCanvasBase):
    """The canvas of a figure that one renderer measures and draws."""

    def __init__(self, figure: Figure, dpi: float) -> None:
        super().__init__(figure)
        width, height = figure.get_size_inches() * POINTS
        self.renderer = Both(width, height, dpi / POINTS)

    def get_renderer(self) -> Both:
        """The renderer; matplotlib's layouts measure with it."""
        return self.renderer
