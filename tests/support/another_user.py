"""Acts as another user for a moment, which root may: as a service in a container is to what is mounted into it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOMEBODY = 65534


@contextmanager
def as_user(user: int, *folders: Path) -> Iterator[None]:
    """This process acts as `user`, who may pass through the folders and those above them."""
    for each in (parent for folder in folders for parent in (folder, *folder.parents)):
        mode = stat.S_IMODE(each.stat().st_mode)
        if mode & 0o011 != 0o011:
            each.chmod(mode | 0o011)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
