"""Renews leases and tells reports in threads."""

import threading
from dataclasses import replace
from functools import partial

from rungway._core.calls import WorkerCalls
from rungway._core.keeping import Duty, duties, keep
from rungway._sync.driver import SyncDriver


class LeaseKeeper:
    """Daemon threads, one for each duty. A thread ends when there is nothing to keep; `ensure` starts it again."""

    def __init__(self, driver: SyncDriver, calls: WorkerCalls) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._duties = duties(calls)
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False

    def ensure(self) -> None:
        """Start each thread that has something to keep and is not running."""
        for duty in self._duties:
            with self._lock:
                running = self._threads.get(duty.name)
                if self._closed or (running is not None and running.is_alive()) or duty.pause() is None:
                    continue
                thread = threading.Thread(target=self._main, args=(duty,), name=duty.name, daemon=True)
                thread.start()
                self._threads[duty.name] = thread

    def stop(self) -> None:
        """Start no more threads."""
        with self._lock:
            self._closed = True

    def join(self) -> None:
        """Wait for the end of the threads. Call `stop`, and close the driver, before."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _main(self, duty: Duty) -> None:
        self._driver.run(keep(replace(duty, pause=partial(self._pause_or_end, duty))))

    def _pause_or_end(self, duty: Duty) -> float | None:
        with self._lock:  # so that `ensure` sees either a thread that goes on or none at all
            if (pause := duty.pause()) is None:
                self._threads.pop(duty.name, None)
            return pause
