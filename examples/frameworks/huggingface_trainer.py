"""The Trainer of Hugging Face, with a small BERT made here: nothing is downloaded.

rungway create examples/frameworks/search.yaml --name hf
RUNGWAY_EXPERIMENT=hf RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/huggingface_trainer.py
"""

import tempfile

import torch
from record import record
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.transformers import RungwayCallback

torch.manual_seed(0)
tokens = torch.randint(1, 50, (64, 8))
texts = [{"input_ids": each, "labels": int(each[0] > 25)} for each in tokens]
small = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)


class Steps(TrainerCallback):
    def __init__(self, trial):
        self.trial = trial

    def on_step_end(self, args, state, control, lr_scheduler, **_):
        record(self.trial.number, state.global_step, lr_scheduler.get_last_lr()[0])


try:
    for trial in trials(Client()):
        with trial, tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(trial.number)
            arguments = TrainingArguments(
                folder,
                num_train_epochs=trial.max_length,  # the schedule spans the search
                learning_rate=trial.hparams["learning_rate"],
                lr_scheduler_type="cosine",
                warmup_steps=5,
                per_device_train_batch_size=8,
                eval_strategy="epoch",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                seed=trial.number,
            )
            callbacks = [Steps(trial), RungwayCallback(trial, "eval_loss")]
            model = BertForSequenceClassification(small)
            trainer = Trainer(model, arguments, train_dataset=texts, eval_dataset=texts[:32], callbacks=callbacks)
            trainer.train(resume_from_checkpoint=trial.restore())
except Preempted as why:
    print(why)
