"""What Python 3.11 added, for Python 3.10. Remove this module with the support of 3.10."""

import asyncio
import sys
from typing import Any

if sys.version_info >= (3, 11):
    from enum import StrEnum

    def is_cancelling(task: asyncio.Task[Any]) -> bool:
        """Whether the task was asked to end."""
        return bool(task.cancelling())

else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enum whose members are strings."""

        __str__ = str.__str__

    def is_cancelling(task: asyncio.Task[Any]) -> bool:
        """Whether the task was asked to end: Python 3.10 does not tell."""
        return False


class WeaklyHeld:
    """Base of dataclasses with slots that weak references point to (`weakref_slot` in Python 3.11)."""

    __slots__ = ("__weakref__",)


__all__ = ["StrEnum", "WeaklyHeld", "is_cancelling"]
