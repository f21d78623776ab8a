"""A sharded model (FSDP): every rank writes its part of a checkpoint, all together before the result is told.

    rungway create examples/frameworks/search.yaml --name fsdp
    RUNGWAY_EXPERIMENT=fsdp RUNGWAY_CHECKPOINTS=/shared/checkpoints \
        torchrun --nproc-per-node 2 examples/frameworks/pytorch_sharded.py
"""

import torch
import torch.distributed.checkpoint as dcp
from record import record
from torch import distributed
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from rungway import Client, Preempted
from rungway.distributed import trials

STEPS = 12  # in an epoch
distributed.init_process_group("gloo")  # "nccl" where there are GPUs
rank, size = distributed.get_rank(), distributed.get_world_size()
mesh = init_device_mesh("cpu", (size,))
torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x[:, :1] * x[:, 1:2]).tanh()
mine = slice(rank, None, size)


def state_of(model, optimizer, scheduler, done):
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments, "scheduler": scheduler.state_dict(), "done": done}


try:
    for trial in trials(Client() if rank == 0 else None):
        with trial:
            torch.manual_seed(trial.number)
            model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
            fully_shard(model, mesh=mesh)
            optimizer = torch.optim.AdamW(model.parameters(), trial.hparams["learning_rate"])
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, trial.max_length * STEPS)
            done = 0
            if folder := trial.restore():
                state = state_of(model, optimizer, scheduler, done)
                dcp.load(state, checkpoint_id=folder)
                set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
                scheduler.load_state_dict(state["scheduler"])
                done = state["done"]

            def save(folder):
                dcp.save(state_of(model, optimizer, scheduler, done), checkpoint_id=folder)

            for epoch in trial.lengths():
                while done < epoch * STEPS:
                    torch.manual_seed(1000 * trial.number + done)
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
                        trial.leave(save)
                with torch.no_grad():
                    loss = torch.nn.functional.mse_loss(model(x), y).item()
                if not trial.report(epoch, loss, save):
                    break
except Preempted as why:
    print(why)
distributed.destroy_process_group()
