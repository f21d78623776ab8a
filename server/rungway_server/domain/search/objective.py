"""The objective of a search: its metric and direction, as Rungway, Ray Tune or Weights & Biases write them."""

import re
import unicodedata
from collections.abc import Mapping
from math import isfinite

from rungway_server.domain.documents.fields import Section, shown
from rungway_server.domain.search.ladder import Mode


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MODES = {"min": True, "max": False}
"""Ray Tune's `mode`, with whether smaller is better."""
_GOALS = {"minimize": True, "maximize": False}
"""The `goal` of a sweep of Weights & Biases, with whether smaller is better."""
_LARGER = _set(
    "acc accuracy ap auc aucpr aucroc auprc auroc bleu cider concordance correct correlation dice elbo elo f1 f2 "
    "fbeta gain hit hits iou jaccard kappa likelihood map match mcc meteor miou mrr ndcg pass pearson pq "
    "precision profit psnr r2 recall return returns revenue reward rewards roc rocauc rouge score scores "
    "sensitivity sharpe silhouette spearman specificity speedup ssim success throughput top1 top5 tpr utility win "
    "winrate wins"
)
"""Words in names of metrics for which larger is better."""
_LARGER_ENDING = re.compile(r".*(acc|(?<!in)accuracy|auc|bleu|reward)")
"""Endings of compound words for which larger is better: valacc, sacrebleu."""
_SMALLER = _set(
    "brier cer cost crossentropy deviance distance divergence entropy err error errors failure failures fid fnr "
    "fpr hamming kl latency logloss loss losses mae mape mse nll perplexity ppl regret rmse rmsle time wer"
)
"""Words in names of metrics for which smaller is better, even beside one of the above: accuracy_loss, brier_score."""
_NEGATED = _set("inv inverse minus neg negated negative")
"""Words that reverse the direction: neg_mean_squared_error, one_minus_accuracy."""


def read_objective(section: Section, modes: bool, notes: list[str]) -> tuple[Section, str]:
    """The section with the direction as `smaller_is_better` only, and the name of the metric.

    `mode: min|max` and `metric: {name, goal, target}` are read, too; `modes`: whether the searcher has a key `mode` of
    its own. Where the direction is given more than once, all must agree.
    """
    said: list[tuple[str, object, bool]] = []  # where, what is written there, whether smaller is better
    values = dict(section.values)
    if isinstance(given := values.get("smaller_is_better"), bool):
        said.append(("smaller_is_better", str(given).lower(), given))
    metric = _metric(section, values, said)
    _mode(section, values, modes, said)
    for key, written, smaller in said[1:]:
        first, other, wanted = said[0]
        if smaller is not wanted:
            section.refuse(key, f"got {written}, but {first} is {other}: wanted one direction of the metric")
    if said:
        values["smaller_is_better"] = said[0][2]
    elif values.get("smaller_is_better") is None and sounds_larger(metric):
        notes.append(
            f"searcher: smaller is better unless smaller_is_better says otherwise, but a metric named {shown(metric)}"
            " is usually better when it is larger: set smaller_is_better to false, or to true to confirm"
        )
    return Section(values, section.path, section.violations, section.spelled), metric


def sounds_larger(metric: str) -> bool:
    """Whether larger is usually better for a metric of this name: val_accuracy, F1, mAP50, neg_mean_squared_error."""
    words = _words(metric)
    if words & _NEGATED or re.match(r"\s*1\s*-", metric):
        return bool(words & _SMALLER)
    return bool(words & _LARGER or any(map(_LARGER_ENDING.fullmatch, words))) and not words & _SMALLER


def _words(name: str) -> set[str]:
    """The words in a name, split at other characters and in camelCase, with and without trailing digits."""
    found: set[str] = set()
    joined = re.sub(r"\^|(?<=top)[-_ ](?=\d)", "", unicodedata.normalize("NFKC", name), flags=re.IGNORECASE)
    for part in re.findall(r"[A-Za-z0-9]+", joined):
        humps = re.findall(r"[A-Z]?[a-z]+[0-9]*|[A-Z]+(?![a-z])[0-9]*", part)
        for word in (part, *humps):
            found |= {word.lower(), word.lower().rstrip("0123456789")}
    return found


def _metric(section: Section, values: dict[str, object], said: list[tuple[str, object, bool]]) -> str:
    if not isinstance(values.get("metric"), Mapping):
        return section.text("metric")
    inner = section.section("metric")
    inner.allow(("name", "goal", "target"))
    values["metric"] = name = inner.text("name")
    goal = inner.values.get("goal")
    if goal is not None:
        if not isinstance(goal, str) or goal not in _GOALS:
            inner.refuse("goal", f"got {shown(goal)}, wanted {' or '.join(_GOALS)}")
        else:
            said.append(("metric.goal", goal, _GOALS[goal]))
    if inner.has("target"):
        target, other = inner.number("target"), section.values.get("target_metric")
        if isfinite(target) and other is not None and other != target:
            inner.refuse("target", f"got {shown(target)}, but target_metric is {shown(other)}: wanted one of them")
        values["target_metric"] = target if isfinite(target) else other
    return name


def _mode(section: Section, values: dict[str, object], modes: bool, said: list[tuple[str, object, bool]]) -> None:
    mode = values.get("mode")
    if isinstance(mode, str) and mode in _MODES:
        said.append(("mode", mode, _MODES[mode]))
    elif mode is None or (modes and mode in list(Mode)):
        return
    else:
        own = f"one of {', '.join(Mode)}, or " if modes else ""
        others = "" if modes or mode not in list(Mode) else "; that mode is one of adaptive_asha and adaptive"
        section.refuse("mode", f"got {shown(mode)}, wanted {own}min or max, the direction of the metric{others}")
    del values["mode"]
