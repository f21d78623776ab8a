"""A loop of PyTorch: optimiser, schedule, gradient scaler and all generators of random numbers are resumed.

rungway create examples/frameworks/search.yaml --name torch
RUNGWAY_EXPERIMENT=torch RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/pytorch_loop.py
"""

import torch
from record import record

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.torch import load_state, save_state

STEPS = 12  # in an epoch
torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x[:, :1] * x[:, 1:2]).tanh()

try:
    for trial in trials(Client()):
        with trial:
            torch.manual_seed(trial.number)
            model = torch.nn.Sequential(
                torch.nn.Linear(8, 16), torch.nn.Dropout(0.1), torch.nn.Tanh(), torch.nn.Linear(16, 1)
            )
            optimizer = torch.optim.AdamW(model.parameters(), trial.hparams["learning_rate"])
            # The schedule spans the search, not what the trial may train to for now.
            scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=trial.max_length * STEPS + 1)
            scaler = torch.amp.GradScaler("cpu")
            parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
            done = 0
            if folder := trial.restore():
                done = load_state(folder, **parts)["done"]
            for epoch in trial.lengths():
                model.train()
                while done < epoch * STEPS:
                    some = torch.randint(256, (32,))
                    loss = torch.nn.functional.mse_loss(model(x[some]), y[some])
                    optimizer.zero_grad()
                    scaler.scale(loss).backward()
                    scaler.step(optimizer)
                    scaler.update()
                    record(trial.number, done, optimizer.param_groups[0]["lr"])
                    scheduler.step()
                    done += 1
                    if trial.must_leave():
                        trial.leave(save=lambda folder: save_state(folder, **parts, done=done))
                model.eval()
                loss = torch.nn.functional.mse_loss(model(x), y).item()
                if not trial.report(epoch, loss, save=lambda folder: save_state(folder, **parts, done=done)):
                    break
except Preempted as why:
    print(why)
