"""Says whose a file is and who we are: what a mounted folder or secret that cannot be used is about."""

import os
import pwd
import stat
from pathlib import Path


def whose(path: Path) -> str:
    """The owner and the mode of a path, or of the nearest folder above it that can be looked at, and who we are."""
    path = nearest(path)
    facts = path.stat()
    owner = f"{path} belongs to {user(facts.st_uid)} and group {facts.st_gid}, mode {stat.S_IMODE(facts.st_mode):04o}"
    return f"{owner}; this process is {user(os.geteuid())} in group {os.getegid()}"


def nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that can be looked at."""
    return next(each for each in (path, *path.absolute().parents) if _is_seen(each))


def _is_seen(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def user(number: int) -> str:
    """A user by name, where it has one, and number."""
    try:
        return f"user {pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return f"user {number}"
