"""Reads a configuration file, YAML or JSON by the end of its name."""

import sys
from pathlib import Path
from typing import Any

from rungway_server.domain.documents.text import MAX_BYTES, WANTED, BadDocument, read_mapping
from rungway_server.domain.foreign import refusal, tool_of_source


def read_document(path: Path, wanted: str = WANTED) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; "-" is standard input.

    `wanted` says in refusals what should be there. Raises BadDocument when the file is missing, larger than 1 MiB, not
    text, not well-formed, names a key twice, or holds anything but one mapping with text keys.
    """
    try:
        text = _text(path)
        if tool := tool_of_source(text):
            raise BadDocument(refusal(tool).violations[0].description)
        return read_mapping(text, as_json=path.suffix.lower() == ".json", wanted=wanted)
    except BadDocument as error:
        raise BadDocument(f"{file_name(path)}: {error}") from None


def file_name(path: Path) -> str:
    """The path as it is shown."""
    return "standard input" if str(path) == "-" else str(path)


def read_text(path: Path) -> str:
    """The text of a file. Raises BadDocument with its name, as `read_document`."""
    try:
        return _text(path)
    except BadDocument as error:
        raise BadDocument(f"{file_name(path)}: {error}") from None


def _text(path: Path) -> str:
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDocument(f"cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise BadDocument(f"larger than {MAX_BYTES:,} bytes: not a configuration file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument(f"not UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from None
