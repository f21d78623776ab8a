"""Training loops of other libraries: checkpoints, signals and groups of processes for them, by rules that all share.

from rungway import Client
from rungway.integrations import trials

for trial in trials(Client(), checkpoints="/shared/checkpoints"):
    with trial:
        model = build(trial.hparams)
        if folder := trial.restore():
            load(model, folder)
        for epoch in trial.lengths():
            loss = train_one(model)
            if not trial.report(epoch, loss, save=lambda folder: save(model, folder)):
                break

1. The state is saved before a result is told, on all ranks, and only where a decision is due.
2. Schedules span the search: they are built for `trial.max_length`, whatever the trial may train to for now.
3. A checkpoint is `<root>/<experiment>/<trial>/<length>-<fence>`, whole or not there. The trial keeps the last two
   and that of its best result; others are removed.
4. A signal sets a flag. The loop then saves, gives the trial back at no cost, and raises Preempted.

`rungway.distributed.trials` is the same loop for a trial that several processes train. A module of this folder is
imported with the library it is for, never before.
"""

from rungway.integrations._loop import trials
from rungway.integrations._trial import ManagedTrial
from rungway.integrations.checkpoints import Checkpoints

__all__ = ["Checkpoints", "ManagedTrial", "trials"]
