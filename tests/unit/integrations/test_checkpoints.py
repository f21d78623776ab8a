"""Checkpoints by name: whole or not there, on a file system and on an object store, and removed when left behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from rungway import InvalidArgument
from rungway.integrations import Checkpoints
from rungway.integrations.checkpoints import Save

FENCE = 1795995834


@pytest.fixture(params=["folder", "objects"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A root of each kind."""
    if request.param == "folder":
        yield str(tmp_path / "root")
        return
    files = fsspec.filesystem("memory")
    yield "memory://bucket/root"
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


def write(text: str) -> Save:
    def save(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "state").write_text(text)

    return save


def read(checkpoints: Checkpoints, told: str) -> str:
    restored = checkpoints.restore(told)
    text = (restored.folder / "inner" / "state").read_text()
    restored.close()
    return text


def test_what_was_saved_is_restored_by_its_name(root: str) -> None:
    checkpoints = Checkpoints(root)
    told = checkpoints.save("digits", 7, 9, FENCE, write("nine"))
    assert told == f"{root}/digits/7/9-{FENCE}"
    assert read(Checkpoints(root), told) == "nine"


def test_a_second_one_of_the_same_length_does_not_touch_the_first(root: str) -> None:
    checkpoints = Checkpoints(root)
    first, second = (checkpoints.save("digits", 7, 9, FENCE, write(text)) for text in ("first", "second"))
    assert second == f"{first}-1"
    assert [read(checkpoints, told) for told in (first, second)] == ["first", "second"]


def test_one_that_was_never_published_is_not_there(root: str) -> None:
    checkpoints = Checkpoints(root)
    name = checkpoints.begin("digits", 7, 9, FENCE)
    checkpoints.write(name, write("half"))
    with pytest.raises(FileNotFoundError):
        checkpoints.restore(f"{root}/{name}")


def test_a_failed_save_is_not_there_and_does_not_stand_in_the_way(root: str) -> None:
    def fail(folder: Path) -> None:
        (folder / "part").write_text("x")
        raise OSError("disk full")

    checkpoints = Checkpoints(root)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save("digits", 7, 9, FENCE, fail)
    told = checkpoints.save("digits", 7, 9, FENCE, write("again"))
    restored = checkpoints.restore(told)
    assert not (restored.folder / "part").exists()
    restored.close()


def test_those_left_behind_are_removed(root: str) -> None:
    checkpoints = Checkpoints(root)
    old, before, last = (checkpoints.save("digits", 7, n, FENCE, write(str(n))) for n in (1, 3, 9))
    other_trial = checkpoints.save("digits", 8, 1, FENCE, write("other"))
    newer_lease = checkpoints.save("digits", 7, 3, FENCE + 1, write("newer"))
    longer = checkpoints.save("digits", 7, 27, FENCE, write("longer"))
    dead_worker = checkpoints.begin("digits", 7, 27, FENCE - 1)
    checkpoints.prune("digits", 7, [before, last], 9, FENCE)
    for kept, text in ((before, "3"), (last, "9"), (other_trial, "other"), (newer_lease, "newer"), (longer, "longer")):
        assert read(checkpoints, kept) == text
    with pytest.raises(FileNotFoundError):
        checkpoints.restore(old)
    if not root.startswith("memory"):
        assert not list(Path(root).glob(f"digits/7/.tmp-*{FENCE - 1}")), dead_worker


def test_nothing_outside_the_root_is_opened(root: str) -> None:
    checkpoints = Checkpoints(root)
    for told in ("/etc/passwd", f"{root}/../passwd", f"{root}-other/x", "s3://other/digits/7/9-1", root):
        with pytest.raises(InvalidArgument, match="wanted one below"):
            checkpoints.restore(told)


@pytest.mark.parametrize("wrong", [3, b"/tmp", ["/tmp"], "nosuch://bucket"])
def test_what_is_no_place_is_named(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"checkpoints: got .*(wanted a folder or a URL|not known)"):
        Checkpoints(wrong)


def test_the_root_comes_from_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUNGWAY_CHECKPOINTS", f"file://{tmp_path}")
    assert Checkpoints().root == str(tmp_path)
    monkeypatch.delenv("RUNGWAY_CHECKPOINTS")
    with pytest.raises(InvalidArgument, match="set RUNGWAY_CHECKPOINTS"):
        Checkpoints()
