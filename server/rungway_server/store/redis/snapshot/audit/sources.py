"""Searches with several sources of configurations: their shares, what was spent, and what is in stock."""

from collections import Counter
from collections.abc import Iterator

from rungway_server.domain.engine import ELSEWHERE, USER
from rungway_server.domain.search.sources import CODES, PARTS
from rungway_server.store.redis.layout.records import trial_of_result
from rungway_server.store.redis.snapshot.snapshot import Snapshot


def trials_have_a_source(snapshot: Snapshot) -> Iterator[str]:
    """Each trial has a source of its search, a user's configuration or a result of elsewhere, and its results say the
    same."""
    assert snapshot.plan is not None
    sources = snapshot.plan.sources
    known = {CODES[name] for name in (*sources.names, USER)} if sources else {0}
    known |= {CODES[ELSEWHERE]} if sources or snapshot.plan.entries else set()
    for number, trial in snapshot.trials.items():
        if trial.source not in known:
            yield f"trial {number} has the source {trial.source}, wanted one of {sorted(known)}"
        said = {int(stamp[24:], 16) for stamp in trial.entries[trial.entry :] if len(stamp) > 24}
        if sources and (said - {trial.origin} or any(len(stamp) == 24 for stamp in trial.entries)):
            yield f"trial {number} comes from {trial.origin}, its results say {sorted(said)}"


def results_of_the_sampler_are_listed(snapshot: Snapshot) -> Iterator[str]:
    """Where trials of the sampler are promoted by their rank among themselves, too, their results are listed again."""
    assert snapshot.plan is not None
    sources = snapshot.plan.sources
    protects = sources is not None and sources.protects
    sizes = snapshot.progress["sources"]["sizes"] if sources else [0] * len(snapshot.rungs)
    for (at, entries), counted in zip(snapshot.rungs.items(), sizes, strict=True):
        own = [each for each in entries if snapshot.trials[trial_of_result(each)].source == 0] if protects else []
        found = snapshot.own.get(at, [])
        if found != own:
            yield f"rung {at[0]}:{at[1]} lists {found} again, wanted {own}"
        if counted != len(own):
            yield f"rung {at[0]}:{at[1]} counts {counted} results of the sampler, it has {len(own)}"


def shares_of_sources_are_a_whole(snapshot: Snapshot) -> Iterator[str]:
    """The shares of the sources are one for each, none below 0, and come to the whole."""
    assert snapshot.plan is not None
    if not snapshot.plan.sources:
        if "sources" in snapshot.progress:
            yield "sources are counted, the plan has none"
        return
    found, count = snapshot.progress["sources"], len(snapshot.plan.sources.names)
    for name in ("share", "spent", "credit", *(("base",) if "base" in found else ())):
        if len(found[name]) != count:
            yield f"{name} has {len(found[name])} sources, the plan has {count}"
    if min(found["share"]) < 0 or sum(found["share"]) != PARTS:
        yield f"the shares are {found['share']}, wanted {PARTS} in all"


def what_sources_had_is_counted(snapshot: Snapshot) -> Iterator[str]:
    """What was spent on the sources is the training handed out or, where shares do not change, the new trials."""
    assert snapshot.plan is not None
    sources = snapshot.plan.sources
    if not sources:
        return
    spent = snapshot.progress["sources"]["spent"]
    if sources.learns:
        users = any(trial.source == CODES[USER] for trial in snapshot.trials.values())
        if sum(spent) > sum(snapshot.progress["spent"]) or (
            sum(spent) != sum(snapshot.progress["spent"]) and not users
        ):
            yield f"{spent} units were spent on sources, {snapshot.progress['spent']} in all"
        return
    made = Counter(trial.source for trial in snapshot.trials.values() if not trial.parent)
    for name, counted in zip(sources.names, spent, strict=True):
        if counted != made[CODES[name]]:
            yield f"{counted} trials are counted for the source {name}, {made[CODES[name]]} are"


def the_stock_is_all_there(snapshot: Snapshot) -> Iterator[str]:
    """What models and programs have proposed for trials to come is there, and nothing else."""
    stock = snapshot.progress["sources"]["stock"] if snapshot.progress.get("sources") else []
    wanted = {(lane, place) for lane, each in enumerate(stock, 1) for place in range(each["used"], each["filled"])}
    yield from (f"proposal {lane}:{place} is missing" for lane, place in sorted(wanted - snapshot.stock.keys()))
    yield from (f"proposal {lane}:{place} is for no trial" for lane, place in sorted(snapshot.stock.keys() - wanted))
    for lane, each in enumerate(stock, 1):
        if not 0 <= each["used"] <= each["filled"] <= each["drawn"]:
            yield f"lane {lane}: {each['used']} of {each['filled']} proposals are used, {each['drawn']} were made"


INVARIANTS = (
    trials_have_a_source,
    results_of_the_sampler_are_listed,
    shares_of_sources_are_a_whole,
    what_sources_had_is_counted,
    the_stock_is_all_there,
)
