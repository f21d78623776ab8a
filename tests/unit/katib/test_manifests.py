"""deploy/katib: what Katib's webhook and configuration reader would refuse, and what this service would."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rungway_server.katib.suggesting import check
from rungway_server.katib.wire import api_pb2 as pb

FOLDER = Path(__file__).parents[3] / "deploy" / "katib"
EXPERIMENTS = ("asha", "adaptive-asha", "population")
_KINDS = {"double": pb.DOUBLE, "int": pb.INT, "discrete": pb.DISCRETE, "categorical": pb.CATEGORICAL}
_DISTRIBUTIONS = {"uniform": pb.UNIFORM, "logUniform": pb.LOG_UNIFORM}


def manifest(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def registered() -> dict[str, Any]:
    config = yaml.safe_load(manifest("katib-config")["data"]["katib-config.yaml"])
    assert (config["apiVersion"], config["kind"]) == ("config.kubeflow.org/v1beta1", "KatibConfig")
    return {entry["algorithmName"]: entry for entry in config["runtime"]["suggestions"]}


def message(document: Any) -> pb.Experiment:
    """The experiment as Katib's controller hands it on."""
    spec, made = document["spec"], pb.Experiment(name=document["metadata"]["name"])
    made.spec.max_trial_count, made.spec.parallel_trial_count = spec["maxTrialCount"], spec["parallelTrialCount"]
    made.spec.objective.type = {"minimize": pb.MINIMIZE, "maximize": pb.MAXIMIZE}[spec["objective"]["type"]]
    made.spec.objective.objective_metric_name = spec["objective"]["objectiveMetricName"]
    made.spec.algorithm.algorithm_name = spec["algorithm"]["algorithmName"]
    for setting in spec["algorithm"]["algorithmSettings"]:
        made.spec.algorithm.algorithm_settings.add(**setting)
    for parameter in spec["parameters"]:
        space = dict(parameter["feasibleSpace"])
        distribution = _DISTRIBUTIONS[space.pop("distribution", "uniform")]
        made.spec.parameter_specs.parameters.add(
            name=parameter["name"],
            parameter_type=_KINDS[parameter["parameterType"]],
            feasible_space=pb.FeasibleSpace(**space, distribution=distribution),
        )
    return made


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_are_valid(name: str) -> None:
    document = manifest(name)
    assert (document["apiVersion"], document["kind"]) == ("kubeflow.org/v1beta1", "Experiment")
    check(message(document))
    spec = document["spec"]
    assert spec["algorithm"]["algorithmName"] in registered()
    assert 0 < spec["parallelTrialCount"] <= spec["maxTrialCount"]
    assert 0 <= spec["maxFailedTrialCount"] <= spec["maxTrialCount"]
    settings = {each["name"]: each["value"] for each in spec["algorithm"]["algorithmSettings"]}
    assert all(isinstance(value, str) for value in settings.values())
    assert spec.get("resumePolicy") == ("FromVolume" if "suggestion_trial_dir" in settings else None)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_parameter_has_its_place_in_the_trial(name: str) -> None:
    spec = manifest(name)["spec"]
    names = {parameter["name"] for parameter in spec["parameters"]}
    template = spec["trialTemplate"]
    assert {each["reference"] for each in template["trialParameters"]} == names
    used = re.findall(r"\$\{trialParameters\.(\w+)\}", yaml.safe_dump(template["trialSpec"]))
    assert set(used) == {each["name"] for each in template["trialParameters"]}
    containers = template["trialSpec"]["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers] == [template["primaryContainerName"]]


def test_registered_algorithms_are_labels_and_leave_the_port_to_katib() -> None:
    for name, entry in registered().items():
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name)
        assert entry["args"][0] == "katib"
        assert "ports" not in entry
        assert entry["env"][0]["name"] == "POD_NAMESPACE"
