"""The layout of an experiment in Redis has a version, and a layout that has changed has another one."""

import hashlib
import json
import re
from pathlib import Path

from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.layout import schema
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.plan_codec import plan_for_lua, plan_to_json
from rungway_server.store.redis.layout.records import TRIAL_FIELDS
from rungway_server.store.redis.layout.schema import LAYOUTS, OLDEST, SCHEMA

LUA = Path(schema.__file__).parents[1] / "lua"
PLAN = Plan((Bracket((Rung(1, 3, 1),), 3, 3),), PromotionRule.ASYNC, DecisionForm.PROMOTE, 3.0, 0, "epochs")


def names(value: object) -> object:
    """The structure of a JSON value: names and nesting, without the values."""
    if isinstance(value, dict):
        return {name: names(item) for name, item in value.items()}
    return [names(item) for item in value] if isinstance(value, list) else ""


def table_of(text: str) -> list[str]:
    """The cells of the table in KEYS.md, whatever the space between them."""
    return [re.sub(r"\s+", " ", line) for line in text.splitlines() if line.startswith("|")]


def layout() -> dict[str, object]:
    """Everything that servers and scripts of one version must agree on."""
    create = (LUA / "commands" / "create.lua").read_text()
    lua = plan_for_lua(
        PLAN,
        lease_ms=1,
        max_restarts=1,
        pause_after=1,
        window_ms=1,
        window_count=1,
        target=b"",
        keep_ms=0,
        most_events=1,
    )
    return {
        "keys": experiment_keys(ExperimentRef("n", "e"), POINTS),
        "content": table_of((LUA / "KEYS.md").read_text()),
        "trial": TRIAL_FIELDS,
        "tally": re.findall(r"(\w+) =", create.partition("local tally = {")[2].partition("\n}")[0]),
        "counts": re.findall(r"(\w+) =", create.partition("local counts = {")[2].partition("}\n")[0]),
        "meta": re.findall(r"'(\w+)', ", create.partition("'HSET', META, ")[2].partition(")\nfor")[0]),
        "plan for scripts": names(json.loads(lua)),
        "plan for servers": names(json.loads(plan_to_json(PLAN))),
    }


def test_a_changed_layout_has_a_new_version() -> None:
    found = hashlib.sha256(json.dumps(layout(), sort_keys=True).encode()).hexdigest()[:16]
    assert LAYOUTS[SCHEMA] == found, (
        "What an experiment looks like in Redis has changed. Give it a new version in store/redis/layout/schema.py: "
        f'`{SCHEMA + 1}: "{found}"` (CONTRIBUTING.md says when the old one may just get this fingerprint instead).'
    )


def test_the_layout_is_taken_whole() -> None:
    """The expressions above find what they look for."""
    taken = layout()
    assert {"state", "revision", "next_fence", "since"} <= set(taken["tally"])  # type: ignore[call-overload]  # a list
    assert {"schema", "uid", "plan", "tally"} <= set(taken["meta"])  # type: ignore[call-overload]  # a list
    assert len(taken["content"]) > 10  # type: ignore[arg-type]  # a list


def test_versions_are_numbered_without_gaps() -> None:
    assert list(LAYOUTS) == list(range(1, SCHEMA + 1))
    assert 1 <= OLDEST <= SCHEMA
