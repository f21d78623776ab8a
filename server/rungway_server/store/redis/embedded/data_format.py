"""Tells which servers can read the data that an embedded store left in its folder.

A server that cannot read the data must not be started on it: Redis 6.2 does not even look at the files of newer ones
and would begin with an empty store. What counts is the file that was written whole last, the base of the append-only
file: it begins with the product's name and the number of its format. What was appended since are plain commands.
"""

import os
import re
from dataclasses import dataclass

_READ_BEFORE = (((7, 0), 9), ((7, 2), 10), ((7, 4), 11))
"""The newest format that versions of Redis before these read. A later version checks itself."""
_READ_BY_VALKEY = 11
"""The newest format of Redis that Valkey reads: it parted from Redis after 7.2."""


@dataclass(frozen=True, slots=True)
class DataFormat:
    """The format of data. `product` and `number` are those of the last whole file, "" and 0 if there is none."""

    product: str = ""
    number: int = 0
    in_folder: bool = False
    """Whether the append-only file is a folder of files, as from Redis 7 on."""

    def __str__(self) -> str:
        return f"the format {self.product} {self.number}" if self.product else "the files of Redis 7 or Valkey"

    @property
    def readers(self) -> str:
        """The servers that can read it, in words."""
        if self.product == "VALKEY":
            return "Valkey 9 or newer"
        if self.number > _READ_BY_VALKEY:
            return "Redis 7.4 or newer"
        oldest = "7.2" if self.number == 11 else "7.0" if self.in_folder else "6.2"
        return f"Redis {oldest} or newer, or any Valkey,"

    def readable_by(self, product: str, version: tuple[int, ...]) -> bool:
        """Whether a server can read it; also True for newer servers, which check it themselves."""
        if self.in_folder and version < (7,):
            return False
        if self.product == "VALKEY":
            return product == "Valkey" and version >= (9,)
        if product == "Valkey":
            return self.number <= _READ_BY_VALKEY
        return all(version >= since or self.number <= newest for since, newest in _READ_BEFORE)


EMPTY = DataFormat()


def data_format(folder: int) -> DataFormat:
    """The format of the data in a folder (a descriptor of it). Raises OSError when it cannot be read."""
    manifest = _beginning(folder, "appendonlydir/appendonly.aof.manifest", 1 << 16)
    if manifest is not None:
        base = re.search(rb"^file (\S+) seq \d+ type b", manifest, re.MULTILINE)
        return _of(_beginning(folder, f"appendonlydir/{os.fsdecode(base[1])}", 9) if base else None, in_folder=True)
    return _of(_beginning(folder, "appendonly.aof", 9), in_folder=False)


def _beginning(folder: int, name: str, most: int) -> bytes | None:
    """The first bytes of a file; None if there is no file."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        return os.read(file, most)
    finally:
        os.close(file)


def _of(beginning: bytes | None, *, in_folder: bool) -> DataFormat:
    if found := re.match(rb"(REDIS|VALKEY)(\d{3,4})", beginning or b""):
        return DataFormat(found[1].decode(), int(found[2]), in_folder)
    return DataFormat(in_folder=in_folder) if in_folder else EMPTY
