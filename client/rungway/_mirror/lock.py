"""Two mirrors of one search must not write into one folder at once."""

import os
from pathlib import Path
from typing import IO

from rungway._mirror.changes import refused


def lock(path: Path) -> IO[str]:
    """Lock a file until it is closed or this process ends, in whatever way. `refused` when another has locked it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    if os.name != "posix":  # there is no flock
        return file
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise refused(f"another mirror of this search writes into {path.parent}") from None
    return file
