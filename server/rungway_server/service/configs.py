"""Use case of who has the text of a configuration: reading it as the command line reads a file."""

from typing import Any

from rungway_server.domain.documents.text import MAX_BYTES, BadDocument, read_either
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.foreign import refusal, tool_of_source
from rungway_server.service.checks import check_text
from rungway_server.service.offload import in_process
from rungway_server.service.worker_thread import Priority


async def read_config(namespace: str, text: str, field: str = "text") -> dict[str, Any]:
    """The mapping in a text in YAML or JSON, which is in this field of a request. Raises InvalidInput with the line,
    and Overloaded."""
    if wrong := check_text(field, text, MAX_BYTES):
        raise InvalidInput(wrong)
    return await in_process(Priority.PREVIEW, namespace, _read, text, field)


def _read(text: str, field: str) -> dict[str, Any]:
    if tool := tool_of_source(text):
        raise refusal(tool, field)
    try:
        return read_either(text)
    except BadDocument as error:
        raise InvalidInput.one(field, str(error)) from None
