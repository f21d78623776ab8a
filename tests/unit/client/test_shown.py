"""What values look like: short texts, HTML for notebooks in which all of a user is escaped, a progress bar."""

import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import grpc
import pytest

import rungway
from rungway import AsyncClient, Client, Experiment, InvalidArgument, Preview, SearchResult, Trial
from rungway.models.shown import TrialList, trials_html
from rungway.v1 import experiment_pb2, search_service_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as service
from rungway.values import to_map
from tests.unit.client.scripted import DONE, Abort, ScriptedServer, assigned, assignment

EVIL = "<script>alert(1)</script> & \"'"
TAGS = {
    *("p", "b", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "progress", "svg", "polyline"),
}


class Reader(HTMLParser):
    """Tags and text of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def trial(number: int = 3, **given: Any) -> Trial:
    values: dict[str, Any] = {
        "hparams": to_map({"lr": 0.001 * number, "net": {"size": 8}, EVIL: EVIL}),
        "state": trial_pb2.TRIAL_STATE_COMPLETED,
        "best_metric": 0.123456789,
        "best_length": 2,
        "length": 4,
        "message": EVIL,
        "worker": EVIL,
    }
    return Trial.from_proto(trial_pb2.Trial(trial=number, **values | given), curve=True)


CURVE = [
    trial_pb2.Report(length=at, metric=metric) for at, metric in ((1, 0.5), (2, float("nan")), (3, 0.25), (4, 0.3))
]
RUNG = experiment_pb2.Rung(length=9, results=4, passed=1)
PLAN = experiment_pb2.Plan(
    brackets=[experiment_pb2.Bracket(rungs=[RUNG, experiment_pb2.Rung(length=27)], max_trials=12)],
    rule=experiment_pb2.PROMOTION_RULE_ASYNC,
    form=experiment_pb2.DECISION_FORM_PROMOTE,
    unit="epochs",
)
EXPERIMENT = Experiment.from_proto(
    experiment_pb2.Experiment(
        experiment="digits",
        plan=PLAN,
        state=experiment_pb2.EXPERIMENT_STATE_RUNNING,
        progress=0.45,
        trials=experiment_pb2.TrialCounts(started=1024, running=2, failed=1),
        summary=[EVIL],
        warnings=[EVIL],
    )
)
ROWS = [experiment_pb2.PreviewRow(trials=9, length=9), experiment_pb2.PreviewRow(trials=3, length=27)]
PREVIEW = Preview.from_proto(
    experiment_pb2.Preview(
        plan=PLAN,
        brackets=[experiment_pb2.BracketPreview(max_trials=12, rows=ROWS)],
        total=ROWS,
        total_length=162,
        random_search_length=324,
        notes=[EVIL],
    )
)


def test_short_texts() -> None:
    why = trial_pb2.Explanation(text="waits: rank 1 of 5")
    event = experiment_pb2.Event(kind="pause", trial=3, length=9, worker="gpu", explanation=why)
    status, reason = search_service_pb2.ASK_STATUS_WAIT, trial_pb2.REASON_SEARCH_DONE
    asked = search_service_pb2.AskResponse(status=status, reason=reason)
    lease = trial_pb2.Lease(trial=3)
    told = trial_pb2.Verdict(lease=lease, decision=trial_pb2.DECISION_PAUSE, explanation=why)
    assert repr(trial(hparams=to_map({"lr": 0.1}))) == (
        "Trial(3, completed, best_metric=0.123457 at 2, length=4, hparams={'lr': 0.1})"
    )
    assert repr(trial(hparams=to_map({}), outcome=trial_pb2.OUTCOME_FINISHED)).startswith(
        "Trial(3, completed: finished"
    )
    assert repr(EXPERIMENT) == "Experiment('digits', running, 45% done, 1,024 trials started, 2 running)"
    assert repr(EXPERIMENT.plan) == "Plan(async, promote: 12 trials to 9/27 epochs)"
    assert repr(PREVIEW) == "Preview(12 trials, 162 epochs in all, 50.0% of training all to the end)"
    assert (
        repr(rungway.Event.from_proto(event))
        == "Event(1970-01-01 00:00:00, pause, trial 3 at 9: waits: rank 1 of 5 (gpu))"
    )
    assert repr(rungway.AskReply.from_proto(asked)) == "AskReply(wait, search_done, retry_after=0)"
    assert repr(rungway.TellReply.from_proto(told)) == "TellReply(pause, trial 3: waits: rank 1 of 5)"
    given = rungway.Assignment.from_proto(assignment(7))
    assert repr(given).startswith("Assignment(7, from_length=0, next_decision=")
    long = trial(hparams=to_map({f"name{number}": "x" * 500 for number in range(100)}))
    assert len(repr(long)) < 700


def test_clients_show_where_they_call_and_no_token() -> None:
    with Client("localhost:1", experiment="digits", token="secret") as client:
        assert repr(client) == "Client('localhost:1', experiment='digits')"
    assert repr(AsyncClient("localhost:1")) == "AsyncClient('localhost:1')"


@pytest.mark.parametrize(
    ("shown", "cells"),
    [
        (trial(curve=CURVE), ["lr", "0.003", "net.size", "8"]),
        (EXPERIMENT, ["9", "4 → 1", "27", "0 → 0"]),
        (PREVIEW, ["9", "27", "trials", "12"]),
        (SearchResult(EXPERIMENT, trial(curve=CURVE), (trial(),)), ["0.003"]),
        (TrialList([trial(1), trial(2)]), ["trial", "best_metric", "lr", "completed", "0.002"]),
    ],
)
def test_html_has_the_values_and_only_our_tags(shown: Any, cells: list[str]) -> None:
    found = Reader(shown._repr_html_())
    assert set(cells) <= set(found.cells)
    assert found.tags <= TAGS
    if not isinstance(shown, TrialList):  # all have it in common there
        assert EVIL in found.text


def test_a_curve_is_drawn_without_what_is_no_number() -> None:
    html = trial(curve=CURVE)._repr_html_()
    (points,) = re.findall(r'points="([^"]*)"', html)
    assert points == "0.0,0.0 160.0,40.0 240.0,32.0"
    assert "0.5 at 1 to 0.3 at 4" in html
    for curve in (CURVE[:1], [trial_pb2.Report(length=at, metric=0.5) for at in (2, 2)]):
        assert Reader(trial(curve=curve)._repr_html_())


def test_long_lists_are_cut_and_say_so() -> None:
    hparams = [{f"h{column}": row * column for column in range(20)} | {"fixed": 1} for row in range(60)]
    many = [trial(row, hparams=to_map(values)) for row, values in enumerate(hparams)]
    html = trials_html(many)
    assert html.count("<tr>") == 51
    assert "10 trials more, 7 hyperparameters more" in html
    assert "fixed" not in html
    assert trials_html([]) == "<p>no trials</p>"


def test_lists_show_what_trials_rank_by() -> None:
    ranked = trial_pb2.Objectives(values={"loss": 0.5, EVIL: 2.0}, violation=0.25, front=1)
    html = trials_html([trial(0, objectives=ranked), trial(1)])
    assert "<th>violation</th><th>front</th>" in html
    assert "<td>2</td><td>0.5</td><td>0.25</td><td>1</td>" in html
    assert "<td></td><td></td><td></td><td></td>" in html
    assert EVIL not in html
    assert "violation" not in trials_html([trial(1)])


def test_a_bar_shows_how_much_is_done(
    server: ScriptedServer, connect: Callable[..., Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1)), DONE)
    began = experiment_pb2.Experiment(experiment="digits", trials=experiment_pb2.TrialCounts(started=2))
    ended = experiment_pb2.Experiment(experiment="digits", trials=began.trials, progress=1.0)
    server.on("GetExperiment", *(service.GetExperimentResponse(experiment=each) for each in (began, ended)))
    server.on("BestTrials", service.BestTrialsResponse(trials=[trial_pb2.Trial(best_metric=0.5)]))
    for run in connect().trials(progress=True):
        with run:
            run.report(run.next_decision, 0.5)
    server.on("GetExperiment", Abort(grpc.StatusCode.PERMISSION_DENIED))  # the training goes on without
    server.on("Ask", assigned(assignment(2)), DONE)
    numbers = []
    for run in connect().trials(progress=True):
        numbers.append(run.number)
        run.release()
    assert numbers == [2]
    said = capsys.readouterr().err
    assert "digits   0%|" in said
    assert "digits 100%|" in said
    assert "2 trials started, best 0.5" in said


def test_a_bar_needs_tqdm(connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(InvalidArgument, match="progress: got True, but tqdm is not installed: pip install tqdm"):
        connect().trials(progress=True)
