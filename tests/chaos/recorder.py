"""A client that writes down every attempt of every call: one JSON line when it is sent, one when it is answered.

A line is one write to a file opened for appending, so a worker killed at any moment leaves whole lines. The outcome of
a call without a second line is unknown. Times are those of the machine's monotonic clock, which all processes share.
"""

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from rungway import Client, ClientConfig, RungwayError
from rungway._core.flow import Attempt
from rungway._sync.driver import SyncDriver
from rungway._sync.keeper import LeaseKeeper


class Recorder:
    """A history file of one process; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._numbers = itertools.count()

    def note(self, **values: object) -> None:
        """Write one line."""
        os.write(self._file, (json.dumps({"at": time.monotonic(), **values}) + "\n").encode())

    def sent(self, experiment: str, rpc: str, request: Message) -> str:
        """An attempt begins. Returns its name, for `note(call=…)` when it ends."""
        name = f"{os.getpid()}.{next(self._numbers)}"
        self.note(call=name, experiment=experiment, rpc=rpc, request=MessageToDict(request))
        return name


class RecordingDriver(SyncDriver):
    """The driver of the client, which also records each attempt of a worker's call."""

    def __init__(self, config: ClientConfig, recorder: Recorder) -> None:
        super().__init__(config)
        self._experiment = config.experiment
        self._recorder = recorder

    def _attempt(self, effect: Attempt) -> Message:
        if not effect.rpc.by_worker:  # a client that waits for long reads why
            return super()._attempt(effect)
        request: Any = effect.request
        if effect.rpc.name == "Ask":  # each event then names the ask under whose lease it happened
            request.worker = request.request_id
        name = self._recorder.sent(self._experiment, effect.rpc.name, request)
        try:
            reply = super()._attempt(effect)
        except RungwayError as error:
            self._recorder.note(call=name, error=type(error).__name__, reason=error.reason, text=str(error))
            raise
        self._recorder.note(call=name, reply=MessageToDict(reply))
        return reply


class RecordedClient(Client):
    """The real client, which also records its calls."""

    def __init__(self, config: ClientConfig, recorder: Recorder) -> None:
        super().__init__(config=config)
        self._driver.close()
        self._driver = RecordingDriver(self.config, recorder)
        self._keeper = LeaseKeeper(self._driver, self._work)
