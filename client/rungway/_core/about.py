"""Labels, owner and comment in requests. Types are checked here; every limit is checked by the service."""

from collections.abc import Mapping
from typing import Any

from rungway._core.errors import InvalidArgument, Unimplemented
from rungway.models.experiments import Experiment
from rungway.v1 import experiment_service_pb2 as messages


class About:
    """What a call says of labels, owner and comment; None = nothing."""

    def __init__(
        self, labels: Mapping[str, str | None] | None, owner: str | None = None, comment: str | None = None
    ) -> None:
        """A label without a value is one to remove, or in a filter one with any value. Raises InvalidArgument."""
        self._labels = dict(labels) if isinstance(labels, Mapping) else {}
        if labels is not None and not isinstance(labels, Mapping):
            raise InvalidArgument.one("labels", f"got {labels!r:.100}, wanted a mapping of names to texts")
        for name, value in self._labels.items():
            _check("labels", name)
            if value is not None:
                _check(f"labels[{name!r:.100}]", value)
        self._texts = {"owner": owner, "comment": comment}
        for field, text in self._texts.items():
            if text is not None:
                _check(field, text)

    def write(self, request: messages.CreateExperimentRequest | messages.UpdateExperimentRequest) -> None:
        """Into a request that sets them. Raises InvalidArgument for a label of a new search without a value."""
        for name, value in self._labels.items():
            if value is not None:
                request.labels[name] = value
            elif isinstance(request, messages.UpdateExperimentRequest):
                request.remove_labels.append(name)
            else:
                raise InvalidArgument.one(f"labels[{name!r:.100}]", "got None, wanted a string")
        for field, text in self._texts.items():
            if text is not None:
                setattr(request, field, text)

    def write_filter(self, request: messages.ListExperimentsRequest) -> None:
        """Into a request for a list of those that have them."""
        for name, value in self._labels.items():
            if "=" in name:
                raise InvalidArgument.one("labels", f"got the name {name!r:.100}, wanted one without '='")
            request.labels.append(name if value is None else f"{name}={value}")
        request.owner = self._texts["owner"] or ""

    def check_known(self, experiment: Experiment) -> None:
        """Raises Unimplemented where a reply shows that the service ignored what it was told: one from before labels
        does."""
        self._check_known(experiment, has_labels=any(value is not None for value in self._labels.values()))

    def check_filtered(self, experiment: Experiment) -> None:
        """The same for one of a list that was asked for with `write_filter`."""
        self._check_known(experiment, has_labels=bool(self._labels))

    def _check_known(self, experiment: Experiment, *, has_labels: bool) -> None:
        texts = any(text and not getattr(experiment, field) for field, text in self._texts.items())
        if texts or (has_labels and not experiment.labels):
            raise Unimplemented("the service does not know labels, owner and comment, and has ignored them")


def _check(field: str, text: Any) -> None:
    try:
        text.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidArgument.one(field, f"got {text!r:.100}, wanted a string that UTF-8 can encode") from None
