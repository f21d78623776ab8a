"""Pictures of searches of every kind: what they show is what the data says, and odd data makes none of them fail."""

import importlib.util
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text

from rungway import FailedPrecondition, InvalidArgument, Picture
from rungway._data import picture
from rungway._data.objectives import standings
from rungway._data.picture import KINDS, check_kind, draw
from rungway._data.pictures.look import span_of
from rungway._data.search_data import EventData, SearchData, Span, TrialData
from rungway._data.tables import trials_table
from rungway.v1.view_service_pb2 import GetImportanceResponse, Importance

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNGS = (1, 3, 9)
SPACE = {
    "lr": {"type": "log", "base": 10, "minval": -4, "maxval": 0},
    "net": {"layers": {"type": "int", "minval": 1, "maxval": 8}},
    "name": {"type": "categorical", "vals": ["adam", "sgd"]},
    "momentum": {"type": "double", "minval": 0, "maxval": 1, "when": {"name": "sgd"}},
    "fixed": {"type": "const", "val": 1},
}


def trial(number: int, metrics: Sequence[float], **given: Any) -> TrialData:
    """One that told a metric at each length from 1 on, and began and ended in the second of its number."""
    hparams: dict[str, Any] = {"lr": 10 ** (-4 + number % 5), "net.layers": number % 8 + 1, "fixed": 1}
    hparams |= {"name": "adam"} if number % 2 else {"name": "sgd", "momentum": 0.5}
    length = len(metrics)
    rung = sum(length >= each for each in RUNGS) - 1
    finite = [metric for metric in metrics if math.isfinite(metric)]
    best = min(finite, default=None)
    began = START + timedelta(seconds=number + 1)
    values: dict[str, Any] = {
        "number": number,
        "state": "completed" if length == RUNGS[-1] else "paused",
        "outcome": "",
        "hparams": hparams,
        "bracket": 0,
        "rung": max(rung, 0),
        "metric": metrics[-1] if metrics else None,
        "best": best,
        "best_length": metrics.index(best) + 1 if best is not None else 0,
        "length": length,
        "created": began,
        "worker": f"gpu-{number % 3}",
        "restarts": 0,
        "parent": None,
        "checkpoint": "",
        "message": "",
        "curve": [(at + 1, metric) for at, metric in enumerate(metrics)],
        "further": {},
        "last": {},
        "cost": None,
        "results": frozenset(range(rung + 1)),
        "spans": [Span(f"gpu-{number % 3}", began, 0, began + timedelta(seconds=1), "pause")],
    }
    return TrialData(**values | given)


def search(
    trials: Sequence[TrialData], *, metric: str = "loss", smaller: bool = True, name: str = "digits"
) -> SearchData:
    events = [
        EventData(span.end, span.how, each.number, {"length": each.length})
        for each in trials
        for span in each.spans
        if span.end
    ]
    config = {"hyperparameters": SPACE, "searcher": {"metric": metric, "smaller_is_better": smaller}}
    return SearchData(name, config, "epochs", [RUNGS], START, "running", [*trials], events)


def ranked(*shares: tuple[str, float], too_early: str = "") -> GetImportanceResponse:
    named = [Importance(name=name, importance=share) for name, share in shares]
    return GetImportanceResponse(parameters=named, trials=50, too_early=too_early)


EARLY = ranked(too_early="3 trials have a result, 40 are needed")
FEW = [trial(0, [0.9, 0.8, 0.7]), trial(1, [0.5]), trial(2, [0.9, 0.6, 0.4, 0.3, 0.2, 0.2, 0.1, 0.15, 0.12])]
NOT_A_NUMBER = trial(3, [math.nan, math.inf])
UNDER_WAY = trial(4, [], state="running", spans=[Span("gpu-1", START + timedelta(seconds=9), 0)])
SEARCHES: dict[str, SearchData] = {
    "empty": search([]),
    "one trial": search(FEW[:1]),
    "one result": search(FEW[1:2]),
    "few": search([*FEW, NOT_A_NUMBER, UNDER_WAY]),
    "no number": search([NOT_A_NUMBER]),
    "under way": search([UNDER_WAY]),
    "all the same": search([trial(number, [0.5] * 3) for number in range(8)]),
    "negative": search([trial(number, [-float(number)] * 3) for number in range(8)], smaller=False),
    "far apart": search([trial(number, [10.0 ** (number * 30)] * 3) for number in range(8)]),
    "extremes": search(
        [trial(at, [each] * 3) for at, each in enumerate((1e308, -1e308, 5e-324, math.inf, -math.inf, 1.0, 0.0))]
    ),
    "in no time": search([trial(0, [0.5], created=START, spans=[Span("w", START, 0, START, "pause")])]),
    "zero": search([trial(number, [0.0, 1e-300, 0.0]) for number in range(8)]),
    "odd names": search(FEW, metric="$x^{2$ <b>&\n\x00", name="a" * 63),
    "many": search([trial(number, [1 / (number + 1)] * (1, 3, 9)[number % 3]) for number in range(1000)]),
}


def texts(shown: Picture) -> list[str]:
    return [text.get_text() for text in shown.figure.findobj(Text) if isinstance(text, Text)]


def axes_of(kind: str, data: SearchData, importance: GetImportanceResponse | None = None) -> Any:
    """The one plane of a picture."""
    (axes,) = draw(kind, data, importance).figure.axes
    return axes


@pytest.mark.parametrize("name", SEARCHES)
def test_every_picture_of_every_search(name: str) -> None:
    for kind in KINDS:
        shown = draw(kind, SEARCHES[name], EARLY)
        assert shown.title.startswith(SEARCHES[name].experiment)
        if name in ("few", "odd names", "far apart") or (name == "many" and kind == "curves"):  # to save time
            assert shown._repr_png_().startswith(b"\x89PNG")


def test_the_best_so_far() -> None:
    shown = draw("best", SEARCHES["few"], None)
    axes: Any = shown.figure.axes[0]
    (steps, _) = axes.get_lines()
    assert list(steps.get_ydata()) == [0.7, 0.5, 0.1, 0.1]
    assert list(steps.get_xdata())[:3] == [1.0, 2.0, 3.0]
    assert "seconds since the first trial began" in axes.get_xlabel()
    assert any(
        "0.1 of trial 2 at 7 epochs, after 3 seconds" in each for each in texts(draw("best", SEARCHES["few"], None))
    )


def test_the_best_of_what_is_maximised() -> None:
    data = search([trial(0, [0.1, 0.9]), trial(1, [0.5, 0.95])], smaller=False)
    steps = axes_of("best", data).get_lines()[0]
    assert list(steps.get_ydata()) == [0.9, 0.95, 0.95]


def test_curves() -> None:
    shown = draw("curves", SEARCHES["few"], None)
    axes: Any = shown.figure.axes[0]
    (others,) = (each for each in axes.collections if isinstance(each, LineCollection))
    assert len(others.get_segments()) == 3
    best = next(line for line in axes.get_lines() if len(line.get_xdata()) == 9)
    assert list(best.get_ydata()) == [metric for _, metric in FEW[2].curve]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epochs trained", "loss")
    found = texts(shown)
    assert "trial 2\n0.1\nat 7" in found
    assert [each for each in found if each in ("2", "1")].count("2") == 1  # ended at 1: trials 1 and 3
    assert any("1 with NaN or infinite results" in each for each in found)


def test_axes_are_logarithmic_where_values_are_far_apart() -> None:
    assert axes_of("curves", SEARCHES["few"]).get_yscale() == "linear"
    wide = search([trial(0, [0.9, 0.8, 0.01])])
    assert axes_of("curves", wide).get_yscale() == "log"
    assert span_of([0.0, 1000.0]).log is False


def test_a_few_bad_results_do_not_flatten_the_others() -> None:
    good = [0.5 + number / 100 for number in range(20)]
    for values, smaller in ((([*good, 1e9], True)), ([*good, -1e9], False)):
        span = span_of(values, smaller)
        assert (span.high if smaller else -span.low) < 3
        best = min(good) if smaller else max(good)
        assert span.low < best < span.high
    assert span_of([1.0, 1e9]).high > 1e9


def test_importance() -> None:
    shown = draw("importance", SEARCHES["few"], ranked(("lr", 0.75), ("net.layers", 0.25)))
    axes: Any = shown.figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert {"lr", "net.layers", "75.0%", "25.0%"} <= set(texts(shown))
    early = draw("importance", SEARCHES["few"], EARLY)
    assert "too early to say: 3 trials have a result, 40 are needed" in texts(early)


def test_parallel_coordinates() -> None:
    shown = draw("parallel", SEARCHES["few"], ranked(("name", 0.6), ("lr", 0.4)))
    axes: Any = shown.figure.axes[0]
    (lines,) = (each for each in axes.collections if isinstance(each, LineCollection))
    assert len(lines.get_segments()) == 3  # those with a result
    heads = [each for each in texts(shown) if each in ("name", "lr", "net.layers", "momentum", "fixed", "loss")]
    assert heads == ["name", "lr", "net.layers", "momentum", "loss"]
    best = lines.get_segments()[-1]  # drawn last, so above the others
    assert best[-1][1] > max(line[-1][1] for line in lines.get_segments()[:-1])
    assert "not set" in texts(shown)


def test_the_ladder() -> None:
    trials = [
        trial(0, [0.9]),
        trial(1, [0.5, 0.4, 0.3]),
        trial(2, [0.4] * 9),
        trial(3, [math.nan]),
        trial(4, [0.1], rung=0, state="failed", outcome="diverged"),
        trial(5, [0.6], rung=0, state="invalid"),
        trial(6, [0.2, 0.2], rung=1, state="completed", outcome="finished", results=frozenset({0, 1})),
        trial(7, [0.2] * 9, results=frozenset({2})),  # it began there
    ]
    found = texts(draw("ladder", search(trials), None))
    assert "5 results · 3 went on · 1 failed" in found
    assert "3 results · 1 went on" in found
    assert "2 results · the top" in found
    assert "7 trials" in found


def test_workers() -> None:
    def span(worker: str, start: float, end: float | None, how: str) -> Span:
        return Span(worker, START + timedelta(seconds=start), 0, end and START + timedelta(seconds=end), how)  # type: ignore[arg-type]

    trials = [
        trial(0, [0.5], spans=[span("gpu-10", 0, 4, "retry"), span("gpu-2", 4, 8, "pause")], created=START),
        trial(1, [0.5], spans=[span("gpu-10", 2, 6, "pause")]),
        trial(2, [0.5], spans=[span("gpu-10", 6, None, "")]),
    ]
    shown = draw("workers", search(trials), None)
    axes: Any = shown.figure.axes[0]
    bars = [each for each in axes.collections if isinstance(each, PolyCollection)]
    assert [len(each.get_paths()) for each in bars] == [1, 2, 1]  # gpu-10 held two at once
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gpu-2", "gpu-10", ""]
    assert {line.get_marker() for line in axes.get_lines()} == {"x", ">"}
    assert any("2 workers, 4 assignments, busy 58% of the time" in each for each in texts(shown))


def several(trials: Sequence[TrialData], *names: str, constraints: Sequence[str] = ()) -> SearchData:
    """A search with these objectives, of which larger is better where the name says so; the first is the metric."""
    data = search(trials, metric=names[0])
    metrics = [{"name": name, "goal": "maximize" if name == "gain" else "minimize"} for name in names]
    searcher = {**data.config["searcher"], "metrics": metrics, "outcome_constraints": [*constraints]}
    data.config = {**data.config, "searcher": searcher}
    return data


def told(number: int, loss: float, *, length: int = 9, **further: float) -> TrialData:
    return trial(number, [loss] * length, told=further)


TWO = several(
    [
        told(0, 0.1, gain=1.0, heat=0.0),
        told(1, 0.2, gain=2.0, heat=0.0),
        told(2, 0.2, gain=1.5, heat=0.0),  # dominated by the one before
        told(3, 0.0, gain=9.0, heat=3.0),  # too hot
        told(4, 0.05, gain=5.0, heat=0.0, length=3),  # not at the top
        told(5, 0.3, heat=0.0),  # without a gain
        told(6, 0.1, gain=1.0, heat=0.0),  # as good as the first
        told(7, 0.01, gain=math.nan, heat=0.0),
        told(8, 0.01, gain=7.0),  # without what is constrained
        trial(9, [0.01] * 9, state="invalid", told={"gain": 9.0, "heat": 0.0}),
        trial(10, [0.01] * 9, state="failed", told={"gain": 9.0, "heat": 0.0}),
    ],
    "loss",
    "gain",
    constraints=["heat <= 2.0"],
)


def test_who_is_on_the_front() -> None:
    found = standings(TWO)
    assert found is not None
    assert [number for number, each in found.items() if each.on_front] == [0, 1, 6]
    assert [found[number].violation for number in (0, 3, 8)] == [0.0, 0.5, None]
    assert found[5].values == {"loss": 0.3}
    columns = {column.name: column.values for column in trials_table(TWO)}
    assert columns["on_front"] == [number in (0, 1, 6) for number in range(11)]
    assert columns["violation"][3] == 0.5
    early = several([told(0, 0.5, gain=1.0, length=1), told(1, 0.5, gain=1.0, length=3)], "loss", "gain")
    assert [each.on_front for each in (standings(early) or {}).values()] == [False, True]
    assert standings(SEARCHES["few"]) is None
    assert "on_front" not in {column.name for column in trials_table(SEARCHES["few"])}
    reversed_bound = several([told(0, 0.5, gain=1.0)], "loss", "gain", constraints=["gain >= 4.0"])
    assert [each.violation for each in (standings(reversed_bound) or {}).values()] == [0.75]


def test_the_front() -> None:
    shown = draw("front", TWO, None)
    axes: Any = shown.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("loss (smaller is better)", "gain (larger is better)")
    dots = {each.get_label(): each.get_offsets().tolist() for each in axes.collections}
    assert dots["on the front: 3"] == [[0.1, 1.0], [0.1, 1.0], [0.2, 2.0]]
    assert dots["violates a constraint: 1"] == [[0.0, 9.0]]
    (others,) = (places for label, places in dots.items() if label.startswith("dominated, or not trained to the end"))
    assert [0.05, 5.0] in others
    (line,) = axes.get_lines()
    assert line.get_drawstyle() == "steps-post"
    assert "8 trials" in texts(shown)
    assert shown._repr_png_().startswith(b"\x89PNG")
    swapped: Any = draw("front", TWO, None, ["gain", "loss"]).figure.axes[0]
    assert swapped.get_xlabel() == "gain (larger is better)"
    assert swapped.get_lines()[0].get_drawstyle() == "steps-pre"


def test_axes_of_the_front() -> None:
    three = several([told(0, 0.1, gain=1.0, size=3.0), told(1, 0.2, gain=1.0, size=2.0)], "loss", "gain", "size")
    axes: Any = draw("front", three, None, ["size", "loss"]).figure.axes[0]
    assert axes.get_xlabel() == "size (smaller is better)"
    assert axes.get_lines() == []  # of three objectives the front is no line
    for wrong in (["loss"], ["loss", "loss"], ["loss", "heat"]):
        with pytest.raises(InvalidArgument, match=r"axes: got 'loss'.*wanted two of 'loss', 'gain', 'size'"):
            draw("front", three, None, wrong)
    with pytest.raises(InvalidArgument, match="axes: got axes for the picture curves"):
        check_kind("curves", ["loss", "gain"])
    assert "the search has one objective" in texts(draw("front", SEARCHES["few"], None))
    assert "no result with all objectives yet" in texts(draw("front", several([UNDER_WAY], "loss", "gain"), None))


def test_files(tmp_path: Path) -> None:
    shown = draw("best", SEARCHES["odd names"], None)
    for name in ("p.png", "p.svg", "p.html", "P.PDF"):
        shown.save(tmp_path / name)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "P.PDF").read_bytes().startswith(b"%PDF")
    svg = (tmp_path / "p.svg").read_text()
    assert any(
        "$x^{2$ <b>&" in (each.text or "") for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    )
    page = (tmp_path / "p.html").read_text()
    assert "<svg" in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*""", page) == []
    assert "<script" not in page
    again = draw("best", SEARCHES["odd names"], None)
    again.save(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == svg


def test_what_cannot_be_drawn_or_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = draw("best", SEARCHES["empty"], None)
    with pytest.raises(InvalidArgument, match=r"path: got '.*p\.gif', wanted a name that ends in \.png, \.svg"):
        shown.save(tmp_path / "p.gif")
    with pytest.raises(OSError, match="absent"):
        shown.save(tmp_path / "absent" / "p.png")
    with pytest.raises(InvalidArgument, match="kind: got 'pie', wanted one of best, curves"):
        check_kind("pie")
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    with pytest.raises(FailedPrecondition, match=r"pip install 'rungway\[plot\]'$") as failed:
        check_kind("best")
    assert failed.value.reason == "NOT_INSTALLED"


def test_the_settings_of_the_caller_stay() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": True, "svg.fonttype": "path"}):
        draw("best", SEARCHES["few"], None)._repr_png_()
        assert (mpl.rcParams["text.parse_math"], mpl.rcParams["svg.fonttype"]) == (True, "path")
    assert repr(draw("best", SEARCHES["few"], None)) == "Picture(best: 'digits: best loss so far')"
    assert picture.KINDS == ("best", "curves", "importance", "parallel", "ladder", "workers", "front")
