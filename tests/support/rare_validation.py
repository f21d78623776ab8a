"""A training script that validates every 100 batches, whatever the rungs, as each kind of loop.

Run it by `python -m tests.support.rare_validation LOOP TARGET NAME FOLDER`.
"""

import asyncio
from pathlib import Path

from rungway import Assignment, AsyncClient, Client, Report, Result
from tests.support.training import VALIDATE_EVERY, network_of, run_loop


def trials(client: Client, folder: Path) -> None:
    for trial in client.trials():
        with trial, network_of(trial, folder) as network:
            for batch in trial.lengths():
                network.step()
                if batch % VALIDATE_EVERY == 0:
                    trial.report(batch, network.validate(), checkpoint=network.save)


def train(assignment: Assignment, folder: Path) -> Result:
    """Train up to the next decision, and validate there as well."""
    with network_of(assignment, folder) as network:
        reports = []
        for batch in range(assignment.from_length + 1, assignment.next_decision + 1):
            network.step()
            if batch % VALIDATE_EVERY == 0 or batch == assignment.next_decision:
                reports.append(Report(batch, network.validate()))
        return Result(assignment, reports, network.save())


def ask(client: Client, folder: Path) -> None:
    while assignment := client.ask():
        client.tell_many([train(assignment, folder)])


async def async_trials(client: AsyncClient, folder: Path) -> None:
    async for trial in client.trials():
        async with trial:
            with network_of(trial, folder) as network:
                async for batch in trial.lengths():
                    network.step()
                    if batch % VALIDATE_EVERY == 0:
                        await trial.report(batch, network.validate(), checkpoint=network.save)


async def async_ask(client: AsyncClient, folder: Path) -> None:
    while assignment := await client.ask():
        await client.tell_many([await asyncio.to_thread(train, assignment, folder)])


if __name__ == "__main__":
    run_loop(trials, ask, async_trials, async_ask)
