"""Holds the records of trials while an export is made: those of a large search in a temporary file, not in memory."""

import asyncio
import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

IN_MEMORY, _AT_ONCE = 16 << 20, 1 << 20
"""Bytes that are kept in memory; beyond these so many at least go into the file at once."""
_SIZE = 4
"""Bytes in front of a record that say how long it is."""


class RecordBuffer:
    """Keeps the last record put for each trial. To be closed."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._filed, self._held = 0, bytearray()
        self._offsets = array("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def put(self, number: bytes, record: bytes) -> None:
        """Keep a record; it replaces the one of the same trial."""
        at = int(number)
        if at >= len(self._offsets):
            self._offsets.extend([-1] * (at + 1 - len(self._offsets)))
        self._offsets[at] = self._filed + len(self._held)
        self._held += len(record).to_bytes(_SIZE, "big") + record

    async def flush(self) -> None:
        """Move what is too much for the memory into the file, in a thread, because a disk may be slow. Where no
        temporary file can be made, all stays in memory."""
        if self._filed + len(self._held) > IN_MEMORY and len(self._held) >= _AT_ONCE:
            try:
                await asyncio.to_thread(self._write, self._held)
            except OSError:
                return
            self._filed, self._held = self._filed + len(self._held), bytearray()

    def _write(self, records: bytearray) -> None:
        self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed with the buffer
        self._file.seek(self._filed)
        view = memoryview(records)
        while view:
            view = view[self._file.write(view) :]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Trials with their records, by number."""
        for number, offset in enumerate(self._offsets):
            if offset >= 0:
                size = int.from_bytes(self._read(offset, _SIZE), "big")
                yield number, self._read(offset + _SIZE, size)

    def _read(self, offset: int, size: int) -> bytes:
        if offset >= self._filed or not self._file:
            return bytes(self._held[offset - self._filed : offset - self._filed + size])
        self._file.seek(offset)
        return self._file.read(size)
