"""`rungway plot`: a picture of a search, as the SDK draws it."""

from collections.abc import Sequence
from pathlib import Path

from rungway._data.picture import FORMATS
from rungway_server.cli.connection import service
from rungway_server.cli.drawing import check_matplotlib, check_picture, writing
from rungway_server.cli.options import Plot
from rungway_server.cli.output import console


def plot(experiment: str, kind: Plot, out: Path, axes: Sequence[str], target: str) -> None:
    """Draw a picture and write it to a file."""
    check_matplotlib(out, extra="plot")
    check_picture(out, FORMATS)
    with service(target, experiment) as client:
        picture = client.plot(kind.value, axes=axes)
    with writing(out):
        picture.save(out)
    console().print(f"Written: {out}", soft_wrap=True)
