"""Starts the commands of `rungway`, and modules of tests, by a fork of a process that has imported all they need: the
imports take most of the processor time of a start, a second for a service, and the tests start hundreds of processes.

Run as a script, this module is that process. It answers each request with two: the one that was asked for, and its
parent, which waits for it and tells how it ended. What is installed as `rungway` is started by those tests that are
about the start or the end of a process.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

Process = subprocess.Popen[bytes]
Ended = subprocess.CompletedProcess[str]

MOST_BYTES = 1_000_000
"""Of a request: words, environment and folder."""
ROOT = str(Path(__file__).parents[2])
RUNGWAY = Path(sys.executable).parent / "rungway"
READ_LATE = {"COLUMNS", "GRPC_VERBOSITY", "HOME", "NO_COLOR", "PATH", "PYTEST_CURRENT_TEST", "TERM", "TMPDIR"}
"""Variables that no library reads as it is imported."""


def start(
    *words: object,
    module: str = "",
    out: IO[bytes] | None = None,
    err: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str | Path = ".",
    new_session: bool = False,
) -> Process:
    """`rungway WORD…`, or `python -m MODULE WORD…`: a fork where that makes no difference, else the command."""
    given = dict(os.environ if environment is None else environment)
    if forks(given):
        how = {"module": module, "environment": given, "folder": str(Path(folder).resolve()), "session": new_session}
        return Forked([str(word) for word in words], (out, err), how)
    begin = [sys.executable, "-m", module] if module else [RUNGWAY]
    command = [*begin, *map(str, words)]
    return subprocess.Popen(command, stdout=out, stderr=err, env=given, cwd=folder, start_new_session=new_session)


def forks(environment: Mapping[str, str]) -> bool:
    """Whether a fork would be as the command: what the variables that differ say is read when it is needed."""
    if sys.platform != "linux":
        return False
    _, known = _source()
    differ = {name for name in {*known, *environment} if known.get(name) != environment.get(name)}
    return all(name.startswith("RUNGWAY_") or name in READ_LATE for name in differ)


class Forked(Process):
    """Such a process, to be used as if it were a child of this one."""

    def __init__(self, words: list[str], files: Sequence[IO[bytes] | None], how: Mapping[str, object]) -> None:
        self.args = [str(how["module"] or "rungway"), *words]
        self.returncode = None
        request = {"words": self.args, **how}
        descriptors = [file.fileno() if file else number for number, file in enumerate(files, start=1)]
        self._told, its_end = socket.socketpair()
        with its_end:
            requests, _ = _source()
            socket.send_fds(requests, [json.dumps(request).encode()], [*descriptors, its_end.fileno()])
        self._said = self._told.makefile("r")
        self.pid = int(self._said.readline())

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has one."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = int(self._said.readline())
            self._said.close()
            self._told.close()
        return self.returncode


def run(*words: object, timeout: float, **how: Any) -> Ended:
    """`subprocess.run` of `rungway WORD…` with its output as text; `how` as for `start`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(*words, out=out, err=err, **how)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return Ended(process.args, code, *said)


@cache
def _source() -> tuple[socket.socket, Mapping[str, str]]:
    """Where the process that forks takes requests, and its environment. It ends with this process."""
    environment = dict(os.environ)
    ours, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its_end:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(its_end.fileno())],
            pass_fds=[its_end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},  # a process with threads is not to fork
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours, environment


def _answer(requests: socket.socket) -> Any:
    """Fork for each request; in a process that was asked for, its request. None: nobody asks any more."""
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    while True:
        request, files, _, _ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not request:
            return None
        if not os.fork():
            break
        for file in files:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    requests.close()
    out, err, told = files
    if child := os.fork():
        os.close(out)
        os.close(err)
        os.write(told, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for file in files:
        os.close(file)
    return json.loads(request)


def _reap() -> None:
    """Forget the children that have ended, and keep the processor time that they used."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(request: Any) -> None:
    """Be what was asked for."""
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["words"]
    if request["module"]:
        sys.path.insert(0, ROOT)
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    else:
        from rungway_server.cli import main

        main()


if __name__ == "__main__":
    import uvloop  # noqa: F401 - like the next ones: what a service and its callers have imported

    import rungway_server.bootstrap
    import rungway_server.cli.app
    import rungway_server.metrics
    import rungway_server.monitoring
    import rungway_server.store_wide
    import rungway_server.workers  # noqa: F401
    from rungway import Client  # noqa: F401 - imported when it is named

    gc.collect()
    gc.freeze()  # memory that is not written is shared
    if wanted := _answer(socket.socket(fileno=int(sys.argv[1]))):
        _become(wanted)
