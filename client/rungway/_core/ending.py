"""How a run comes to its end: its training is finished, or the trial is given back, or it has failed."""

import logging
from dataclasses import replace

from rungway._core.calls import REFUSALS
from rungway._core.enums import Outcome
from rungway._core.errors import InvalidArgument, RungwayError
from rungway._core.exit import RELEASED, Exit
from rungway._core.flow import Flow
from rungway._core.run import Run

_log = logging.getLogger("rungway")


class EndingRun(Run):
    """A run, and the flows that end it."""

    def _leave(self, how: Exit) -> Flow[None]:
        """Tell what is held back, then give the trial back or say how it failed. Raises nothing: a lease expires."""
        if self._ended:
            return
        limit = None if how.stays else self._calls.config.shutdown_timeout
        try:
            yield from self._alone(self._leave_by(how, limit), limit)
        except RungwayError as error:
            _log.warning("trial %d could not be given back, its lease will expire: %s", self.number, error)
        finally:
            self._end()

    def _leave_by(self, how: Exit, limit: float | None) -> Flow[None]:
        if self._ended:
            return
        if how.ends:
            how = yield from self._come_to_end(how)
        elif how.outcome is not Outcome.INVALID:
            yield from self._tell_rest(limit)
        if not self._ended:
            yield from self._say(how, limit)

    def _come_to_end(self, how: Exit) -> Flow[Exit]:
        """Say that the training is over with what was told; how to leave a trial that is not over then."""
        try:
            if self._due():
                yield from self._settle("")
            if self._last is None and self._ran_out:
                problem = f"the training came to its decision at length {self._next_decision} with nothing reported"
                return replace(how, outcome=Outcome.TRANSIENT, message=problem)
            # A block that did all it was handed has not ended early: should the trial go up, it is handed out again.
            met = self._decided_at == self._reported or self._reported >= self._next_decision
            if self._ran_out or (met and not self._counts):
                yield from self._tell()
            elif self._has_told():
                yield from self._finish()
        except InvalidArgument as error:
            if any(field == "results[0].finished" for field, _ in error.violations):
                return RELEASED
            _log.warning("reports of trial %d were refused: %s", self.number, error)
            return replace(how, outcome=Outcome.TRANSIENT, message=f"{type(error).__name__}: {error}")
        return RELEASED

    def _finish(self, checkpoint: str = "") -> Flow[None]:
        """Tell what is held back, and that the training is over."""
        self._raise_refusal()
        if not self._ended:
            self._outbox.finish(checkpoint)
            yield from self._tell()

    def _tell_rest(self, limit: float | None) -> Flow[None]:
        try:
            yield from self._tell(limit)
        except REFUSALS as error:
            _log.warning("reports of trial %d were refused: %s", self.number, error)

    def _say(self, how: Exit, limit: float | None) -> Flow[None]:
        if how.outcome is None:
            try:
                yield from self._give_back(how, limit)
                return
            except InvalidArgument as error:
                _log.warning("trial %d could not be given back as it was, and has failed: %s", self.number, error)
                message = f"{type(error).__name__}: {error}"
                how = replace(how, outcome=Outcome.TRANSIENT, message=message)
        assert how.outcome is not None
        self._reply = yield from self._calls.fail(self.lease, how.outcome, how.message, limit=limit)

    def _give_back(self, how: Exit, limit: float | None) -> Flow[None]:
        checkpoint = how.checkpoint if self._reported else ""  # without a length there is nothing to resume
        length = self._reported if checkpoint else None
        self._reply = yield from self._calls.release(self.lease, checkpoint, length, limit=limit)
        _log.log(
            logging.WARNING if how is RELEASED else logging.INFO,
            "trial %d was left at length %d before its next decision at %d and is given back",
            self.number,
            self._reported,
            self._next_decision,
        )
