"""Labels, owner and comment of an experiment as they are stored: one field of `meta`, a JSON object or nothing.

Only searches that have come to have some have it; their number is `ABOUT` of `layout/schema.py`.
"""

import json
from typing import Any

from rungway_server.domain.about import About

FIELD = "about"


def stored(about: About) -> str:
    """The text that is stored; "" for nothing."""
    return json.dumps(document(about), sort_keys=True) if about else ""


def document(about: About) -> dict[str, Any]:
    """The same as values of JSON."""
    return {"labels": dict(about.labels), "owner": about.owner, "comment": about.comment}


def read_about(text: str | bytes | None) -> About:
    """From that text. Raises ValueError, TypeError or KeyError for one that is damaged."""
    return of_document(json.loads(text)) if text else About()


def of_document(found: dict[str, Any]) -> About:
    """From such values. Raises the same."""
    about = About({**found["labels"]}, found["owner"], found["comment"])
    if not all(isinstance(each, str) for each in (*about.labels.values(), about.owner, about.comment)):
        raise ValueError("labels, owner and comment are texts")
    return about
