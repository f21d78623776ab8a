"""Records of trials on their way into an export: in a temporary file, so that large searches take no memory."""

import io
import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

from rungway_server.store.redis.lane import BINARY

_IN_MEMORY = 1 << 20


class Spool:
    """Keeps the last record put for each trial. To be closed."""

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._places, self._end = array("q"), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, number: str, record: str) -> None:
        """Keep a record in place of one of the same trial."""
        at, packed = int(number), record.encode(errors=BINARY)
        if at >= len(self._places):
            self._places.extend([-1] * (at + 1 - len(self._places)))
        if self._end <= _IN_MEMORY < self._end + len(packed):
            self._move()
        self._file.seek(self._end)
        self._file.write(len(packed).to_bytes(4, "big") + packed)
        self._places[at], self._end = self._end, self._end + 4 + len(packed)

    def _move(self) -> None:
        """From memory into a file; where no temporary file can be made (nothing may be written), it stays."""
        try:
            file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the spool
        except OSError:
            return
        self._file.seek(0)
        file.write(self._file.read())
        self._file = file

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Trials with their records, by number."""
        for number, place in enumerate(self._places):
            if place >= 0:
                self._file.seek(place)
                yield number, self._file.read(int.from_bytes(self._file.read(4), "big"))
