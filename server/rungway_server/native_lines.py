"""Brings the lines that gRPC's C++ writes to standard error into the log, in the form of all others.

gRPC logs through Abseil, which knows no other place than file descriptor 2. While a server runs, that descriptor is a
pipe, and a thread reads it: a line of Abseil becomes a log line, and every other one goes where it would have gone.
What must be seen although the process dies at once (faulthandler) is written past the pipe.
"""

import faulthandler
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from rungway_server.few_lines import FewLines
from rungway_server.logs import shown

_LINE = re.compile(rb"([IWEF])\d{4} [\d:.]+ +\d+ (\S+:\d+)\] ?(.*)")
_LEVELS = {b"I": "info", b"W": "warning", b"E": "error", b"F": "critical"}
_PREAMBLE = b"WARNING: All log messages before absl::InitializeLog()"
_LONGEST = 1_000
_log = structlog.get_logger()
_few = FewLines(lambda source, count: _log.warning("grpc_more", source=source, left_out=count))


@contextmanager
def routed() -> Iterator[None]:
    """Route the lines of gRPC's C++ while the context lasts."""
    try:
        real = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    sys.stderr.flush()
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    faulthandler.enable(file=real)
    thread = threading.Thread(target=_follow, args=(reader, real), name="native-lines", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        faulthandler.disable()
        os.dup2(real, 2)  # the last writer of the pipe, unless a child still has it
        thread.join(1)
        if not thread.is_alive():
            os.close(real)


def _follow(reader: int, real: int) -> None:
    with os.fdopen(reader, "rb") as lines:
        for line in lines:
            if not line.startswith(_PREAMBLE) and not _logged(line):
                os.write(real, line)


def _logged(line: bytes) -> bool:
    """Write the line to the log if it is one of Abseil; False if it is not."""
    found = _LINE.match(line)
    if found is None:
        return False
    source = found[2].decode(errors="replace")
    if _few.allow(source):
        getattr(_log, _LEVELS[found[1]])("grpc", source=source, text=shown(found[3].decode(errors="replace"), _LONGEST))
    return True
