"""Checkpoints: those of the best results, and those that others have replaced."""

from collections.abc import Iterator

from rungway_server.store.redis.layout.records import derived_best_checkpoint
from rungway_server.store.redis.layout.schema import CHECKPOINTS
from rungway_server.store.redis.layout.superseded import FIELD, read_superseded, remembered, superseded_field
from rungway_server.store.redis.snapshot.snapshot import Snapshot


def best_checkpoints_have_results(snapshot: Snapshot) -> Iterator[str]:
    """A trial without a result has no best checkpoint; layouts before 9 have none that is not the last one."""
    for number, trial in snapshot.trials.items():
        last = derived_best_checkpoint(trial.best_key, trial.best_length, trial.checkpoint, trial.checkpoint_length)
        if trial.best_checkpoint and not trial.best_key:
            yield f"trial {number} has the best checkpoint {trial.best_checkpoint!r} and no result"
        elif trial.best_checkpoint != last and (snapshot.schema < CHECKPOINTS or FIELD not in snapshot.progress):
            yield f"trial {number} has a best checkpoint of its own, the search is of layout {snapshot.schema}"


def replaced_checkpoints_are_those_counted(snapshot: Snapshot) -> Iterator[str]:
    """The search remembers the last of the checkpoints that were replaced, each with its trial, and their bytes."""
    counted = remembered(snapshot.progress)
    wanted = [superseded_field(number) for number in counted]
    found = [name for name in wanted if name in snapshot.superseded]
    lost = [name for name in snapshot.superseded if name not in {*wanted}]
    yield from (f"{name} is forgotten, and still there" for name in lost)
    last = wanted[len(wanted) - len(found) :]  # the first may be forgotten while the search is read
    if found != last or (wanted and not found):
        yield f"{len(found)} are there, wanted those from {counted.start} to {counted.stop - 1}"
    size = sum(len(snapshot.superseded[name]) for name in found)
    if wanted and found == wanted and size != snapshot.progress[FIELD][2]:
        yield f"they have {size} bytes, the progress says {snapshot.progress[FIELD][2]}"
    for name in found:
        trial, checkpoint, since_ms = read_superseded(snapshot.superseded[name])
        if trial not in snapshot.trials or not checkpoint or since_ms < snapshot.created_ms:
            yield f"{name} says {checkpoint!r} of trial {trial} at {since_ms}"


INVARIANTS = (best_checkpoints_have_results, replaced_checkpoints_are_those_counted)
