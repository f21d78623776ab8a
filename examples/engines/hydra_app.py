"""An app of Hydra whose sweep is a search: `hydra/sweeper=rungway` keeps n_jobs slots full and prunes.

pip install 'rungway[hydra,local]', or RUNGWAY_TARGET=host:7077 for a service that is there
python examples/engines/hydra_app.py --multirun hydra/sweeper=rungway hydra.sweeper.n_trials=12 \
    'hydra.sweeper.searcher={max_length:9,divisor:3}' \
    'rate=tag(log,interval(0.001,1.9))' 'momentum=range(0,0.9,0.1)' 'kind=choice(plain,nesterov)'
"""

import time
from dataclasses import dataclass

import hydra
from hydra.core.config_store import ConfigStore

import rungway


@dataclass
class Config:
    rate: float = 0.1
    momentum: float = 0.0
    kind: str = "plain"
    pause: float = 0.0


ConfigStore.instance().store(name="app", node=Config)


@hydra.main(version_base="1.3", config_path=None, config_name="app")
def main(config: Config) -> None:
    trial = rungway.current_trial()
    place, speed = (float(word) for word in (trial.checkpoint or "8 0").split())
    for epoch in trial.lengths():
        for _ in range(3):  # gradient descent on place ** 2
            ahead = place + config.momentum * speed if config.kind == "nesterov" else place
            speed = config.momentum * speed - config.rate * 2 * ahead
            place += speed
        time.sleep(config.pause)
        if not trial.report(epoch, min(place**2, 1e9), checkpoint=f"{place} {speed}"):
            break


if __name__ == "__main__":
    main()
