"""How values are shown: a short text for everybody (`repr`), and HTML for notebooks, in which all of a user is escaped.

Functions take any value with the attributes of its class, so that nothing is imported from there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from reprlib import Repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rungway.models.work import Trial

_MOST_ROWS = 50
"""Trials of a list that a notebook shows."""
_MOST_NAMES = 12
"""Hyperparameters of a list that a notebook shows."""
_LONGEST = 60
"""Characters of a text in a table."""
_short = Repr()
_short.maxdict, _short.maxlist, _short.maxstring, _short.maxother, _short.maxlevel = 8, 8, 48, 48, 4


def client_text(client: Any) -> str:
    """Where a client's calls go. Its token is not shown."""
    config = client.config
    of = f", experiment={config.experiment!r}" if config.experiment else ""
    return f"{type(client).__name__}({config.target!r}{of})"


def trial_text(trial: Any) -> str:
    """A trial with its best result and its configuration."""
    best = f", best_metric={number(trial.best_metric)} at {trial.best_length}" if trial.best_metric is not None else ""
    how = f": {trial.outcome}" if trial.outcome else ""
    return f"Trial({trial.trial}, {trial.state}{how}{best}, length={trial.length}, hparams={_hparams(trial.hparams)})"


def assignment_text(assignment: Any) -> str:
    """What is to be trained."""
    return _work_text(assignment, assignment.trial)


def run_text(run: Any) -> str:
    """A trial under a lease."""
    return _work_text(run, run.number)


def tell_text(reply: Any) -> str:
    """A decision with its reason in words."""
    return f"TellReply({reply.decision}, trial {reply.lease.trial}: {reply.text or reply.reason})"


def ask_text(reply: Any) -> str:
    """Work, or why there is none."""
    what = list(reply.assignments) if reply.assignments else f"{reply.reason}, retry_after={reply.retry_after:g}"
    return f"AskReply({reply.status}, {what})"


def event_text(event: Any) -> str:
    """A line of the event log."""
    why = event.message if event.explanation is None else event.explanation.text or event.explanation.reason
    of = "" if event.trial is None else f", trial {event.trial} at {event.length}"
    worker = f" ({event.worker})" if event.worker else ""
    return f"Event({event.time:%Y-%m-%d %H:%M:%S}, {event.kind}{of}{': ' if why else ''}{why}{worker})"


def experiment_text(experiment: Any) -> str:
    """A search and how far it is."""
    trials = f"{_count(experiment.trials.started, 'trial')} started, {experiment.trials.running} running"
    return f"Experiment({experiment.experiment!r}, {experiment.state}, {experiment.progress:.0%} done, {trials})"


def plan_text(plan: Any) -> str:
    """The rungs of each bracket."""
    brackets = ", ".join(f"{bracket.max_trials} trials to {_lengths(bracket)}" for bracket in plan.brackets)
    return f"Plan({plan.rule}, {plan.form}: {brackets} {plan.unit}".rstrip() + ")"


def preview_text(preview: Any) -> str:
    """How much a search would train."""
    trials = sum(bracket.max_trials for bracket in preview.brackets)
    of = f"{_share(preview)} of training all to the end"
    return f"Preview({_count(trials, 'trial')}, {preview.total_length:,} {preview.plan.unit or 'units'} in all, {of})"


def number(value: float | None) -> str:
    """Six significant digits; nothing for None."""
    return "" if value is None else f"{value:.6g}"


def _work_text(work: Any, trial: int) -> str:
    start = f"from_length={work.from_length}, next_decision={work.next_decision}"
    return f"{type(work).__name__}({trial}, {start}, hparams={_hparams(work.hparams)})"


def _hparams(hparams: Mapping[str, Any]) -> str:
    return _short.repr(dict(sorted(hparams.items())))


def _lengths(bracket: Any) -> str:
    return "/".join(str(rung.length) for rung in bracket.rungs)


def _count(value: int, noun: str) -> str:
    return f"{value:,} {noun}{'s'[: value != 1]}"


def _share(preview: Any) -> str:
    whole = preview.random_search_length
    return f"{preview.total_length / whole:.1%}" if whole else "0%"


# HTML.


class TrialList(list["Trial"]):
    """A list of trials that notebooks show as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return trials_html(self)


def trials_html(trials: Sequence["Trial"]) -> str:
    """A table of trials: the hyperparameters that differ have a column each."""
    if not trials:
        return "<p>no trials</p>"
    shown = trials[:_MOST_ROWS]
    flat = [dict(_flat(trial.hparams)) for trial in trials]
    names = [name for name in dict.fromkeys(name for each in flat for name in each) if _differs(name, flat)]
    objectives = list(dict.fromkeys(name for trial in shown if trial.objectives for name in trial.objectives.values))
    ranks = [*objectives, "violation", "front"] if any(trial.objectives for trial in shown) else []
    heads = ["trial", "state", "best_metric", "best_length", "length", *ranks, *names[:_MOST_NAMES]]
    rows = [
        [
            trial.trial,
            _state(trial),
            number(trial.best_metric),
            trial.best_length if trial.best_metric is not None else "",
            trial.length,
            *(_ranks(trial.objectives, objectives) if ranks else ()),
            *(_cell(values.get(name, "")) for name in names[:_MOST_NAMES]),
        ]
        for trial, values in zip(shown, flat, strict=False)
    ]
    left = [f"{_count(len(trials) - len(shown), 'trial')} more"] if len(trials) > len(shown) else []
    left += [f"{_count(len(names) - _MOST_NAMES, 'hyperparameter')} more"] if len(names) > _MOST_NAMES else []
    return _table(heads, rows) + (f"<p>{', '.join(left)}</p>" if left else "")


def _ranks(own: Any, objectives: Sequence[str]) -> list[object]:
    """What a result ranks by, its violation of the constraints, and its front where that is known."""
    if own is None:
        return [""] * (len(objectives) + 2)
    values = [number(own.values.get(name)) for name in objectives]
    return [*values, number(own.violation), "" if own.front is None else own.front]


def trial_html(trial: Any) -> str:
    """One trial: what became of it, its curve, its configuration."""
    best = f", best {number(trial.best_metric)} at {trial.best_length:,}" if trial.best_metric is not None else ""
    head = f"<p><b>trial {trial.trial}</b>: {escape(_state(trial))} after {trial.length:,}{best}</p>"
    said = f"<p>last said: {escape(_cut(trial.message, 400))}</p>" if trial.message else ""
    rows = [[name, _cell(value)] for name, value in sorted(_flat(trial.hparams))]
    return head + said + _curve(trial.curve or ()) + _table(["hyperparameter", "value"], rows)


def experiment_html(experiment: Any) -> str:
    """A search: its progress, its rungs, what it searches."""
    trials = experiment.trials
    failed = f", {trials.failed:,} failed" if trials.failed else ""
    words = f"{_count(trials.started, 'trial')} started, {trials.running:,} running, {trials.completed:,} completed"
    head = (
        f"<p><b>{escape(experiment.experiment)}</b>: {escape(str(experiment.state))} "
        f'<progress value="{experiment.progress:.3f}" max="1"></progress> {experiment.progress:.0%}, '
        f"{words}{failed}</p>"
    )
    return head + _rungs(experiment.plan) + _lines((*experiment.warnings, *experiment.summary))


def preview_html(preview: Any) -> str:
    """How many trials would train to which length, and what that saves."""
    lengths = [row.length for row in preview.total]
    columns = [{row.length: row.trials for row in bracket.rows} for bracket in preview.brackets]
    heads = [
        f"train to ({preview.plan.unit or 'units'})",
        *(f"bracket {index}" for index in range(len(columns))),
        "all",
    ]
    total = {row.length: row.trials for row in preview.total}
    rows: list[list[object]] = [
        [f"{length:,}", *(f"{column.get(length, 0):,}" for column in columns), f"{total[length]:,}"]
        for length in lengths
    ]
    rows.append(["trials", *(f"{bracket.max_trials:,}" for bracket in preview.brackets), f"{sum(total.values()):,}"])
    unit = escape(preview.plan.unit or "units")
    cost = f"<p>{preview.total_length:,} {unit} in all, {_share(preview)} of training every trial to the end</p>"
    return _table(heads, rows) + cost + _lines((*preview.notes, *preview.summary))


def result_html(result: Any) -> str:
    """What a search has found."""
    count = _count(len(result.trials), "trial")
    head = f"<p><b>{escape(result.experiment.experiment)}</b>: the best of {count} is {number(result.metric)}</p>"
    return head + trial_html(result.best)


def _rungs(plan: Any) -> str:
    if plan is None:
        return ""
    lengths = sorted({rung.length for bracket in plan.brackets for rung in bracket.rungs}, reverse=True)
    columns = [{rung.length: rung for rung in bracket.rungs} for bracket in plan.brackets]
    rows: list[list[object]] = [
        [
            f"{length:,}",
            *(f"{rung.results:,} → {rung.promoted:,}" if (rung := column.get(length)) else "" for column in columns),
        ]
        for length in lengths
    ]
    heads = [
        f"rung ({plan.unit or 'units'})",
        *(f"bracket {index}: results → promoted" for index in range(len(columns))),
    ]
    return _table(heads, rows)


def _curve(curve: Sequence[Any]) -> str:
    """A small picture of a curve; nothing for fewer than two numbers."""
    points = [(report.length, report.metric) for report in curve if math.isfinite(report.metric)]
    if len(points) < 2:
        return ""
    points = points[:: math.ceil(len(points) / 240)]
    low, high = min(metric for _, metric in points), max(metric for _, metric in points)
    first, last = points[0][0], points[-1][0]
    across, up = 240 / ((last - first) or 1), 40 / ((high - low) or 1)
    drawn = " ".join(f"{(at - first) * across:.1f},{40 - (metric - low) * up:.1f}" for at, metric in points)
    label = f"{number(points[0][1])} at {first:,} to {number(points[-1][1])} at {last:,}"
    line = f'<polyline points="{drawn}" fill="none" stroke="#2f74b8" stroke-width="1.5"/>'
    return f'<p><svg width="248" height="48" viewBox="-4 -4 248 48" role="img">{line}</svg> {label}</p>'


def _state(trial: Any) -> str:
    return f"{trial.state}: {trial.outcome}" if trial.outcome else str(trial.state)


def _differs(name: str, rows: Sequence[Mapping[str, object]]) -> bool:
    first = rows[0].get(name)
    return len(rows) == 1 or any(row.get(name) != first for row in rows)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else _cut(str(value))


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    def cells(kind: str, values: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(str(value))}</{kind}>" for value in values) + "</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f"<table><thead>{cells('th', heads)}</thead><tbody>{body}</tbody></table>"


def _lines(lines: Iterable[str]) -> str:
    found = "".join(f"<li>{escape(_cut(line, 200))}</li>" for line in lines)
    return f"<ul>{found}</ul>" if found else ""
