"""Where checkpoints lie: folders that are renamed when they are whole, or objects with a mark that is written last."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

MARK = "_COMPLETE"
"""The object that is written last: a prefix without it is no checkpoint."""
UNFINISHED = ".tmp-"
"""What the folder of a checkpoint begins with while it is written, or removed."""


class Storage(Protocol):
    """Names are paths below the root, with slashes. Rank 0 begins, publishes, lists and removes."""

    def begin(self, name: str) -> None:
        """Make place for a checkpoint of this name."""
        ...

    def writing(self, name: str) -> Any:
        """A block with the folder into which this process writes its files of it."""
        ...

    def publish(self, name: str) -> str:
        """It is whole from now on. Returns the text to tell."""
        ...

    def fetch(self, text: str, scratch: Path) -> Path:
        """A folder with its files; `scratch` is an empty folder of this process. Raises FileNotFoundError."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder of the root, unfinished ones included."""
        ...

    def remove(self, name: str) -> None:
        """Remove one."""
        ...


class Folders:
    """A file system that all workers see: a local disk on one machine, NFS, Lustre and the like on many."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _unfinished(self, name: str) -> Path:
        path = self.root / name
        return path.with_name(UNFINISHED + path.name)

    def begin(self, name: str) -> None:
        """See Storage."""
        folder = self._unfinished(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See Storage."""
        yield self._unfinished(name)

    def publish(self, name: str) -> str:
        """See Storage. After a crash of the machine it is there as a whole, or not at all."""
        unfinished, whole = self._unfinished(name), self.root / name
        for folder, _, files in os.walk(unfinished):
            for file in files:
                _sync(Path(folder, file))
            _sync(Path(folder))
        unfinished.replace(whole)
        _sync(whole.parent)
        return str(whole)

    def fetch(self, text: str, scratch: Path) -> Path:
        """See Storage."""
        if not (path := Path(text)).exists():
            raise FileNotFoundError(f"the checkpoint {text} is not there: was it removed, or is its disk missing here?")
        return path

    def names(self, folder: str) -> list[str]:
        """See Storage."""
        with suppress(FileNotFoundError):
            return os.listdir(self.root / folder)
        return []

    def remove(self, name: str) -> None:
        """See Storage. It is renamed first, so that nobody takes what is left for a checkpoint."""
        path = self.root / name
        if not path.name.startswith(UNFINISHED):
            path = path.replace(self._unfinished(name))
        shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    """What was written is on the disk when this returns; some file systems cannot do that for folders."""
    number = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(number)
    finally:
        os.close(number)


class Objects:
    """An object store, by fsspec: nothing can be renamed there, so a mark says that a checkpoint is whole."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise ImportError(f"checkpoints at {url!r} need fsspec: pip install 'rungway[fsspec]'") from None
        self._files, self._path = url_to_fs(url)
        self._url = url

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def begin(self, name: str) -> None:
        """See Storage."""
        with suppress(FileNotFoundError):
            self._files.rm(self._at(name), recursive=True)
        self._files.makedirs(self._at(name), exist_ok=True)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See Storage. The files are uploaded at the end of the block."""
        with tempfile.TemporaryDirectory(prefix="rungway-") as folder:
            yield Path(folder)
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    self._files.put_file(str(path), f"{self._at(name)}/{path.relative_to(folder).as_posix()}")

    def publish(self, name: str) -> str:
        """See Storage."""
        self._files.pipe_file(f"{self._at(name)}/{MARK}", b"")
        return f"{self._url}/{name}"

    def fetch(self, text: str, scratch: Path) -> Path:
        """See Storage."""
        source = self._at(text.removeprefix(self._url).lstrip("/"))
        self._files.invalidate_cache()
        if not self._files.exists(f"{source}/{MARK}"):
            raise FileNotFoundError(f"the checkpoint {text} is not there, or not whole: it has no {MARK}")
        for found in self._files.find(source):
            inner = found[len(source) :].lstrip("/")
            if inner and inner != MARK:
                target = scratch / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(found, str(target))
        return scratch

    def names(self, folder: str) -> list[str]:
        """See Storage."""
        self._files.invalidate_cache()
        with suppress(FileNotFoundError):
            return [path.rstrip("/").rpartition("/")[2] for path in self._files.ls(self._at(folder), detail=False)]
        return []

    def remove(self, name: str) -> None:
        """See Storage. The mark goes first."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._at(name)}/{MARK}")
        self._files.rm(self._at(name), recursive=True)
