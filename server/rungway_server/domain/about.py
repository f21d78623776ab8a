"""What people write beside a search: labels, an owner and a comment, to find it again.

They are no part of the configuration: they define nothing of the search, may change at any time, and `exist_ok` does
not compare them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.errors import InvalidInput, Violation

MOST_LABELS = 64
LONGEST_VALUE, LONGEST_OWNER, LONGEST_COMMENT = 255, 255, 4_096
"""Bytes of UTF-8 of the value of a label, of an owner and of a comment."""
MOST_WANTED = 64
"""Labels that one list may ask for."""
_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_WANTED_KEY = "wanted a name of 1 to 63 of A-Z, a-z, 0-9 and ._/- with a letter or digit at both ends"


@dataclass(frozen=True, slots=True)
class About:
    """Labels by name, the owner, and the comment; "" where there is none."""

    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    comment: str = ""

    def __bool__(self) -> bool:
        return bool(self.labels or self.owner or self.comment)

    def violations(self) -> Iterator[Violation]:
        """What is beyond the limits."""
        if len(self.labels) > MOST_LABELS:
            yield Violation("labels", f"got {len(self.labels)} labels, wanted at most {MOST_LABELS}")
            return
        for key, value in self.labels.items():
            at = f"labels[{json.dumps(key[:64], ensure_ascii=False)}]"
            if not _KEY.fullmatch(key):
                yield Violation(at, f"got {shown(key)}, {_WANTED_KEY}")
            yield from _too_long(at, value, LONGEST_VALUE)
        yield from _too_long("owner", self.owner, LONGEST_OWNER)
        yield from _too_long("comment", self.comment, LONGEST_COMMENT)

    def check(self) -> None:
        """Raises InvalidInput for what is beyond the limits."""
        if wrong := [*self.violations()]:
            raise InvalidInput(wrong)


@dataclass(frozen=True, slots=True)
class AboutChange:
    """Labels to set, those to remove, and another owner and comment; None = as they are, "" = none."""

    labels: Mapping[str, str] = field(default_factory=dict)
    removed: Sequence[str] = ()
    owner: str | None = None
    comment: str | None = None

    def __bool__(self) -> bool:
        return bool(self.labels or self.removed) or self.owner is not None or self.comment is not None

    def of(self, about: About) -> About:
        """What it makes of that. A label that is not there is removed already. Raises InvalidInput."""
        if both := [key for key in self.removed if key in self.labels]:
            raise InvalidInput.one("remove_labels", f"got {shown(both[0])}, which labels sets")
        kept = {key: value for key, value in about.labels.items() if key not in self.removed}
        owner = about.owner if self.owner is None else self.owner
        made = About(kept | dict(self.labels), owner, about.comment if self.comment is None else self.comment)
        made.check()
        return made


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which searches a list shows: those with all of these labels, and of this owner ("" = any).

    A label is a name and a value, or a name and None for any value.
    """

    labels: tuple[tuple[str, str | None], ...] = ()
    owner: str = ""

    def __bool__(self) -> bool:
        return bool(self.labels or self.owner)

    def has(self, about: About) -> bool:
        """Whether a search with this is wanted."""
        if self.owner and self.owner != about.owner:
            return False
        return all(key in about.labels and (value is None or about.labels[key] == value) for key, value in self.labels)


def read_wanted(labels: Sequence[str], owner: str) -> Wanted:
    """From texts `name` or `name=value`. Raises InvalidInput."""
    if len(labels) > MOST_WANTED:
        raise InvalidInput.one("labels", f"got {len(labels)} labels, wanted at most {MOST_WANTED}")
    found: list[tuple[str, str | None]] = []
    wrong = [*_too_long("owner", owner, LONGEST_OWNER)]
    for i, text in enumerate(labels):
        key, equals, value = text.partition("=")
        if not _KEY.fullmatch(key):
            wrong.append(Violation(f"labels[{i}]", f"got {shown(text)}, wanted name or name=value; {_WANTED_KEY}"))
        wrong += _too_long(f"labels[{i}]", value, LONGEST_VALUE)
        found.append((key, value if equals else None))
    if wrong:
        raise InvalidInput(wrong)
    return Wanted(tuple(found), owner)


def _too_long(at: str, text: str, longest: int) -> Iterator[Violation]:
    if (size := len(text.encode(errors="replace"))) > longest:
        yield Violation(at, f"got {size} bytes, wanted at most {longest}")
