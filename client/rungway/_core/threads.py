"""The same work in several threads of one process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def run_in_threads(work: Callable[[], None], threads: int, name: str, stop: Callable[[], None]) -> None:
    """Call `work` in so many threads, or here when it is one, until all calls have returned. Raises the first error of
    one; `stop` is called as soon as it is seen, also for an interrupt, and has to end the others."""
    if threads == 1:
        work()
        return
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        futures = [pool.submit(work) for _ in range(threads)]
        try:
            for each in futures:
                each.result()
        finally:
            stop()
