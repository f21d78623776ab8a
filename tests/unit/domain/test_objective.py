"""The metric and its direction, in Rungway's words and in those of other tools."""

from typing import Any

import pytest

from rungway_server.domain.errors import Violation
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.search.ladder import Mode
from tests.unit.domain.documents import violations_of

SEARCHERS: dict[str, dict[str, Any]] = {
    "single": {"max_length": 9},
    "random": {"max_trials": 9},
    "grid": {},
    "async_halving": {"max_trials": 9, "max_length": 9, "num_rungs": 2},
    "adaptive_asha": {"max_trials": 9, "max_length": 9},
    "sync_halving": {"max_trials": 9, "max_length": 9, "num_rungs": 2},
    "adaptive": {"max_trials": 9, "max_length": 9},
    "hyperband": {"max_length": 9},
    "pbt": {"population_size": 4, "num_rounds": 2, "length_per_round": 3},
}


def read(name: str, **searcher: object) -> tuple[Any, list[str]]:
    config, notes = parse({"searcher": {"name": name, "metric": "loss", **SEARCHERS[name], **searcher}})
    again, nothing = parse(to_document(config))
    assert (again, [note for note in nothing if "searcher" in note]) == (config, [])
    return config.searcher, [note for note in notes if "searcher" in note]


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize(
    ("said", "smaller"),
    [
        ({}, True),
        ({"mode": "min"}, True),
        ({"mode": "max"}, False),
        ({"metric": {"name": "loss", "goal": "minimize"}}, True),
        ({"metric": {"name": "loss", "goal": "maximize"}}, False),
        ({"metric": {"name": "loss"}}, True),
        ({"metric": {"name": "loss", "goal": "maximize"}, "mode": "max", "smaller_is_better": False}, False),
    ],
)
def test_every_searcher_understands_the_direction(name: str, said: dict[str, object], smaller: bool) -> None:
    searcher, notes = read(name, **said)
    assert (searcher.metric, searcher.smaller_is_better, notes) == ("loss", smaller, [])


@pytest.mark.parametrize("name", ["adaptive_asha", "adaptive"])
def test_an_adaptive_search_keeps_its_own_mode(name: str) -> None:
    assert read(name, mode="aggressive")[0].mode is Mode.AGGRESSIVE
    searcher, _ = read(name, mode="max", metric="acc")
    assert (searcher.mode, searcher.smaller_is_better) == (Mode.STANDARD, False)


@pytest.mark.parametrize(
    ("said", "field", "text"),
    [
        ({"mode": "max", "smaller_is_better": True}, "mode", "got max, but smaller_is_better is true"),
        ({"mode": "min", "smaller_is_better": False}, "mode", "got min, but smaller_is_better is false"),
        ({"metric": {"name": "a", "goal": "minimize"}, "mode": "max"}, "mode", "got max, but metric.goal is minimize"),
        (
            {"metric": {"name": "a", "goal": "maximize"}, "smaller_is_better": True},
            "metric.goal",
            "got maximize, but smaller_is_better is true",
        ),
        ({"metric": {"name": "a", "goal": "max"}}, "metric.goal", "got 'max', wanted minimize or maximize"),
        ({"metric": {"name": "a", "goal": True}}, "metric.goal", "got True, wanted minimize or maximize"),
        ({"metric": {"goal": "minimize"}}, "metric.name", "missing, wanted a text"),
        (
            {"metric": {"name": "a", "direction": "max"}},
            "metric.direction",
            "unknown key, wanted one of goal, name, target",
        ),
        ({"metric": {"name": "a", "target": "x"}}, "metric.target", "got 'x', wanted a finite number"),
        (
            {"metric": {"name": "a", "target": 1}, "target_metric": 2},
            "metric.target",
            "got 1.0, but target_metric is 2",
        ),
        ({"mode": "maximum"}, "mode", "got 'maximum', wanted min or max, the direction of the metric"),
        (
            {"mode": "standard"},
            "mode",
            "got 'standard', wanted min or max, the direction of the metric; that mode is one of adaptive_asha and",
        ),
        ({"mode": True}, "mode", "got True, wanted min or max"),
    ],
)
def test_contradictions_and_other_words_are_refused(said: dict[str, object], field: str, text: str) -> None:
    section = {"name": "random", "metric": "loss", "max_trials": 5, **said}
    (violation,) = violations_of({"searcher": section})
    assert violation.field == f"searcher.{field}"
    assert violation.description.startswith(text)


def test_a_mode_that_is_neither_names_all_words() -> None:
    section = {"name": "adaptive", "metric": "loss", "max_trials": 9, "max_length": 9, "mode": "fast"}
    wanted = "wanted one of aggressive, standard, conservative, or min or max, the direction of the metric"
    assert violations_of({"searcher": section}) == [Violation("searcher.mode", f"got 'fast', {wanted}")]


def test_a_target_may_stand_beside_the_goal() -> None:
    metric = {"name": "acc", "goal": "maximize", "target": 0.9}
    assert read("random", metric=metric)[0].target_metric == 0.9
    assert read("random", metric=metric, target_metric=0.9)[0].target_metric == 0.9


LARGER = (
    "acc accuracy val_acc valAcc Accuracy val-accuracy val/acc@5 valacc top-1 mean_accuracy auc AUC roc_auc AUROC f1"
    " F1Score macroF1 r2 R^2 R² r2_score reward mean_reward episode_return bleu BLEU-4 sacrebleu rougeL mAP50 precision"
    " recall ndcg@10 pass@1 log_likelihood win_rate neg_mean_squared_error negLoss IoU dice_score"
)
SMALLER = (
    "loss error val_loss validation_error rmse nll perplexity 1-acc neg_accuracy negative_log_likelihood accuracy_loss"
    " brier_score time_to_accuracy inaccuracy metric objective x macro mapping passes_left"
)


@pytest.mark.parametrize("metric", LARGER.split())
def test_a_metric_that_sounds_larger_is_better_is_noted(metric: str) -> None:
    _, (note,) = read("random", metric=metric)
    assert repr(metric)[:20] in note
    assert "smaller_is_better" in note
    for said in ({"smaller_is_better": True}, {"smaller_is_better": False}, {"mode": "min"}, {"mode": "max"}):
        assert read("random", metric=metric, **said)[1] == []
    assert len(read("random", metric={"name": metric})[1]) == 1
    assert read("random", metric={"name": metric, "goal": "minimize"})[1] == []


@pytest.mark.parametrize("metric", SMALLER.split())
def test_any_other_metric_is_not(metric: str) -> None:
    assert read("random", metric=metric)[1] == []
