"""The data folder of the embedded store: it belongs to this user alone, or it is refused.

A user who can write into it could move the lock away, or plant links by which we overwrite other files; a user who can
read it reads every search. So a folder that belongs to others, or is open to them, is refused with advice, and so are
links and files of others that may be left in it. Nothing is written before these checks.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from rungway_server.ownership import nearest, user, whose
from rungway_server.store.redis.connection.errors import RedisStartError

_FILES = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # so that a pipe in place of a file does not block us
_AOF_FOLDER = "appendonlydir"


def open_data_folder(path: Path, *, make: bool = True) -> int:
    """A descriptor of the folder. If `make`, a missing folder is made with mode 0700.

    Raises RedisStartError when it is not ours alone, and OSError when it cannot be made or opened.
    """
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        above = nearest(path)
        raise RedisStartError(
            f"cannot use the data folder {path}: {whose(above)}: let this user write there "
            f"(chown {os.geteuid()} {above}), run the service as its owner, or choose another folder (--data)"
        ) from error
    try:
        _check_folder(path, folder)
        _check_entries(path, folder)
    except BaseException:
        os.close(folder)
        raise
    return folder


def open_in(folder: int, name: str, flags: int) -> int:
    """A descriptor of a plain file in the folder; `flags` may make it, with mode 0600. Raises OSError."""
    file = os.open(name, flags | _FILES, 0o600, dir_fd=folder)
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(file)
        raise OSError(f"{name} in it is not a plain file of its own: remove it")
    return file


def _check_folder(path: Path, folder: int) -> None:
    facts, us = os.fstat(folder), os.geteuid()
    if facts.st_uid != us:
        raise RedisStartError(
            f"the data folder {path} belongs to {user(facts.st_uid)}, and this process is {user(us)}: run it as the "
            f"owner, give the folder away (chown -R {us} {path}), or choose another folder (--data)"
        )
    if open_to := stat.S_IMODE(facts.st_mode) & 0o077:
        raise RedisStartError(
            f"the data folder {path} is open to other users (mode {stat.S_IMODE(facts.st_mode):04o}, wanted 0700 "
            f"without {open_to:03o}): close it (chmod 700 {path}), or name a new folder, which is made "
            f"as it must be (--data {path / 'store'})"
        )
    if path.is_symlink() and path.lstat().st_uid not in (us, 0):
        raise RedisStartError(
            f"the data folder {path} is a link that {user(path.lstat().st_uid)} made: name the folder itself (--data)"
        )


def _check_entries(path: Path, folder: int) -> None:
    """Refuse links and files of others, in every file that the store opens."""
    for entry, facts in _entries(folder):
        if entry == _AOF_FOLDER or not stat.S_ISDIR(facts.st_mode):
            _check_entry(path / entry, facts)
    with suppress(FileNotFoundError, NotADirectoryError):
        inner = os.open(_AOF_FOLDER, os.O_RDONLY | os.O_DIRECTORY | _FILES, dir_fd=folder)
        try:
            for entry, facts in _entries(inner):
                _check_entry(path / _AOF_FOLDER / entry, facts)
        finally:
            os.close(inner)


def _entries(folder: int) -> list[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        found = []
        for entry in entries:
            with suppress(FileNotFoundError):  # a running store removes files
                found.append((entry.name, entry.stat(follow_symlinks=False)))
        return found


def _check_entry(path: Path, facts: os.stat_result) -> None:
    if stat.S_ISLNK(facts.st_mode):
        raise RedisStartError(
            f"{path} is a symbolic link, and none is followed in a data folder: remove it, or move here what it names"
        )
    if facts.st_uid != os.geteuid():
        raise RedisStartError(
            f"{path} belongs to {user(facts.st_uid)}, and this process is {user(os.geteuid())}: "
            f"if you trust it, chown {os.geteuid()} {path}, else remove it"
        )
