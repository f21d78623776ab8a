"""A training script with early stopping, as each kind of loop.

Run it by `python -m tests.support.early_stopping LOOP TARGET NAME FOLDER`.
"""

import asyncio
from pathlib import Path

from rungway import Assignment, AsyncClient, Client
from tests.support.training import network_of, run_loop


def trials(client: Client, folder: Path) -> None:
    for trial in client.trials():
        with trial, network_of(trial, folder) as network:
            for epoch in trial.lengths():
                network.step()
                loss = network.validate()
                over = network.is_over(loss)
                trial.report(epoch, loss, checkpoint=network.save)
                if over:
                    break


def train(assignment: Assignment, folder: Path) -> tuple[int, float, bool, str]:
    """Train up to the next decision or until early stopping ends the training."""
    with network_of(assignment, folder) as network:
        epoch, loss, over = assignment.from_length, 0.0, False
        while epoch < assignment.next_decision and not over:
            epoch += 1
            network.step()
            loss = network.validate()
            over = network.is_over(loss)
        return epoch, loss, over, network.save()


def ask(client: Client, folder: Path) -> None:
    while assignment := client.ask():
        epoch, loss, over, saved = train(assignment, folder)
        client.tell(assignment, loss, length=epoch, checkpoint=saved, finished=over)


async def async_trials(client: AsyncClient, folder: Path) -> None:
    async for trial in client.trials():
        async with trial:
            with network_of(trial, folder) as network:
                async for epoch in trial.lengths():
                    network.step()
                    loss = network.validate()
                    over = network.is_over(loss)
                    await trial.report(epoch, loss, checkpoint=network.save)
                    if over:
                        await trial.finish()
                        break


async def async_ask(client: AsyncClient, folder: Path) -> None:
    while assignment := await client.ask():
        epoch, loss, over, saved = await asyncio.to_thread(train, assignment, folder)
        await client.tell(assignment, loss, length=epoch, checkpoint=saved, finished=over)


if __name__ == "__main__":
    run_loop(trials, ask, async_trials, async_ask)
