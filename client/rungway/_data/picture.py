"""A picture of a search: shown by notebooks, saved as a file. matplotlib is imported when one is drawn."""

import html
import importlib
import importlib.util
import io
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway._data.search_data import SearchData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rungway.v1 import view_service_pb2

KINDS = ("best", "curves", "importance", "parallel", "ladder", "workers", "front")
FORMATS = (".png", ".svg", ".html", ".pdf")
FRONT = "front"
"""The kind of which two axes are chosen."""
RANKED = ("importance", "parallel")
"""Kinds that need to know how much each hyperparameter matters."""
_SHOWN_DPI, _SAVED_DPI = 100, 160
_settings = threading.Lock()
"""Held while matplotlib's settings, which are one set for all threads, are those of pictures."""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ margin: 2rem auto; max-width: 70rem; background: #fff }} svg {{ width: 100%; height: auto }}</style>
<figure role="img" aria-label="{title}">
{picture}
</figure>
</html>
"""


class Picture:
    """A picture of a search. The last value of a cell of a notebook is shown."""

    def __init__(self, kind: str, title: str, figure: "Figure") -> None:
        self.kind = kind
        """What it shows: "best", "curves", …"""
        self.title = title
        """What stands above it."""
        self.figure = figure
        """The figure of matplotlib, to change or add to it."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file: .png, .svg, .pdf, or .html, which is one page with the SVG inside. Raises InvalidArgument for
        another ending, and OSError."""
        file = Path(path)
        form = check_path(file)
        if form == ".html":
            text = self._written("svg").decode().partition("<svg")
            page = _PAGE.format(title=html.escape(self.title), picture=f"{text[1]}{text[2].strip()}")
            file.write_text(page, encoding="utf-8")
        else:
            file.write_bytes(self._written(form.removeprefix(".")))

    def __repr__(self) -> str:
        return f"Picture({self.kind}: {self.title!r})"

    def _repr_png_(self) -> bytes:
        return self._written("png", _SHOWN_DPI)

    def _written(self, form: str, dpi: int = _SAVED_DPI) -> bytes:
        stream = io.BytesIO()
        # A picture of the same search is the same file, whenever it is drawn.
        undated: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
        with _drawing():
            self.figure.savefig(stream, format=form, dpi=dpi, metadata=undated)
        return stream.getvalue()


def check_kind(kind: str, axes: Sequence[str] = ()) -> None:
    """Raises InvalidArgument for a kind that is not known, and for axes of one that has none to choose,
    FailedPrecondition (NOT_INSTALLED) without matplotlib."""
    if kind not in KINDS:
        raise InvalidArgument.one("kind", f"got {kind!r:.100}, wanted one of {', '.join(KINDS)}")
    if axes and kind != FRONT:
        raise InvalidArgument.one("axes", f"got axes for the picture {kind}, wanted them for {FRONT} alone")
    if importlib.util.find_spec("matplotlib") is None:
        raise FailedPrecondition(
            "pictures need matplotlib, which is not installed: pip install 'rungway[plot]'", reason="NOT_INSTALLED"
        )


def check_path(path: Path) -> str:
    """The ending of a file name. Raises InvalidArgument for one that no picture has."""
    form = path.suffix.lower()
    if form not in FORMATS:
        raise InvalidArgument.one("path", f"got {str(path)!r:.200}, wanted a name that ends in {', '.join(FORMATS)}")
    return form


def draw(
    kind: str,
    data: SearchData,
    importance: "view_service_pb2.GetImportanceResponse | None",
    axes: Sequence[str] = (),
) -> Picture:
    """The picture; `importance` is there for the kinds in RANKED, `axes` are names of two objectives. Raises
    InvalidArgument for others."""
    module = importlib.import_module(f"rungway._data.pictures.{kind}")
    more = (importance,) if kind in RANKED else (axes,) if kind == FRONT else ()
    with _drawing():
        title, figure = module.draw(data, *more)
    return Picture(kind, title, figure)


@contextmanager
def _drawing() -> Iterator[None]:
    """With the settings of pictures, whatever the caller's are. Names may have any letter: one that the font lacks is
    drawn as a box, without a warning, and dollars are no formulas."""
    import matplotlib as mpl

    ours: Any = {
        "font.family": ["DejaVu Sans", "sans-serif"],
        "text.parse_math": False,
        "text.usetex": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "rungway",
        "axes.unicode_minus": False,
        "path.simplify": True,
    }
    with _settings, mpl.rc_context(ours), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        yield
