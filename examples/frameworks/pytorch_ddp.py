"""DistributedDataParallel: several processes train each trial together, and rank 0 asks and reports for them.

    rungway create examples/frameworks/search.yaml --name ddp
    RUNGWAY_EXPERIMENT=ddp RUNGWAY_CHECKPOINTS=/shared/checkpoints \
        torchrun --nproc-per-node 2 examples/frameworks/pytorch_ddp.py

When a process dies, all end: start the same command again, and the training goes on.
"""

import torch
from record import record
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from rungway import Client, Preempted
from rungway.distributed import trials
from rungway.integrations.torch import load_state, save_state

STEPS = 12  # in an epoch
distributed.init_process_group("gloo")  # "nccl" where there are GPUs
rank, size = distributed.get_rank(), distributed.get_world_size()
torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x[:, :1] * x[:, 1:2]).tanh()
mine = slice(rank, None, size)

try:
    for trial in trials(Client() if rank == 0 else None):
        with trial:
            torch.manual_seed(1000 * trial.number + rank)
            network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
            model = DistributedDataParallel(network)  # all ranks begin with the weights of rank 0
            optimizer = torch.optim.AdamW(model.parameters(), trial.hparams["learning_rate"])
            scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=trial.max_length * STEPS + 1)
            parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
            done = 0
            if folder := trial.restore():
                done = load_state(folder, **parts)["done"]
            for epoch in trial.lengths():
                while done < epoch * STEPS:
                    some = torch.randint(256 // size, (16,))
                    loss = torch.nn.functional.mse_loss(model(x[mine][some]), y[mine][some])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    if rank == 0:
                        record(trial.number, done, optimizer.param_groups[0]["lr"])
                    scheduler.step()
                    done += 1
                    if trial.must_leave():
                        trial.leave(save=lambda folder: save_state(folder, **parts, done=done))
                with torch.no_grad():
                    loss = torch.nn.functional.mse_loss(model(x), y).item()
                if not trial.report(epoch, loss, save=lambda folder: save_state(folder, **parts, done=done)):
                    break
except Preempted as why:
    print(why)
distributed.destroy_process_group()
