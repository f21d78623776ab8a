"""A configuration in the making, and what of the other tool's file has no counterpart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rungway_server.domain.documents.fields import finite, shown, whole
from rungway_server.domain.foreign import Tool
from rungway_server.domain.space.decimals import step_count
from rungway_server.domain.space.other_words import in_our_form, is_kind, is_without_form, written

UNKNOWN_TRIALS = 100
"""How many trials are written where the other file does not say."""
STARTS_NOTHING = "not part of a search here: `rungway run FILE -- COMMAND` runs a script (docs/quickstart.md)"


class CannotConvert(Exception):
    """The file cannot be converted at all; the message says why, and the line if there is one."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Something without a counterpart, or with one that is not the same."""

    line: int
    """In the other tool's file, from 1."""
    what: str


@dataclass(slots=True)
class Draft:
    """What a reader of another tool's file fills in."""

    tool: Tool
    hyperparameters: dict[str, object] = field(default_factory=dict)
    searcher: dict[str, object] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    """Other keys of the configuration: name, description, seed."""
    gaps: list[Gap] = field(default_factory=list)

    def gap(self, line: int, what: str) -> None:
        """Note it."""
        self.gaps.append(Gap(line, what))

    def objective(self, line: int, metric: object, larger: bool | None, target: object = None) -> None:
        """Set the metric and its direction; None where the file does not say which is better."""
        if not isinstance(metric, str) or not metric:
            self.gap(line, "no metric is named: 'metric' is written, and smaller is better unless you change it")
        self.searcher["metric"] = metric if isinstance(metric, str) and metric else "metric"
        self.searcher["smaller_is_better"] = not larger
        if (goal := finite(target)) is not None:
            self.searcher["target_metric"] = goal

    def trials(self, line: int, given: object, key: str) -> None:
        """Set the number of trials from this value of the other file."""
        count = whole(given)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            self.searcher["max_trials"] = count
            return
        found = "missing" if given is None else f"got {shown(given)}"
        self.gap(line, f"{key}: {found}, so that no number of trials is known: max_trials: {UNKNOWN_TRIALS} is written")
        self.searcher["max_trials"] = UNKNOWN_TRIALS

    def parameter(self, line: int, name: str, words: Mapping[str, object]) -> dict[str, object] | None:
        """The parameter that these words of the other tool mean; None, with a gap, if there is none."""
        form = in_our_form(words)
        kind = next((words[key] for key in ("distribution", "type", "_type") if key in words), "")
        if any(value is None for key, value in form.items() if key != "val"):
            missing = ", ".join(key for key, value in form.items() if value is None)
            self.gap(line, f"{name}: {missing} cannot be read from {written(list(words.values()))}: left out")
            return None
        if kind and not is_kind(kind):
            self.gap(line, f"{name}: {shown(kind)} is no known distribution; the nearest is written: {form['type']}")
        if is_without_form(kind):
            self.gap(line, f"{name}: {kind} has no form here; the nearest is written: {form['type']}")
        if form.get("minval") is not None and form.get("minval") == form.get("maxval"):
            return {"type": "const", "val": form["minval"]}
        return form

    def in_grid(self, line: int, name: str, form: dict[str, object]) -> dict[str, object]:
        """The same parameter with its number of points, as a grid needs it."""
        if "vals" in form or "val" in form or "count" in form:
            return form
        low, high = finite(form.get("minval")), finite(form.get("maxval"))
        step = finite(form.get("step")) or (1.0 if form["type"] in ("int", "log_int") else None)
        if low is None or high is None or step is None:
            self.gap(line, f"{name}: a range without a step has no points in a grid: count: 10 is written")
            return {**form, "count": 10}
        return {**form, "count": step_count(low, high, step)}
