"""What Python 3.11 brought, for Python 3.10."""

import asyncio
import sys
from typing import Any

if sys.version_info >= (3, 11):
    from enum import StrEnum

    def is_cancelling(task: asyncio.Task[Any]) -> bool:
        """Whether somebody asked for the end of this task."""
        return bool(task.cancelling())

else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enum whose members are texts."""

        __str__ = str.__str__

    def is_cancelling(task: asyncio.Task[Any]) -> bool:
        """Whether somebody asked for the end of this task. Python 3.10 does not tell."""
        return False


class WeaklyHeld:
    """What a weak reference can point to, for dataclasses with slots."""

    __slots__ = ("__weakref__",)


__all__ = ["StrEnum", "WeaklyHeld", "is_cancelling"]
