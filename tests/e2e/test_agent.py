"""`rungway agent` tunes scripts that know nothing of Rungway, while they and the agent itself are killed."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rungway import Client, Outcome, Trial, TrialState, choice, uniform
from tests.support.agents import Process, running, script
from tests.support.calls import unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import is_running, wait_until

SPACE = {"rate": uniform(0.1, 0.9)}
HALVING = {"name": "async_halving", "num_rungs": 3, "divisor": 3, "max_trials": 9, "max_length": {"epochs": 9}}
SINGLE = {"name": "random", "max_trials": 1, "max_length": {"epochs": 3}}
TRAIN = """
{before}
epoch=1
while [ $epoch -le $RUNGWAY_TO_LENGTH ]; do
    echo "epoch $epoch"
    echo "rungway: epoch=$epoch error=$(echo "$1 $epoch" | awk '{{ print $1 / $2 }}')"
    {each}
    epoch=$((epoch + 1))
done
"""
HANGS = """
case $RUNGWAY_TRIAL in {trials}) mkdir "hung-$RUNGWAY_TRIAL" 2>/dev/null && {{
    echo $$ >"hung-$RUNGWAY_TRIAL/new" && mv "hung-$RUNGWAY_TRIAL/new" "hung-$RUNGWAY_TRIAL/pid"
    sleep 1000
}} ;; esac
"""
"""The first start for each of these trials hangs, with a process of its own."""


@pytest.fixture
def client(target: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose experiment does not exist yet."""
    with Client(target, experiment=unique_name("agent")) as found:
        yield found


def create(client: Client, searcher: dict[str, object], space: dict[str, object] | None = None, **more: object) -> None:
    document = {"hyperparameters": space or SPACE, "searcher": {"metric": "error", **searcher}, **more}
    client.create_experiment(client.config.experiment, document)


def agent(client: Client, *arguments: str) -> list[str]:
    """The arguments of an agent for the client's search."""
    return ["agent", client.config.experiment, "--target", client.config.target, *arguments]


def hung(folder: Path, trial: int, by: Process) -> int:
    """The process that hangs in a trial."""
    path = folder / f"hung-{trial}" / "pid"
    wait_until(lambda: path.exists() or by.process.poll() is not None)
    assert path.exists(), by.said()
    return int(path.read_text())


def reasons(client: Client, trial: int) -> Counter[str]:
    """How often the trial was handed out, promoted, … for each reason."""
    return Counter(event.explanation.reason for event in client.explain_trial(trial) if event.explanation)


def only(client: Client) -> Trial:
    """The trial of a search with one."""
    (found,) = client.list_trials()
    return found


def test_a_shell_script_is_tuned_while_it_and_the_agent_are_killed(client: Client, tmp_path: Path) -> None:
    create(client, HALVING, lease_seconds=3)
    command = ["-n", "2", "--", script(tmp_path, TRAIN.format(before=HANGS.format(trials="1|3"), each="")), "{rate}"]
    with running(tmp_path, *agent(client, *command)) as first:
        os.kill(hung(tmp_path, 1, first), signal.SIGKILL)
        left = hung(tmp_path, 3, first)
        wait_until(lambda: client.get_trial(1).state is not TrialState.RUNNING)
        first.process.kill()
        first.wait()
    wait_until(lambda: not is_running(left))  # no command outlives its agent
    with running(tmp_path, *agent(client, "-o", "json", *command)) as second:
        assert second.wait() == 0, second.said()
    found = second.document()
    trials = client.list_trials()
    best = client.best()
    assert best is not None
    assert (found["state"], found["trials"], found["failed"]) == ("done", 9, 0)
    assert (found["best"]["trial"], found["best"]["metric"]) == (best.trial, best.best_metric)
    assert {trial.state for trial in trials} == {TrialState.COMPLETED, TrialState.PAUSED}
    assert best.length == 9
    assert best.best_metric == pytest.approx(min(trial.hparams["rate"] for trial in trials) / 9, rel=1e-4)
    requeued = {number for number in range(9) if reasons(client, number)["requeued"]}
    assert {1, 3} <= requeued
    assert len(requeued) <= 3  # the first agent may have had a second trial under way when it was killed
    logs = tmp_path / "rungway-logs" / client.config.experiment
    assert sorted(path.name for path in logs.iterdir()) == [f"trial-{number:05}.log" for number in range(9)]
    assert "epoch 9\n" in (logs / f"trial-{best.trial:05}.log").read_text()


def test_sigterm_gives_the_trial_back_with_what_the_script_says_last(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE)
    path = script(
        tmp_path,
        """
        trap 'echo "rungway: epoch=2 error=0.25 checkpoint=\\"at 2.pt\\""; exit 1' TERM
        echo "rungway: epoch=1 error=0.5"; touch begun
        while :; do sleep 0.05; done
        """,
    )
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        wait_until((tmp_path / "begun").exists)
        process.process.terminate()
        assert process.wait() == 128 + signal.SIGTERM, process.said()
    trial = only(client)
    assert (trial.state, trial.restarts, trial.length, trial.metric) == (TrialState.QUEUED, 0, 2, 0.25)
    assert (trial.checkpoint, trial.checkpoint_length) == ("at 2.pt", 2)


def test_what_does_not_heed_sigterm_is_killed_with_all_its_processes(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE)
    path = script(tmp_path, "trap '' TERM; sleep 1000 & echo $! $$ >new; mv new pids; while :; do sleep 0.05; done")
    with running(tmp_path, *agent(client, "--grace", "0.3", "--", path, "{rate}")) as process:
        wait_until((tmp_path / "pids").exists)
        process.process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT, process.said()
    wait_until(lambda: not any(map(is_running, map(int, (tmp_path / "pids").read_text().split()))))
    assert (only(client).state, only(client).restarts) == (TrialState.QUEUED, 0)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_the_signals_of_batch_systems_give_the_trial_back(
    client: Client, tmp_path: Path, number: signal.Signals
) -> None:
    create(client, SINGLE)
    path = script(tmp_path, "touch begun; exec sleep 1000")
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        wait_until((tmp_path / "begun").exists)
        process.process.send_signal(number)
        assert process.wait() == 128 + number, process.said()
    assert (only(client).state, only(client).restarts) == (TrialState.QUEUED, 0)


def test_a_signal_that_the_script_gets_first_is_no_failure_of_it(client: Client, tmp_path: Path) -> None:
    """A batch system sends it to every process of a job."""
    create(client, SINGLE)
    path = script(tmp_path, "echo $$ >new; mv new pid; exec sleep 1000")
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        wait_until((tmp_path / "pid").exists)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        process.process.terminate()
        assert process.wait() == 128 + signal.SIGTERM, process.said()
    assert (only(client).state, only(client).restarts) == (TrialState.QUEUED, 0)


def test_until_gives_the_trial_back_in_time(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE)
    path = script(
        tmp_path,
        """
        trap 'echo "rungway: epoch=2 error=0.25 checkpoint=at-2"; exit 1' TERM
        echo "rungway: epoch=1 error=0.5"; touch begun
        while :; do sleep 0.05; done
        """,
    )
    for seconds in (1, 10, 60):  # on a busy machine the script may not have begun after the first
        arguments = ["--until", f"{60 + seconds}s", "--grace", "60", "-o", "json", "--", path, "{rate}"]
        with running(tmp_path, *agent(client, *arguments)) as process:
            assert process.wait() == 0, process.said()
        if (tmp_path / "begun").exists():
            break
    assert process.document()["state"] == "interrupted"
    assert "the time of --until comes near" in process.said()
    trial = only(client)
    assert (trial.state, trial.restarts, trial.length, trial.checkpoint) == (TrialState.QUEUED, 0, 2, "at-2")


def test_an_agent_ends_after_its_last_run(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE | {"max_trials": 9})
    command = ["--", script(tmp_path, "echo rungway: error=$1"), "{rate}"]
    with running(tmp_path, *agent(client, "--max-runs", "4", "-n", "3", "-o", "json", *command)) as process:
        assert process.wait() == 0, process.said()
    assert (process.document()["state"], process.document()["trials"]) == ("running", 4)
    assert [trial.state for trial in client.list_trials()] == [TrialState.COMPLETED] * 4
    with running(tmp_path, *agent(client, "--max-runs", "9", *command)) as process:
        assert process.wait() == 0, process.said()
    assert client.get_experiment().trials.started == 9


def test_each_gpu_has_one_script_that_sees_no_other(client: Client, tmp_path: Path) -> None:
    """Numbers count the GPUs of the variable that the agent was started with."""
    create(client, SINGLE | {"max_trials": 9})
    path = script(
        tmp_path,
        """
        mkdir "on-$CUDA_VISIBLE_DEVICES" || exit 9
        echo "$CUDA_VISIBLE_DEVICES $RUNGWAY_PLACE" >>seen
        while [ $(wc -l <seen) -lt 2 ]; do sleep 0.02; done
        rmdir "on-$CUDA_VISIBLE_DEVICES"
        echo rungway: error=1
        """,
    )
    environment = {"CUDA_VISIBLE_DEVICES": "4,GPU-a,7"}
    arguments = agent(client, "--gpus", "0,2", "--", path, "{rate}")
    with running(tmp_path, *arguments, environment=environment) as process:
        assert process.wait() == 0, process.said()
    assert set((tmp_path / "seen").read_text().splitlines()) == {"4 0", "7 1"}
    assert client.get_experiment().trials.failed == 0


@pytest.mark.skipif(shutil.which("perl") is None, reason="there is no perl")
def test_a_perl_script_that_cannot_be_changed_is_tuned(client: Client, tmp_path: Path) -> None:
    """It writes a log of its own kind, with a progress bar before each line."""
    create(client, HALVING)
    program = r"""
        my ($rate, $epochs) = @ARGV;
        $| = 1;
        for my $epoch (1 .. $epochs) {
            printf "\r100%%|####|\r[%d/%d] valid error: %.6f (time %.1f s)\n", $epoch, $epochs, $rate / $epoch, 0.5;
        }
    """
    (tmp_path / "train.pl").write_text(program)
    regex = r"\[(?P<epoch>\d+)/\d+\] valid error: (?P<metric>\S+) \(time (?P<cost>\S+)"
    command = ["perl", "train.pl", "{rate}", "{epochs}"]
    with running(tmp_path, *agent(client, "-n", "2", "--metric-regex", regex, "--", *command)) as process:
        assert process.wait() == 0, process.said()
    best = client.best()
    assert best is not None
    assert (best.length, client.get_experiment().trials.failed) == (9, 0)
    assert best.best_metric == pytest.approx(min(each.hparams["rate"] for each in client.list_trials()) / 9, rel=1e-4)
    assert {report.cost for report in client.get_trial(best.trial).curve or ()} == {0.5}


def test_a_stop_ends_a_script_that_would_go_on_for_ever(client: Client, tmp_path: Path) -> None:
    """It never looks at the length it is given, and is trained further in place where it is promoted."""
    create(client, HALVING | {"stop_once": True})
    path = script(
        tmp_path,
        """
        echo $$ >>pids; sleep 1000 & echo $! >>pids
        epoch=0
        while epoch=$((epoch + 1)); do echo "rungway: epoch=$epoch error=$1"; sleep 0.02; done
        """,
    )
    with running(tmp_path, *agent(client, "-n", "3", "--", path, "{rate}")) as process:
        assert process.wait() == 0, process.said()
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 18  # one start for each trial: none was run again
    wait_until(lambda: not any(map(is_running, pids)))
    assert max(trial.length for trial in client.list_trials()) == 9
    assert {trial.state for trial in client.list_trials()} == {TrialState.COMPLETED, TrialState.STOPPED}


def test_a_script_with_checkpoints_trains_nothing_twice(client: Client, tmp_path: Path) -> None:
    create(client, HALVING)
    path = script(
        tmp_path,
        """
        epoch=$RUNGWAY_FROM_LENGTH
        [ "$epoch" -gt 0 ] && [ "$(cat "$2")" != "$epoch" ] && exit 9
        while [ $epoch -lt "$3" ]; do
            epoch=$((epoch + 1))
            echo "$RUNGWAY_TRIAL $epoch" >>trained
            echo $epoch >"saved-$RUNGWAY_TRIAL-$epoch"
            echo "rungway: epochs=$epoch error=$1 checkpoint=saved-$RUNGWAY_TRIAL-$epoch"
        done
        """,
    )
    with running(tmp_path, *agent(client, "-n", "2", "--", path, "{rate}", "{checkpoint}", "{epochs}")) as process:
        assert process.wait() == 0, process.said()
    trained = Counter((tmp_path / "trained").read_text().splitlines())
    assert set(trained.values()) == {1}
    assert len(trained) == client.get_experiment().trained_length


FAILS = [
    ("exit code 3", "echo some trouble >&2; exit 3", "exit code 3\nsome trouble"),
    ("ended by a signal", "kill -SEGV $$", "ended by SIGSEGV"),
    ("no result", "echo done", "exit code 0, but no result: wanted a line `rungway: epochs=N error=X`"),
    ("beyond the length", "echo 'rungway: epoch=10 error=0.5'", "its first result is at 10, but it was to train to 3"),
]


@pytest.mark.parametrize(("what", "text", "message"), FAILS, ids=[what for what, _, _ in FAILS])
def test_a_script_that_fails_fails_its_trial(
    client: Client, tmp_path: Path, what: str, text: str, message: str
) -> None:
    create(client, SINGLE, max_restarts=1)
    with running(tmp_path, *agent(client, "--", script(tmp_path, text), "{rate}")) as process:
        assert process.wait() == 1, process.said()
    trial = only(client)
    assert (trial.state, trial.metric) == (TrialState.FAILED, None)
    assert message in trial.message
    assert message.split("\n")[0] in process.said()


def test_exit_code_0_before_the_length_has_finished_the_trial(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE)
    path = script(tmp_path, "echo 'rungway: epoch=2 error=0.5'")
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        assert process.wait() == 0, process.said()
    assert (only(client).outcome, only(client).length) == (Outcome.FINISHED, 2)


def test_lines_that_cannot_be_used_are_said_once_and_the_others_count(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE | {"max_trials": 3})
    path = script(
        tmp_path,
        """
        echo 'rungway: epoch=1 error=low'
        echo 'rungway: epoch=1'
        printf '90%%|####|\\rrungway: epoch=2 error=nan\\n'
        echo 'not ours, rungway: epoch=2 error=9'
        echo 'rungway: epoch=3 error=0.5 loss=0.1 cost=2 note=good'
        """,
    )
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        assert process.wait() == 0, process.said()
    curves = [client.get_trial(number).curve or () for number in range(3)]
    assert [[report.length for report in curve] for curve in curves] == [[2, 3]] * 3
    assert [(curve[1].metrics, curve[1].cost) for curve in curves] == [({"loss": 0.1}, 2.0)] * 3
    for problem in ("error: got 'low', wanted a number", "it has no error", "note: wanted a number"):
        assert process.said().count(problem) == 1


def test_one_result_without_a_length_counts_for_the_length_given(client: Client, tmp_path: Path) -> None:
    create(client, SINGLE)
    path = script(tmp_path, "echo rungway: error=0.125")
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        assert process.wait() == 0, process.said()
    assert (only(client).length, only(client).metric, only(client).outcome) == (3, 0.125, None)


GROUPS = {
    "model": {"name": choice(["a", "b"]), "size": {"type": "int", "minval": 1, "maxval": 3}},
    "decay": uniform(0, 1, when={"model.name": "a"}),
    "classes": 10,
}
REFUSED = [
    (["{rat}"], "got {rat}, which is no hyperparameter of the search: the nearest is"),
    (["{model.size}", "--decay={decay}"], "no placeholder for {model.name}"),
    (["{model.size}", "{model.name}", "--decay", "{decay}"], "write --decay={decay}"),
]


def _grouped(client: Client) -> None:
    create(client, SINGLE | {"max_trials": 8}, GROUPS)


@pytest.mark.parametrize(("arguments", "problem"), REFUSED, ids=["unknown", "missing", "conditional"])
def test_a_command_that_does_not_fit_is_refused_before_anything_starts(
    client: Client, tmp_path: Path, arguments: list[str], problem: str
) -> None:
    _grouped(client)
    with running(tmp_path, *agent(client, "--", script(tmp_path, "touch began"), *arguments)) as process:
        assert process.wait() == 1
    assert problem in process.said()
    assert "reason: INVALID_FIELD" in process.said()
    assert client.list_trials() == []
    assert not (tmp_path / "began").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ([], 2, "no training command: write it after --"),
        (["python", "train.py", "--lr", "{rate}"], 2, "no training command: write it after --"),
        (["--lr", "1", "--", "true"], 2, "unrecognized arguments: --lr 1"),
        (["--"], 2, "no training command: write it after --"),
        (["--", "no-such-program-here"], 1, "got 'no-such-program-here', wanted a program that can be run here"),
        (["-n", "0", "--", "true"], 2, "got 0, wanted 1 to 1000"),
        (["--grace", "-1", "--", "true"], 2, "grace: got -1, wanted 0 to 86400 seconds"),
        (["--gpus", "0,1", "-n", "2", "--", "true"], 2, "gpus: got -n 2 as well, wanted one of them"),
        (["--max-runs", "0", "--", "true"], 2, "max-runs: got 0, wanted at least 1"),
        (["--until", "20s", "--", "true"], 2, "seconds from now, wanted more than the grace of 30 seconds"),
        (["--metric-regex", r"error (\S+)", "--", "true"], 1, "which has no group for the length"),
    ],
)
def test_wrong_usage(client: Client, tmp_path: Path, arguments: list[str], code: int, problem: str) -> None:
    create(client, SINGLE)
    with running(tmp_path, *agent(client, *arguments)) as process:
        assert process.wait() == code
    assert problem in process.said()


def test_values_come_as_arguments_as_variables_and_as_json(client: Client, tmp_path: Path) -> None:
    _grouped(client)
    path = script(
        tmp_path,
        """
        [ "$(cat "$RUNGWAY_PARAMS_FILE")" ] || exit 9
        cp "$RUNGWAY_PARAMS_FILE" "$RUNGWAY_TRIAL.json"
        printf '%s\\n' "$@" >"$RUNGWAY_TRIAL.arguments"
        env | grep '^RUNGWAY_' | sort >"$RUNGWAY_TRIAL.variables"
        echo "rungway: epochs=3 error=1"
        """,
    )
    arguments = [
        "--name={model.name}",
        "{model.size}",
        "--decay={decay}",
        "{classes}/{length}/{place}",
        "{{model.size}}",
        '{"a": {}}',
    ]
    with running(tmp_path, *agent(client, "--", path, *arguments)) as process:
        assert process.wait() == 0, process.said()
    trials = client.list_trials()
    assert {("decay" in trial.hparams) for trial in trials} == {True, False}
    for trial in trials:
        model, decay = trial.hparams["model"], trial.hparams.get("decay")
        given = (tmp_path / f"{trial.trial}.arguments").read_text().splitlines()
        option = [] if decay is None else [f"--decay={decay!r}"]
        rest = ["10/3/0", "{model.size}", '{"a": {}}']
        assert given == [f"--name={model['name']}", str(model["size"]), *option, *rest]
        variables = dict(
            line.split("=", 1) for line in (tmp_path / f"{trial.trial}.variables").read_text().splitlines()
        )
        assert variables.pop("RUNGWAY_PARAMS_FILE")
        assert variables == {
            "RUNGWAY_TRIAL": str(trial.trial),
            "RUNGWAY_FROM_LENGTH": "0",
            "RUNGWAY_TO_LENGTH": "3",
            "RUNGWAY_CHECKPOINT": "",
            "RUNGWAY_PLACE": "0",
            "RUNGWAY_PARAM_model_name": model["name"],
            "RUNGWAY_PARAM_model_size": str(model["size"]),
            "RUNGWAY_PARAM_classes": "10",
            **({} if decay is None else {"RUNGWAY_PARAM_decay": repr(decay)}),
        }


def test_a_search_that_fails_from_the_start_ends_the_agent(client: Client, tmp_path: Path) -> None:
    create(client, HALVING, pause_after_failures=2, max_restarts=0)
    with running(tmp_path, *agent(client, "-n", "2", "--", script(tmp_path, "exit 7"), "{rate}")) as process:
        assert process.wait() == 1
    assert "reason: FAILING" in process.said()
    assert "exit code 7" in process.said()
    assert "correct the command, run `rungway resume EXPERIMENT`" in process.said()


def test_a_stopped_search_ends_the_agent_and_its_script(client: Client, tmp_path: Path) -> None:
    """The script prints nothing: the agent hears it with the renewal of the lease."""
    create(client, SINGLE, lease_seconds=3)
    path = script(tmp_path, "echo $$ >new; mv new pid; exec sleep 1000")
    with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
        wait_until((tmp_path / "pid").exists)
        client.stop_experiment()
        assert process.wait() == 1, process.said()  # there is no result
    with suppress(ProcessLookupError):
        wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_sigterm_while_the_service_is_away_ends_agent_and_script(tmp_path: Path) -> None:
    """Nobody can be told: the lease will expire."""
    with (
        redis_on_socket() as url,
        services(url) as (service,),
        Client(service.address, experiment="away") as client,
    ):
        create(client, SINGLE)
        path = script(tmp_path, "echo $$ >new; mv new pid; exec sleep 1000")
        with running(tmp_path, *agent(client, "--", path, "{rate}")) as process:
            wait_until((tmp_path / "pid").exists)
            service.kill()
            process.process.terminate()
            assert process.wait() == 128 + signal.SIGTERM, process.said()
    assert "could not be released, its lease will expire" in process.said()
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))
