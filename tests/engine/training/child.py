"""A training in a process of its own, for tests that kill it or start several.

usage: child.py OUT RECIPE.json [--resume] [--plain] [--validate]
--plain: a network without batch norm; --validate: only the validation figures of fold 0's last.pt.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from segkit import build
from segkit.data.loader import Loader, LoaderSettings
from segkit.data.store import open_prepared
from segkit.engine import distributed
from segkit.engine.runs import open_run
from segkit.engine.training.crossval import TrainingOptions, train
from segkit.engine.training.objective import Objective
from segkit.engine.training.validate import validate
from segkit.recipe import from_dict


class Plain(nn.Module):
    """Two convolutions and no batch norm: the same whatever the batch is cut into."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)
        )

    def forward(self, image):
        return self.body(image)


def main(out, settings, *words):
    torch.set_num_threads(1)
    if "--plain" in words:
        build.create = lambda name, **config: Plain()
    recipe = from_dict(json.loads(Path(settings).read_text()))
    if "--validate" in words:
        return validate_checkpoint(Path(out), recipe)
    options = TrainingOptions(
        device="cpu", score=False, resume="--resume" in words, save_minutes=0.0005, workers=1
    )
    for event in train(recipe, Path(out), options):
        if event["event"] == "epoch":
            print(json.dumps(event.document()), flush=True)
    return None


def validate_checkpoint(out, recipe):
    """Figures of the training part under the run's best weights, by however many processes."""
    distributed.join("cpu")
    run = open_run(out)
    prepared = open_prepared(run.card["root"])
    loader = Loader(
        prepared,
        run.split.folds[0].train,
        LoaderSettings(batch=recipe.train.batch),
        rank=distributed.rank(),
        world=distributed.world(),
    )
    figures = validate(run.load_model(0), loader, Objective(recipe.loss))
    if distributed.is_main():
        (out / f"figures{distributed.world()}.json").write_text(json.dumps(figures))
    distributed.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
