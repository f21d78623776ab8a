"""Several trials at once in one process, with AsyncClient.

python examples/asyncio_loop.py
"""

import asyncio
import contextlib
import os

from problem import CONFIG, Model

import rungway

EXPERIMENT = "sine-asyncio"


async def work(client: rungway.AsyncClient) -> int:
    """One worker: trains trials until the search is done; returns how many assignments it had."""
    done = 0
    async for trial in client.trials():
        async with trial:
            model = Model(trial.hparams, trial.checkpoint)
            for epoch in trial.lengths():
                error = await asyncio.to_thread(model.train_epoch)
                if not await trial.report(epoch, error, checkpoint=model.save):
                    break
        done += 1
    return done


async def main() -> None:
    target = os.environ.get("RUNGWAY_TARGET", "localhost:7077")
    async with rungway.AsyncClient(target, experiment=EXPERIMENT) as client:
        with contextlib.suppress(rungway.AlreadyExists):  # another worker was first
            await client.create_experiment(EXPERIMENT, CONFIG)
        shares = await asyncio.gather(*(work(client) for _ in range(4)))
        best = await client.best()
    print(f"assignments per worker: {shares}")
    if best:
        print(f"best: trial {best.trial}, {best.best_metric:.5f}, {best.hparams}")


if __name__ == "__main__":
    asyncio.run(main())
