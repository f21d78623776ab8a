"""Work that may take long, beside the event loop: a plan, or configurations that are hard to find.

One thread does all of it, so that however much there is, the calls on the loop keep at least half of the processor.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_thread = ThreadPoolExecutor(1, thread_name_prefix="aside")


async def aside(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What the function returns or raises. A call that is cancelled while it waits for its turn is never made."""
    return await asyncio.get_running_loop().run_in_executor(_thread, lambda: work(*args, **kwargs))
