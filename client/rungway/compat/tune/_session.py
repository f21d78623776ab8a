"""A function trainable of Ray Tune as the training of one trial: what `report` and `get_checkpoint` mean in it."""

import inspect
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from numbers import Number
from pathlib import Path
from typing import Any

from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway._sync.run import TrialRun
from rungway.compat.tune._checkpoint import Checkpoint
from rungway.integrations._metrics import number
from rungway.integrations.checkpoints import VARIABLE, Checkpoints

_log = logging.getLogger("rungway")
ITERATION = "training_iteration"
_RETURNED = "_metric"
"""Tune's name for a number that a function returns."""


class TrialEnded(SystemExit):
    """Leaves a function whose trial is paused, stopped or completed, as Tune does. `finally` blocks run."""


class Session:
    """One trial, under one lease. A length is a report: `training_iteration` of Tune."""

    def __init__(self, trial: TrialRun, checkpoints: Checkpoints | None, stop: Mapping[str, float]) -> None:
        self.trial = trial
        self._checkpoints, self._stop = checkpoints, stop
        self._missed: set[str] = set()  # names of `stop` that were warned of
        self.length = trial.from_length
        self._restored = ExitStack()
        self.checkpoint: Checkpoint | None = None
        if trial.checkpoint:
            found = self._root().restore(trial.checkpoint)
            self._restored.callback(found.close)
            self.checkpoint = Checkpoint(found.folder)

    def report(self, metrics: object, checkpoint: object = None) -> None:
        """See `rungway.compat.tune.report`."""
        if not isinstance(metrics, Mapping):
            raise InvalidArgument.one("metrics", f"got {metrics!r:.100}, wanted a mapping of names to numbers")
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            raise InvalidArgument.one("checkpoint", f"got {checkpoint!r:.100}, wanted a tune.Checkpoint")
        if self.trial.should_stop:
            raise TrialEnded(0)
        self.length += 1
        values = dict(flat(metrics))
        text = self._save(checkpoint) if checkpoint else None
        if not self.trial.report(self.length, values, text):
            raise TrialEnded(0)
        if missing := [name for name in self._stop if name not in {*values, *self._missed}]:
            self._missed.update(missing)
            text = f"got {', '.join(values)}; if it is never reported, no trial ends by it"
            _log.warning("stop.%s: not among the metrics of this report, %s", missing[0], text)
        if any(name in values and values[name] >= bound for name, bound in self._stop.items()):
            self.trial.finish()
            raise TrialEnded(0)

    def finish(self) -> None:
        """The function has returned: its training is over. Raises InvalidArgument when it has never reported."""
        if self.trial.should_stop:
            return
        if not self.length:
            raise InvalidArgument.one("trainable", "it returned without any report, wanted tune.report({…})")
        self.trial.finish()

    def close(self) -> None:
        """Remove what was downloaded."""
        self._restored.close()

    def _save(self, checkpoint: Checkpoint) -> str:
        lease, root = self.trial.lease, self._root()

        def copy(folder: Path) -> None:
            shutil.copytree(checkpoint.path, folder, dirs_exist_ok=True)

        text = root.save(self.trial.experiment, lease.trial, self.length, lease.fencing_token, copy)
        if Path(text).is_dir():
            self.checkpoint = Checkpoint(text)
        return text

    def _root(self) -> Checkpoints:
        if self._checkpoints is None:
            wanted = f"a place for them: for_trial(fn, checkpoints=…), or {VARIABLE}"
            raise InvalidArgument.one("checkpoints", f"the function saves checkpoints, wanted {wanted}")
        return self._checkpoints


_current: ContextVar[Session] = ContextVar("rungway_tune_session")


def current() -> Session:
    """The session of this thread. Raises FailedPrecondition (NO_CURRENT_TRIAL) outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise FailedPrecondition(
            "no trial is trained in this thread: call this in the function that Tuner or for_trial was given",
            reason="NO_CURRENT_TRIAL",
        ) from None


class Training:
    """`fn(trial)` for `Client.trials`, `run_workers` and the like, of a function trainable. It pickles."""

    def __init__(
        self,
        trainable: Callable[..., Any],
        checkpoints: Checkpoints | str | os.PathLike[str] | None,
        stop: Mapping[str, float] | None = None,
    ) -> None:
        """Raises InvalidArgument for what is no function of one configuration."""
        self._trainable = checked(trainable)
        place = checkpoints if checkpoints is not None else os.environ.get(VARIABLE) or None
        self._root = None if place is None else Checkpoints.of(place).root
        self._stop = dict(stop or {})

    def __call__(self, trial: TrialRun) -> None:
        """Train it, until the function returns or the trial is over for this worker."""
        if not isinstance(trial, TrialRun):
            wanted = "one of Client.trials: give the place of checkpoints to for_trial alone"
            raise InvalidArgument.one("trial", f"got a {type(trial).__name__}, wanted {wanted}")
        session = Session(trial, None if self._root is None else Checkpoints(self._root), self._stop)
        with self._current(session):
            try:
                self._train(session)
            except TrialEnded:
                if not trial.should_stop:  # it was raised by hand
                    raise

    def _train(self, session: Session) -> None:
        returned = self._trainable(session.trial.hparams)
        for output in returned if inspect.isgenerator(returned) else (returned,):
            if isinstance(output, Mapping):
                session.report(output)
            elif isinstance(output, Number) and not isinstance(output, bool):
                session.report({_RETURNED: output})
            elif output is not None:
                raise InvalidArgument.one(
                    "trainable", f"it returned {output!r:.100}, wanted None, a number or a mapping"
                )
        session.finish()

    @contextmanager
    def _current(self, session: Session) -> Iterator[None]:
        token = _current.set(session)
        try:
            yield
        finally:
            _current.reset(token)
            session.close()


def checked(trainable: object) -> Callable[..., Any]:
    """A function trainable. Raises InvalidArgument for classes, names, and what takes no configuration."""
    if inspect.isclass(trainable) or isinstance(trainable, str) or not callable(trainable):
        wanted = "a function of one configuration that calls tune.report"
        raise InvalidArgument.one("trainable", f"got {trainable!r:.100}, wanted {wanted}")
    try:
        inspect.signature(trainable).bind({})
    except TypeError:
        raise InvalidArgument.one("trainable", f"{trainable!r:.100} cannot be called with one configuration") from None
    except ValueError:  # it does not say
        pass
    return trainable


def flat(metrics: Mapping[Any, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers among these; those of nested mappings have names with slashes, as in Tune."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}/")
        elif (found := number(value)) is not None:
            yield f"{prefix}{name}", found
