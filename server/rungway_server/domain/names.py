"""Names that users choose for things of the service."""

import re

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.fields import shown

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_experiment_id(text: str, field: str = "experiment") -> None:
    """Raise InvalidInput unless the text is 1 to 63 of a-z, 0-9 and "-" with a letter or digit at both ends."""
    _check_name(text, field)


def check_namespace(text: str, field: str = "namespace") -> None:
    """The same rule: both are parts of keys."""
    _check_name(text, field)


def _check_name(text: str, field: str) -> None:
    if not _NAME.fullmatch(text):
        raise InvalidInput.one(
            field, f'got {shown(text)}, wanted 1 to 63 of a-z, 0-9 and "-", with a letter or digit at both ends'
        )
