"""The picture: a PNG for every kind of search, also for strange ones."""

from pathlib import Path

import pytest

from rungway_server.demo.picture import Curve, Story, draw

CURVES = [
    Curve(0, [(1, 0.5), (2, 0.3), (3, 0.2), (4, 0.1), (9, 0.05)]),
    Curve(1, [(1, 0.9)]),
    Curve(2, []),  # diverged before its first report
    Curve(3, [(1, 0.4), (3, 0.0)]),  # no error at all, on a logarithmic axis
]


@pytest.mark.parametrize("story", [Story("t", "s", 0, (0, 4)), Story("t", "s", None), Story("t", "s", 3, (2, 1))])
def test_a_png_is_written(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "new" / "curves.png"
    draw(CURVES, [1, 3, 9], story, path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert path.stat().st_size > 20_000


def test_one_rung_and_no_result_at_all(tmp_path: Path) -> None:
    draw([Curve(0, [])], [27], Story("t", "s", None), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5_000
