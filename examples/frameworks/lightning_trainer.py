"""Lightning. `python lightning_trainer.py pytorch_lightning` does the same with the other package.

rungway create examples/frameworks/search.yaml --name lightning
RUNGWAY_EXPERIMENT=lightning RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/lightning_trainer.py
"""

import importlib
import sys

import torch
from record import record

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.lightning import resume_path, rungway_callback

pl = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "lightning.pytorch")
torch.manual_seed(0)
x = torch.randn(96, 8)
data = torch.utils.data.TensorDataset(x, (x[:, :1] * x[:, 1:2]).tanh())


class Model(pl.LightningModule):
    def __init__(self, trial):
        super().__init__()
        self.trial = trial
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), self.trial.hparams["learning_rate"])
        # The schedule spans the search, not what the trial may train to for now.
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.trial.max_length * 12)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch, number):
        record(self.trial.number, self.global_step, self.optimizers().param_groups[0]["lr"])
        return torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, number):
        self.log("val_loss", torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1]), sync_dist=True)


try:
    for trial in trials(Client()):
        with trial:
            torch.manual_seed(trial.number)
            trainer = pl.Trainer(
                max_epochs=trial.max_length,
                callbacks=[rungway_callback(trial, "val_loss")],
                accelerator="cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            train, validation = torch.utils.data.DataLoader(data, 8), torch.utils.data.DataLoader(data, 96)
            trainer.fit(Model(trial), train, validation, ckpt_path=resume_path(trial))
except Preempted as why:
    print(why)
