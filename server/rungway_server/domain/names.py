"""Names that users choose for things of the service."""

import re

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.fields import shown

_EXPERIMENT_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_experiment_id(text: str, field: str = "experiment") -> None:
    """Raise InvalidInput unless the text is 1 to 63 of a-z, 0-9 and "-" with a letter or digit at both ends."""
    if not _EXPERIMENT_ID.fullmatch(text):
        raise InvalidInput.one(
            field, f'got {shown(text)}, wanted 1 to 63 of a-z, 0-9 and "-", with a letter or digit at both ends'
        )
