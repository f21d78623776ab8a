"""The rule for names that users choose: experiments and namespaces."""

import re
import unicodedata

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.errors import InvalidInput

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""The rule."""
_LONGEST = 63


def as_id(text: str) -> str:
    """An id made from a name: `My_Net 2` becomes `my-net-2`. Empty if no character of the name is usable."""
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].rstrip("-")


def check_experiment_id(text: str, field: str = "experiment") -> None:
    """Raise InvalidInput unless the text is 1 to 63 of a-z, 0-9 and "-" with a letter or digit at both ends."""
    _check_name(text, field)


def check_namespace(text: str, field: str = "namespace") -> None:
    """Raise InvalidInput unless the text meets the rule for experiment ids: both are parts of keys in the store."""
    _check_name(text, field)


def _check_name(text: str, field: str) -> None:
    if not NAME.fullmatch(text):
        rule = 'wanted 1 to 63 of a-z, 0-9 and "-", with a letter or digit at both ends'
        proposed = as_id(text)
        hint = f": {proposed!r} would be right" if proposed else ""
        raise InvalidInput.one(field, f"got {shown(text)}, {rule}{hint}")
