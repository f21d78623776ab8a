"""The rights in the operators' page are exactly those that the commands of the service need."""

import re
from pathlib import Path

from rungway_server.store import redis as store
from tests.support.redis_topologies import operators_user

STORE = Path(store.__file__).parent
FROM_CLIENT = {"ping", "cluster"}
"""Commands that redis-py sends by itself."""


def test_every_command_is_allowed_and_no_other() -> None:
    lua = "\n".join(path.read_text() for path in STORE.rglob("*.lua"))
    python = "\n".join(path.read_text() for path in STORE.rglob("*.py"))
    used = {word.lower() for word in re.findall(r"redis\.call\('([A-Z]+)'", lua)}
    used |= {word.lower() for word in re.findall(r'\("([A-Z]{3,})"[,)]', python)}
    used -= {"config", "scan", "auth"}  # the first two may be refused, AUTH needs no right
    used -= {"noscript", "oom", "misconf", "readonly"}  # answers
    used |= FROM_CLIENT
    allowed = {word.partition("|")[0] for word in re.findall(r"\+(\S+)", operators_user())}
    assert allowed == used
