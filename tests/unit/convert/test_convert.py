"""Files of other tools, of the kind found in public: each becomes a search with as many trials as the tool runs, and
each line without a counterpart is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rungway_server.convert.convert import Converted, convert
from rungway_server.convert.draft import CannotConvert
from rungway_server.domain.documents.text import BadDocument, read_mapping
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.foreign import Tool, tool_of, tool_of_source
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.experiments import plan_search
from tests.support.command_line import run

FILES = Path(__file__).parent / "files"
CASES: dict[str, tuple[Tool, str, int, list[int]]] = {
    "wandb/random.yaml": (Tool.WANDB, "random", 40, [2, 5]),
    "wandb/grid.yaml": (Tool.WANDB, "grid", 3 * 4 * 5, [1, 9]),
    "wandb/bayes_hyperband.yaml": (Tool.WANDB, "async_halving", 60, [1, 6, 15]),
    "wandb/nested.yaml": (Tool.WANDB, "random", 15, [1, 10]),
    "wandb/min_iter.yaml": (Tool.WANDB, "async_halving", 30, [1, 5, 7, 12]),
    "wandb/endless.json": (Tool.WANDB, "random", 100, [1]),
    "katib/random.yaml": (Tool.KATIB, "random", 12, [9, 13, 27]),
    "katib/grid.yaml": (Tool.KATIB, "grid", 5 * 3 * 2, [7]),
    "katib/hyperband.yaml": (Tool.KATIB, "hyperband", 9 + 3 + 3, [6]),
    "katib/bayesian.yaml": (Tool.KATIB, "random", 25, [6, 6, 9]),
    "katib/asha.yaml": (Tool.KATIB, "async_halving", 60, [5]),
    "katib/pbt.yaml": (Tool.KATIB, "pbt", 40 + 9 * 8, [5, 7, 9]),
    "nni/search_space.json": (Tool.NNI_SPACE, "random", 100, [1, 1]),
    "nni/config.yml": (Tool.NNI, "random", 30, [3, 4, 7, 8, 11]),
    "nni/inline_grid.yml": (Tool.NNI, "grid", 5 * 2 * 3, [5, 8]),
    "nni/legacy.yml": (Tool.NNI, "random", 10, [4, 6, 8, 12, 13]),
    "nni/hyperband.yml": (Tool.NNI, "hyperband", 27 + 9 + 6 + 4, [5, 8, 10]),
    "nni/nested.yml": (Tool.NNI, "random", 50, [5]),
    "optuna/sklearn.py.txt": (Tool.OPTUNA, "random", 100, []),
    "optuna/pytorch.py.txt": (Tool.OPTUNA, "random", 40, [12, 26, 27]),
    "optuna/grid.py.txt": (Tool.OPTUNA, "grid", 9, []),
    "optuna/hyperband.py.txt": (Tool.OPTUNA, "adaptive_asha", 200, [17, 18]),
    "optuna/distributions.py.txt": (Tool.OPTUNA, "random", 25, [11]),
    "optuna/branches.py.txt": (Tool.OPTUNA, "random", 60, [16]),
    "ray/asha.py.txt": (Tool.RAY, "async_halving", 50, []),
    "ray/grid.py.txt": (Tool.RAY, "grid", 3 * 2 * 2, []),
    "ray/legacy_run.py.txt": (Tool.RAY, "async_halving", 20, []),
    "ray/mixed.py.txt": (Tool.RAY, "random", 20, [6, 7, 13, 15, 15]),
    "ray/pbt.py.txt": (Tool.RAY, "random", 4, [4]),
}
"""By file: the tool, the searcher, how many trials the other tool would start (or the number that is written where it
does not say), and the lines that are named."""


def converted(name: str) -> Converted:
    path = FILES / name
    return convert(path.read_text(), path.name.removesuffix(".txt"), lambda other: (path.parent / other).read_text())


def hyperparameters(name: str) -> Any:
    return converted(name).config["hyperparameters"]


def test_every_file_has_a_case_and_each_tool_five() -> None:
    found = [f"{path.parent.name}/{path.name}" for path in FILES.glob("*/*")]
    assert sorted(found) == sorted(CASES)
    assert all(sum(name.startswith(f"{tool.name}/") for name in found) >= 5 for tool in FILES.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_a_file_becomes_a_search(name: str) -> None:
    tool, searcher, trials, lines = CASES[name]
    found = converted(name)
    assert (found.tool, found.refused) == (tool, ())
    assert [gap.line for gap in found.gaps] == lines
    assert read_mapping(found.text, as_json=False) == found.config
    assert all(gap.what in found.text for gap in found.gaps)
    planned = plan_search(found.config)
    assert (planned.config.searcher.name, planned.plan.max_trials) == (searcher, trials)
    assert (tool_of_source if name.endswith(".txt") else lambda text: tool_of(read_mapping(text, as_json=False)))(
        (FILES / name).read_text().replace("\t", " ")
    ) is tool


@pytest.mark.parametrize(
    ("name", "parameter", "form"),
    [
        ("wandb/random.yaml", "learning_rate", {"type": "log_uniform", "minval": 0.0001, "maxval": 0.1}),
        ("wandb/random.yaml", "epochs", {"type": "const", "val": 20}),
        ("wandb/grid.yaml", "optimizer", {"type": "categorical", "vals": ["adam", "sgd", "off"]}),
        ("wandb/grid.yaml", "units", {"type": "int", "minval": 16, "maxval": 64, "step": 16, "count": 4}),
        ("wandb/nested.yaml", "noise", {"type": "lognormal", "mu": 1.5, "sigma": 1, "step": 1}),
        ("wandb/min_iter.yaml", "scheduler", {"type": "categorical", "vals": ["linear", "1e-3", "cosine"]}),
        ("katib/random.yaml", "momentum", {"type": "double", "minval": 0.5, "maxval": 0.9, "step": 0.1}),
        ("katib/grid.yaml", "batch", {"type": "categorical", "vals": [32, 64]}),
        ("katib/bayesian.yaml", "width", {"type": "log_int", "minval": 16, "maxval": 256}),
        ("nni/search_space.json", "batch_size", {"type": "int", "minval": 16, "maxval": 32}),
        ("optuna/pytorch.py.txt", "width", {"type": "int", "minval": 4, "maxval": 128}),
        ("optuna/hyperband.py.txt", "drop", {"type": "double", "minval": 0.0, "maxval": 0.5, "step": 0.1}),
        ("ray/asha.py.txt", "l1", {"type": "categorical", "vals": [4, 16, 256]}),
        ("ray/mixed.py.txt", "steps", {"type": "log_int", "minval": 1, "maxval": 999}),
        ("ray/mixed.py.txt", "noise", {"type": "normal", "mu": 10, "sigma": 2}),
    ],
)
def test_ranges_are_the_same(name: str, parameter: str, form: dict[str, object]) -> None:
    assert hyperparameters(name)[parameter] == form


def test_branches_become_conditions() -> None:
    branches = hyperparameters("optuna/branches.py.txt")
    assert {name: form.get("when") for name, form in branches.items()} == {
        "use_bias": None,
        "kind": None,
        "bias": {"use_bias": [True]},
        "blocks": {"kind": ["conv", "attention"]},
        "heads": {"kind": ["attention"]},
        "rank": {"kind": ["linear"]},
        "rate": None,  # its line is named
    }
    assert hyperparameters("optuna/pytorch.py.txt")["momentum"]["when"] == {"optimizer": ["SGD"]}
    layer = hyperparameters("nni/nested.yml")["layer0"]
    assert layer["kernel_size"]["when"] == {"layer0._name": "Conv"}


def test_what_is_drawn_is_what_the_branches_allow() -> None:
    config, _ = parse(converted("nni/nested.yml").config)
    kinds = set()
    for number in range(40):
        layer = propose(config.space, config.seed, number)["layer0"]
        assert isinstance(layer, dict)
        kinds.add(layer["_name"])
        assert layer.keys() - {"_name"} == {"Conv": {"kernel_size"}, "Max_pool": {"pooling_size"}}.get(
            layer["_name"], set()
        )
    assert kinds == {"Empty", "Conv", "Max_pool"}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("hyperparameters: {}\nsearcher: {}\n", "a.yaml", "a configuration of Rungway"),
        ("a: 1\n", "a.yaml", "its keys are those of no tool"),
        ("print(1)\n", "a.py", "neither Optuna nor Ray Tune is imported"),
        ("import optuna\ndef f(:\n", "a.py", "line 2: no Python"),
        ("from ray import tune\n", "a.py", "no mapping with calls of tune"),
        ("import optuna\nx = " + "(" * 150 + "1" + ")" * 150, "a.py", "no hyperparameters"),
        ("import optuna\nx = 1" + " + 1" * 20_000, "a.py", "maximum recursion depth"),
        ("method: random\nparameters: {lr: 3}\n", "a.yaml", "line 2: lr: got 3, wanted a mapping"),
        ("apiVersion: kubeflow.org/v1beta1\nkind: Trial\n", "a.yaml", "wanted an Experiment"),
        ("kind: Experiment\nspec:\n  nasConfig: {}\n", "a.yaml", "line 3: an architecture search"),
    ],
)
def test_what_cannot_be_converted_is_refused(text: str, name: str, said: str) -> None:
    with pytest.raises(CannotConvert) as refused:
        convert(text, name, lambda _: "")
    assert said in str(refused.value)


def test_python_is_never_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    source = f"import optuna\nopen({str(trap)!r}, 'w')\nx = trial.suggest_int('x', 1, 10 ** 10 ** 10)\n"
    source += "y = trial.suggest_float('y', 0, 1)\n"
    found = convert(source, "a.py", lambda _: "")
    assert not trap.exists()
    assert (found.gaps[-1].line, found.gaps[-1].what.split(":")[0]) == (3, "x")
    assert found.config["hyperparameters"] == {"y": {"type": "double", "minval": 0, "maxval": 1}}


@pytest.mark.parametrize(
    "value",
    ["a0", "{[1]: 2}", "{(1, 2): 3}"],
    ids=["a list of 10^9 texts", "a list as a key", "a tuple as a key"],
)
def test_a_value_that_is_endless_or_cannot_be_is_left_out_and_named(value: str) -> None:
    lists = "".join(f"a{n} = [{', '.join([f'a{n + 1}'] * 10)}]\n" for n in range(9)) + "a9 = 'adam'\n"
    source = f"import optuna\n{lists}x = trial.suggest_categorical('x', {value})\ny = trial.suggest_float('y', 0, 1)\n"
    found = convert(source, "a.py", lambda _: "")
    assert [gap.what.split(":")[0] for gap in found.gaps if gap.line == 12] == ["x"]
    assert found.config["hyperparameters"] == {"y": {"type": "double", "minval": 0, "maxval": 1}}


def test_a_range_that_cannot_be_read_is_left_out_and_named() -> None:
    text = (
        "method: random\nrun_cap: 3\nmetric: {name: m}\nparameters:\n  lr: {min: 0.1}\n  n: {min: 1, max: 5}\n  z: 3\n"
    )
    found = convert(text, "a.yaml", lambda _: "")
    assert found.config["hyperparameters"] == {"n": {"type": "int", "minval": 1, "maxval": 5}}
    assert [gap.line for gap in found.gaps] == [5, 7]


def test_a_missing_file_beside_an_experiment_of_nni_is_named() -> None:
    def missing(name: str) -> str:
        raise BadDocument("cannot be read")

    with pytest.raises(CannotConvert, match=r"space\.json: cannot be read"):
        convert("searchSpaceFile: space.json\ntrialConcurrency: 1\n", "a.yml", missing)


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith(".txt")])
def test_a_foreign_file_is_recognised_by_its_keys(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(read_mapping((FILES / name).read_text().replace("\t", " "), as_json=False))
    (violation,) = refused.value.violations
    assert violation.field == "config"
    assert violation.description.startswith(f"this is {CASES[name][0].value}: `rungway convert FILE`")


def test_ours_are_never_taken_for_another() -> None:
    documents: list[dict[str, Any]] = [
        {"hyperparameters": {"parameters": {}}, "searcher": {}},
        {"searcher": {"name": "random"}, "method": "x", "parameters": {}},
        {"parameters": {}},
        {},
    ]
    for document in documents:
        assert tool_of(document) is None


def test_the_example_of_the_page_is_what_is_written() -> None:
    page = (Path(__file__).parents[3] / "docs" / "choosing.md").read_text(encoding="utf-8")
    sweep, ours = re.findall(r"^```yaml\n(.*?)^```", page.split("## Coming from another tool")[1], re.M | re.S)[:2]
    assert convert(sweep, "sweep.yaml", lambda _: "").text == ours


class TestCommand:
    def test_prints_the_file_and_names_the_lines(self) -> None:
        file = FILES / "katib" / "grid.yaml"
        code, out, err = run("", "convert", str(file), wide=True)
        assert code == 0
        assert read_mapping(out, as_json=False) == converted("katib/grid.yaml").config
        assert err == f"{file}:7: maxTrialCount: got 20; a grid runs all its 30 points\n"

    def test_json(self) -> None:
        code, out, _ = run("", "convert", str(FILES / "nni" / "config.yml"), "--output", "json")
        document = json.loads(out)
        assert (code, document["tool"]) == (0, "nni")
        assert document["gaps"][0] == {"line": 3, "what": document["gaps"][0]["what"]}
        assert document["config"]["searcher"]["max_trials"] == 30

    def test_writes_a_file_that_can_be_previewed(self, tmp_path: Path) -> None:
        out = tmp_path / "ours.yaml"
        source = tmp_path / "tune.py"
        source.write_text((FILES / "ray" / "asha.py.txt").read_text())
        assert run("", "convert", str(source), "--out", str(out)) == (0, "", "")
        assert "50 trials" in run("", "preview", str(out))[1]

    def test_a_result_that_is_refused_says_why(self, tmp_path: Path) -> None:
        file = tmp_path / "sweep.yaml"
        file.write_text("method: random\nrun_cap: 5\nmetric: {name: m}\nparameters:\n  a: {min: 5, max: 2}\n")
        code, out, err = run("", "convert", str(file), wide=True)
        assert code == 1
        assert out
        assert "error: the result is not complete yet\n  hyperparameters.a.minval: got 5" in err

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "sweep.json"
        file.write_text('{"method": ')
        code, _, err = run("", "convert", str(file), wide=True)
        assert (code, f"error: {file}: line 1" in err) == (2, True)

    @pytest.mark.parametrize("name", ["wandb/grid.yaml", "katib/random.yaml", "optuna/grid.py.txt", "ray/grid.py.txt"])
    @pytest.mark.parametrize("command", ["preview", "create"])
    def test_other_commands_name_it(self, command: str, name: str) -> None:
        code, out, err = run("localhost:1", command, str(FILES / name))
        assert (code in (1, 2, 3), out) == (True, "")
        if command == "preview" or name.endswith(".txt"):
            assert f"this is {CASES[name][0].value}: `rungway convert FILE`" in err

    def test_what_is_no_file_of_a_tool(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        file.write_text("a: 1\n")
        code, _, err = run("", "convert", str(file))
        assert (code, err.startswith(f"error: {file}: its keys are those of no tool")) == (2, True)


def test_misspelt_words_of_a_sweep_are_named() -> None:
    parameters = "parameters:\n  lr: {distribution: log_unifrm, min: 1, max: 2}\n  n: {min: 1, mx: 2}"
    gaps = convert(f"method: random\nrun_capp: 3\n{parameters}", "sweep.yaml", lambda other: "").gaps
    found = [f"{gap.line}: {gap.what}" for gap in gaps]
    assert "2: run_capp: has no counterpart: run_cap is meant?" in found
    assert "4: lr: 'log_unifrm' is no known distribution; the nearest is written: log_uniform" in found
    assert "5: n.mx: has no counterpart: max is meant?" in found
