"""Work that takes longer than the event loop can spare: in a thread beside it, or in a process of its own.

A thread that computes takes half of the processor from the loop and holds each of its steps up, so only what takes
milliseconds is done in one (`aside`). What may take longer (plans, and configurations that are hard to find) is done
in one of two processes (`apart`): asks never wait behind somebody's plan. Each process begins with its first work. It
runs at a lower priority and has a limit of processor time for each piece of work.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from rungway_server.service.child import Child
from rungway_server.service.turns import Helper, Turn

P = ParamSpec("P")
R = TypeVar("R")

_thread = Helper("aside")
_processes = {turn: (Helper(f"apart-{name}"), Child()) for turn, name in ((Turn.ASK, "draw"), (Turn.CREATE, "plan"))}
_processes[Turn.PREVIEW] = _processes[Turn.CREATE]


async def in_thread(turn: Turn, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What the function returns or raises. A call that is cancelled while it waits for its turn is never made.

    Raises Overloaded when too much of the namespace waits.
    """
    result: R = await asyncio.wrap_future(_thread.submit(turn, namespace, partial(work, *args, **kwargs)))
    return result


async def in_process(turn: Turn, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Like `aside`, in another process: for a function of a module, with arguments and a result that can be pickled.

    Raises also InvalidInput when it takes too much processor time.
    """
    helper, child = _processes[turn]
    result: R = await asyncio.wrap_future(helper.submit(turn, namespace, partial(child.call, work, *args, **kwargs)))
    return result
