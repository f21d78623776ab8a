"""`Checkpoint` of Ray Tune: a folder, and what is noted about it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rungway._core.errors import InvalidArgument

_NOTES = ".metadata.json"


class Checkpoint:
    """The files of a training in a folder. `tune.report` copies them to where all workers see them."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """`path` is a folder. Raises InvalidArgument for anything else."""
        if not isinstance(path, str | os.PathLike) or not Path(path).is_dir():
            raise InvalidArgument.one("checkpoint", f"got {path!r:.200}, wanted a folder that is there")
        self.path = os.fspath(path)
        """The folder."""

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str]) -> "Checkpoint":
        """A checkpoint with the files of this folder."""
        return cls(path)

    @contextmanager
    def as_directory(self) -> Iterator[str]:
        """The folder, to read from."""
        yield self.path

    def to_directory(self, path: str | os.PathLike[str] | None = None) -> str:
        """Copy the files into this folder, by default a new temporary one; returns it."""
        target = tempfile.mkdtemp(prefix="checkpoint-") if path is None else os.fspath(path)
        shutil.copytree(self.path, target, dirs_exist_ok=True)
        return target

    def get_metadata(self) -> dict[str, Any]:
        """What was noted about it."""
        notes = Path(self.path, _NOTES)
        found: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
        return found

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Note this about it, in place of what was noted before; it is what JSON knows."""
        Path(self.path, _NOTES).write_text(json.dumps(dict(metadata)), encoding="utf-8")

    def update_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Note this in addition."""
        self.set_metadata({**self.get_metadata(), **metadata})

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"Checkpoint(path={self.path!r})"
