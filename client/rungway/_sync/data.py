"""What `Client` gives of a whole search: data frames, pictures, exports, its event log, what programs learn from."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from rungway._core.data_calls import SearchReading, importance_of
from rungway._core.experiment_calls import ExperimentCalls
from rungway._core.rpcs import EXPORT_EXPERIMENT
from rungway._data import frames, picture, tables
from rungway._data.picture import Picture
from rungway._data.search_data import SearchData
from rungway._sync.driver import SyncDriver
from rungway.models.checkpoints import StaleCheckpoint
from rungway.models.experiments import Event
from rungway.models.proposals import Results, Stock


class DataMethods:
    """Methods of `Client` that read a whole search: all of it at one moment, or its event log."""

    _driver: SyncDriver
    _experiments: ExperimentCalls

    def to_dataframe(self, experiment: str | None = None, *, backend: str | None = None) -> Any:
        """The trials as a data frame, a row for each by number (the extra `data`).

        `backend` is "pandas", "polars" or "pyarrow"; by default the first of them that is installed. Columns: number,
        state, outcome, `hparams.NAME` for each hyperparameter, metric (the last result), best, best_length, length,
        `metrics.NAME` for each further metric (its last value), cost (the sum, seconds) if any was told, created
        (when it was first handed out), started and ended (of its last assignment; one under way has no end), duration
        (for how long workers held it, in seconds, without an assignment under way), worker, restarts, bracket, rung,
        parent if there are clones, checkpoint, message. With several objectives or constraints: violation and on_front
        after cost. Times are in UTC, lengths in the experiment's unit. A hyperparameter with values of several types is
        a text.

        Raises NotFound; FailedPrecondition (NOT_INSTALLED) without the packages; InvalidArgument for another backend.
        """
        frames.check(backend)
        return frames.frame(tables.trials_table(self._search_data(experiment)), backend)

    def curves_dataframe(self, experiment: str | None = None, *, backend: str | None = None) -> Any:
        """The learning curves as a data frame, a row for each report in the order of telling, trial by trial (the extra
        `data`). A trial that was restarted may have a length twice.

        Columns: number (of the trial), length, metric, `metrics.NAME` for each further metric, and cost (seconds) if
        any was told. The rest is as in `to_dataframe`.
        """
        frames.check(backend)
        return frames.frame(tables.curves_table(self._search_data(experiment, curves=True)), backend)

    def plot(self, kind: str = "curves", experiment: str | None = None, *, axes: Sequence[str] = ()) -> Picture:
        """A picture of a search (the extra `plot`); notebooks show it, `save` writes a file.

        `kind` is "best" (the best result so far over time), "curves" (all learning curves), "importance" (how much each
        hyperparameter matters: PED-ANOVA of Watanabe et al., 2023, worked out by the service), "parallel" (each trial
        as a line through its hyperparameters), "ladder" (the results at each rung), "workers" (who trained what, and
        when) or "front" (trials by two objectives, of `axes` or the first two, and those that none dominates). Raises
        NotFound; InvalidArgument for another kind or axes; FailedPrecondition (NOT_INSTALLED) without matplotlib.
        """
        picture.check_kind(kind, axes)
        data = self._search_data(experiment, curves=True, events=True)
        ranking = importance_of(self._experiments, experiment)
        importance = self._driver.run(ranking) if kind in picture.RANKED else None
        return picture.draw(kind, data, importance, axes)

    def export_experiment(self, experiment: str | None = None) -> Generator[str, None, None]:
        """Everything stored of a search at one moment: the text of an export file, piece by piece. `rungway import`
        rebuilds the search from it.

        Raises NotFound, and Unavailable when the connection is lost: start again.
        """
        for reply in self._driver.stream(EXPORT_EXPERIMENT, self._experiments.export(experiment)):
            yield reply.text

    def watch_events(self, after: str = "", *, experiment: str | None = None) -> Generator[Event, None, None]:
        """Follow the event log, from the beginning or after the event_id `after`, until the search is over.

        After a lost connection it goes on after the last event, so that none is missing and none comes twice. An outage
        longer than `config.total_timeout` raises Unavailable.
        """
        return self._driver.follow(self._experiments.follow(after, experiment))

    def results(self, cursor: str = "", *, experiment: str | None = None) -> Results:
        """The trials that are new or changed since the cursor, and the results at rungs that are new: what a program
        that proposes configurations learns from.

        `cursor` is that of the results before; empty = everything. While `more` of an answer is set, call again at once
        with its cursor; where `reset` is set, everything before is void. Raises NotFound.
        """
        return self._driver.run(self._experiments.results(cursor, experiment))

    def add_proposals(
        self,
        proposals: Sequence[Mapping[str, Any]],
        first: int,
        *,
        revision: int = 0,
        experiment: str | None = None,
    ) -> Stock:
        """Add whole configurations for trials to come, in a search with `proposals: external`.

        `first` is the number of the first of them: the `next_number` of the answer before, 0 at the beginning. Each
        counts by its number, and the first one that comes with a number is kept, so that programs may be restarted, and
        several may propose at once. `revision` is that of the results they were made from. Without proposals the call
        only looks. At most 256 wait, and those of one call are no more than that, or 65,536 / parameters. Raises
        NotFound; InvalidArgument for a configuration that the space does not allow, and in a search of another kind;
        FailedPrecondition (WRONG_STATE) when the search is over.
        """
        return self._driver.run(self._experiments.add_proposals(proposals, first, revision, experiment))

    def stale_checkpoints(
        self, *, older_than: float = 3600.0, final: bool = False, experiment: str | None = None
    ) -> list[StaleCheckpoint]:
        """The checkpoints that no trial can need any more, by trial and name, so that you may delete them: those that a
        longer training or a better result has replaced, and those of trials that are over and neither completed nor
        among the 10 best. Never one that the search may still hand out or clone.

        `older_than`: only those that nobody has needed for so many seconds; less than what Redis may lose in a failover
        is not safe. `final`: the search is done and will not be given more trials, so that paused ones need nothing.
        Every checkpoint must have a name of its own. Of those that were replaced the search remembers the last 50,000,
        or 16 MiB. Raises NotFound, and Unimplemented if the service does not know this call.
        """
        return self._driver.run(self._experiments.stale_checkpoints(older_than, final, experiment))

    def _search_data(self, experiment: str | None, *, curves: bool = False, events: bool = False) -> SearchData:
        reading = SearchReading(self._experiments, experiment, curves=curves, events=events)
        return self._driver.read(reading)
