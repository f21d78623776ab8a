"""The folders in which runs find the files of the run that they go on from.

With `resumePolicy: FromVolume` Katib mounts a volume here, and in each trial the trial's own folder of it, where the
setting `suggestion_trial_dir` says.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rungway_server.katib.outcomes import Run


class NoTrialDirs(Exception):
    """The volume is missing or cannot be written; the message says why."""


class TrialDirs:
    """The folders of all trials: `root`/EXPERIMENT/TRIAL."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, experiment: str, runs: Sequence[Run]) -> None:
        """Make a folder for each run, with a copy of the files of the run before. What an earlier call whose reply got
        lost has left there is replaced. Raises NoTrialDirs."""
        if not self._root.is_dir():
            raise NoTrialDirs(f"{self._root} is no folder: suggestion_trial_dir needs `resumePolicy: FromVolume`")
        folder = self._root / experiment
        try:
            for run in runs:
                self._prepare(folder, run)
        except (OSError, shutil.Error) as error:
            raise NoTrialDirs(f"cannot prepare the folder of a run: {error}") from error

    def _prepare(self, folder: Path, run: Run) -> None:
        target, part = folder / run.name, folder / f".{run.name}"
        for left in (target, part):
            if left.exists():
                shutil.rmtree(left)
        before = folder / run.after
        if run.after and before.is_dir():
            shutil.copytree(before, part, symlinks=True)
        else:
            part.mkdir(parents=True)
        part.rename(target)
