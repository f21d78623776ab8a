"""One trial trained by several processes: DDP, FSDP and the like, started by torchrun or by anything that sets up
`torch.distributed`.

    torch.distributed.init_process_group()
    client = Client() if torch.distributed.get_rank() == 0 else None
    for trial in rungway.distributed.trials(client, "/shared/checkpoints"):
        with trial:
            …

Rank 0 asks and reports; every rank gets the same configuration and the same decisions. A trial has one lease, whatever
the world size.
"""

import json
import os
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from rungway._core.errors import FailedPrecondition
from rungway._sync.client import Client
from rungway.integrations._group import Alone, Group, GroupBroken
from rungway.integrations._loop import managed_trials
from rungway.integrations._trial import ManagedTrial
from rungway.integrations.checkpoints import Checkpoints

__all__ = ["GroupBroken", "trials"]
_WORD_BYTES = 2048
"""Of what a rank says at once; the text of an error is cut."""
_LONGEST_TEXT = 500


def trials(
    client: Client | None = None,
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
    *,
    timeout: float = 1800.0,
) -> Generator[ManagedTrial, None, None]:
    """Trials to run, one after the other, until the search is over; every rank runs this loop.

    `client` is that of rank 0, made there; the others give None. Without a process group it is the loop of one
    process. `timeout` is how long (seconds) a rank may come later than the others to a report or to the end of a
    trial: longer than the longest validation on one rank alone.

    What is agreed on goes over a gloo group of its own, so that nothing of it is on an accelerator. A rank that is gone
    raises GroupBroken, or an error of torch, on the others: rank 0 gives the trial back, and the processes have to end.
    Start the group anew then, torchrun and all: its own `--max-restarts` is not reliable with gloo.

    Raises FailedPrecondition (NO_CLIENT) where rank 0 has no client, and what `rungway.integrations.trials` raises.
    """
    if not distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise FailedPrecondition(
                "there are several processes and no process group: call torch.distributed.init_process_group() first",
                reason="NO_PROCESS_GROUP",
            )
        return managed_trials(Alone(), _needed(client), checkpoints)
    if distributed.get_rank() == 0:
        _needed(client)
    group: Group = TorchGroup(timeout)
    return managed_trials(group, client, checkpoints)


def _needed(client: Client | None) -> Client:
    if client is None:
        raise FailedPrecondition("rank 0 needs a client: trials(Client())", reason="NO_CLIENT")
    return client


class TorchGroup:
    """All processes of `torch.distributed`, over a gloo group of their own."""

    def __init__(self, timeout: float) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._timeout = timeout
        self._group: Any = distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout))

    def gather(self, word: Any, limit: float | None = None) -> list[Any]:
        """See Group."""
        mine = _packed(word)
        every = [torch.zeros_like(mine) for _ in range(self.size)]
        try:
            work = distributed.all_gather(every, mine, group=self._group, async_op=True)
            work.wait(timedelta(seconds=self._timeout if limit is None else limit))
        except RuntimeError as error:
            late = "imed out" in str(error)
            problem = "did not come in time" if late else "is gone"
            raise GroupBroken(f"a process of the group {problem}: {error}", late=late) from error
        return [_unpacked(each) for each in every]

    def from_first(self, value: Any) -> Any:
        """See Group."""
        box = [value]
        try:
            distributed.broadcast_object_list(box, src=0, group=self._group, device=torch.device("cpu"))
        except RuntimeError as error:
            raise GroupBroken(f"a process of the group is gone: {error}") from error
        return box[0]

    def close(self) -> None:
        """See Group."""
        group, self._group = self._group, None
        if group is not None and distributed.is_initialized():
            distributed.destroy_process_group(group)


def _packed(word: Any) -> torch.Tensor:
    """A tensor of one size for all ranks, so that one exchange does."""
    text = json.dumps(word, default=str)
    if len(text) > _WORD_BYTES:
        text = json.dumps([*word[:3], [word[3][0], word[3][1][:_LONGEST_TEXT], word[3][2]]])
    return torch.tensor(list(text.ljust(_WORD_BYTES).encode("ascii")), dtype=torch.uint8)


def _unpacked(tensor: torch.Tensor) -> Any:
    return json.loads(bytes(tensor.tolist()))
