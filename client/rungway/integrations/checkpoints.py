"""Checkpoints by name: `<root>/<experiment>/<trial>/<length>-<fence>`.

The fence is the fencing token of the lease under which it was written, so a worker that has lost its trial without
knowing never writes into the folder of the one that has it now.
"""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote

from rungway._core.errors import InvalidArgument
from rungway.integrations._storage import UNFINISHED, Folders, Objects, Storage

_log = logging.getLogger("rungway")
VARIABLE = "RUNGWAY_CHECKPOINTS"
"""The environment variable with the root."""
_NAME = re.compile(r"(\d+)-(\d+)(?:-\d+)?")
Save = Callable[[Path], object]
"""Writes a state into a folder that is there and empty. In a group every rank is given one, on a shared file system all
the same: then their files need different names."""


class Checkpoints:
    """The checkpoints of all searches that use one root. Every worker needs the same root."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        """`root` is a folder that all workers see, or a URL of an object store that fsspec knows ("s3://bucket/path";
        `pip install 'rungway[fsspec]'` and what it names for the store). Without one it is RUNGWAY_CHECKPOINTS; raises
        InvalidArgument where neither is given, and for what is no such place."""
        text = os.environ.get(VARIABLE, "").strip() if root is None else root
        if not isinstance(text, str | os.PathLike) or isinstance(text := os.fspath(text), bytes):
            raise InvalidArgument.one("checkpoints", f"got {root!r:.100}, wanted a folder or a URL")
        if not text:
            raise InvalidArgument.one("checkpoints", f"no place is given: name a folder or URL, or set {VARIABLE}")
        text = text.removeprefix("file://")
        if "://" in text:
            self.root = text.rstrip("/")
            try:
                self._storage: Storage = Objects(self.root)
            except ValueError as error:
                raise InvalidArgument.one("checkpoints", f"got {self.root!r:.100}: {error}") from None
        else:
            path = Path(text).absolute()
            self.root = str(path)
            self._storage = Folders(path)

    @classmethod
    def of(cls, given: "Checkpoints | str | os.PathLike[str] | None") -> "Checkpoints":
        """What a user gave, as checkpoints. Raises InvalidArgument as above."""
        return given if isinstance(given, Checkpoints) else cls(given)

    def begin(self, experiment: str, trial: int, length: int, fence: int) -> str:
        """Make place for a checkpoint of this length; returns its name. A second one of the same length and lease, as
        at a signal between two results, gets a number behind."""
        folder = self._folder(experiment, trial)
        taken = self._storage.names(folder)
        name, count = f"{length}-{fence}", 0
        while name in taken:
            count += 1
            name = f"{length}-{fence}-{count}"
        self._storage.begin(f"{folder}/{name}")
        return f"{folder}/{name}"

    def write(self, name: str, save: Save) -> None:
        """This process writes its part."""
        with self._storage.writing(name) as folder:
            save(folder)

    def publish(self, name: str) -> str:
        """All have written; returns what to tell."""
        return self._storage.publish(name)

    def save(self, experiment: str, trial: int, length: int, fence: int, save: Save) -> str:
        """Write a checkpoint from one process; returns what to tell."""
        name = self.begin(experiment, trial, length, fence)
        self.write(name, save)
        return self.publish(name)

    def restore(self, text: str) -> "Restored":
        """The files of a checkpoint that was told. Raises InvalidArgument when it is not below this root, and
        FileNotFoundError when it is not there or not whole."""
        inner = text.removeprefix(self.root)
        if inner == text or not inner.startswith("/") or ".." in inner.split("/"):
            raise InvalidArgument.one(
                "checkpoint", f"got {text!r}, wanted one below {self.root!r}: all workers need it"
            )
        scratch = Path(tempfile.mkdtemp(prefix="rungway-"))
        try:
            return Restored(self._storage.fetch(text, scratch), scratch)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def prune(self, experiment: str, trial: int, kept: Collection[str], length: int, fence: int) -> None:
        """Remove what the trial has left behind: all but the checkpoints in `kept` (as they were told), of lengths up
        to `length` and of leases up to `fence`. Raises nothing: what stays only takes space."""
        folder = self._folder(experiment, trial)
        names = {text.rpartition("/")[2] for text in kept}
        try:
            for name in self._storage.names(folder):
                if name not in names and _is_behind(name, length, fence):
                    self._storage.remove(f"{folder}/{name}")
        except OSError as error:
            _log.warning("old checkpoints of trial %d could not be removed: %s", trial, error)

    def _folder(self, experiment: str, trial: int) -> str:
        return f"{quote(experiment, safe='')}/{trial}"


class Restored:
    """The files of a checkpoint, in `folder` until it is closed."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self._scratch = scratch

    def close(self) -> None:
        """Remove what was downloaded."""
        shutil.rmtree(self._scratch, ignore_errors=True)


def _is_behind(name: str, length: int, fence: int) -> bool:
    unfinished = name.startswith(UNFINISHED)
    parts = _NAME.fullmatch(name.removeprefix(UNFINISHED))
    if parts is None:
        return False  # not ours
    of_length, of_fence = int(parts[1]), int(parts[2])
    return of_fence < fence if unfinished else of_length <= length and of_fence <= fence
