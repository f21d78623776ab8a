"""Reads back what a mirror wrote, with what each tool has for that."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.mirrored import Run


class TensorBoard:
    """Event files, read by the loader that TensorBoard itself uses."""

    name, digits = "tensorboard", 1e-6  # its scalars have 32 bits

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}

    def runs(self, name: str) -> dict[int, Run]:
        """All trials of a search."""
        return {int(path.name[6:]): self._run(path) for path in (self.folder / "runs" / name).glob("trial-*")}

    def _run(self, folder: Path) -> Run:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.plugins.hparams import metadata

        found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
        scalars = {tag: found.Scalars(tag) for tag in found.Tags()["scalars"]}
        texts = {
            tag: [event.tensor_proto.string_val[0].decode() for event in found.Tensors(tag)]
            for tag in found.Tags()["tensors"]
            if tag.startswith("rungway/")
        }
        lengths = [event.step for event in scalars.get("loss", [])]
        points = [
            (length, {tag: events[place].value for tag, events in scalars.items()})
            for place, length in enumerate(lengths)
        ]
        start = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        hparams = metadata.parse_session_start_info_plugin_data(start).hparams
        values = {
            "optimizer.lr": str(hparams["optimizer.lr"].number_value),
            "optimizer.name": hparams["optimizer.name"].string_value,
            "layers": f"{hparams['layers'].number_value:g}",
        }
        marks = {text.partition(":")[0] for text in texts.get("rungway/promotions", [])}
        return Run(points, texts["rungway/state"][-1], marks, values)


class Mlflow:
    """A store in a file."""

    name, digits = "mlflow", 1e-12

    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.environment: dict[str, str] = {"MLFLOW_TRACKING_URI": self.uri}

    def runs(self, name: str) -> dict[int, Run]:
        """All trials of a search."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        found = {}
        for run in client.search_runs([experiment.experiment_id], max_results=1000):
            tags, number = run.data.tags, int(run.data.tags["rungway.trial"])
            assert number not in found, "two runs for a trial"
            histories = {
                metric: sorted(client.get_metric_history(run.info.run_id, metric), key=lambda each: each.timestamp)
                for metric in run.data.metrics
            }
            points = [
                (each.step, {metric: history[place].value for metric, history in histories.items()})
                for place, each in enumerate(histories.get("loss", []))
            ]
            marks = {tag for tag in tags if tag.startswith(("promoted", "cloned"))}
            found[number] = Run(points, tags["rungway.state"], marks, run.data.params)
        return found

    def has_metrics(self) -> bool:
        """Whether it has a number already; reads the file, because the client would make what is missing in it."""
        try:
            with closing(sqlite3.connect(self.uri.removeprefix("sqlite:///"))) as store:
                return bool(store.execute("select count(*) from metrics").fetchone()[0])
        except sqlite3.OperationalError:
            return False


class Wandb:
    """Runs that are kept offline: no account is at hand."""

    name, digits = "wandb", 1e-12

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {"WANDB_MODE": "offline", "WANDB_DIR": str(folder)}

    def runs(self, name: str) -> dict[int, Run]:
        """All trials of a search, each from all the files that it has."""
        from rungway._mirror.wandb_runs import records

        found: dict[int, Run] = {}
        paths = (self.folder / "wandb").glob(f"offline-run-*/run-{name}-*.wandb")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            run = found.setdefault(int(path.stem.rpartition("-")[2]), Run())
            for record in records(path.read_bytes()):
                if record.HasField("history"):
                    row = _row(record.history)
                    assert row["_step"] == len(run.points)
                    numbers = {key: float(value) for key, value in row.items() if key[0] != "_"}
                    run.points.append((int(numbers.pop("rungway/length")), numbers))
                if record.HasField("run"):
                    assert record.run.run_group == name
                    run.marks = set(record.run.tags)
                for config in (record.config, record.run.config):
                    for item in config.update:
                        if item.key.startswith(("optimizer", "layers")):
                            run.hparams[item.key] = str(json.loads(item.value_json))
                for item in record.summary.update:
                    if "rungway/state" in (item.key, *item.nested_key):
                        run.state = json.loads(item.value_json)
        return found


def _row(history: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}


TOOLS = (TensorBoard, Mlflow, Wandb)
Tool = TensorBoard | Mlflow | Wandb


def environment(tool: Tool) -> dict[str, str]:
    """For the process of a mirror: nothing that a library would look up or send."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")} | {
        **tool.environment,
        "WANDB_ERROR_REPORTING": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
