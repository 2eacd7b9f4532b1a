"""Write docs/models.md: the trained networks in the box, from the facts that each of them carries.

    python -m benchmarks.models_page

How each network was trained is in its card; `TRAININGS` below are the commands, with the recipes in
benchmarks/models/, that made the runs which `segkit models pack` then turned into these folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit import paths, plugins
from segkit.engine import register
from segkit.engine.runs import open_run

TEXTS = Path(__file__).parent / "models"
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
TRAININGS = {
    "dermoscopy": "segkit train unext_s --data isic2017 --split 7:3"
    " --recipe benchmarks/models/dermoscopy.toml --seed 0",
    "nuclei": "segkit train unet --data dsb2018 --split 7:3 --recipe benchmarks/models/nuclei.toml"
    " --set model.width=8 --set model.levels=4 --seed 0",
    "vessels": "segkit train unet --data chase --split official"
    " --recipe benchmarks/models/vessels.toml --set model.width=8 --set model.levels=4 --seed 0",
}


def row(name: str, value: Any) -> str:
    """A line of the table."""
    run = open_run(name)
    recipe, dice = run.recipe, value.scores["dice_image"]
    low, high = dice["ci95"]
    history = run.folds[0].history()
    size = sum(file.stat().st_size for file in register.folder(value).rglob("*") if file.is_file())
    done = f"{len(history)} of {recipe.train.epochs}"
    cells = [
        f"`{name}`",
        f"{value.architecture}, {value.params / 1e6:.3f} M",
        value.data,
        f"{recipe.data.size[0]}×{recipe.data.size[1]}",
        done,
        f"{value.minutes:.0f}",
        f"{dice['mean']:.4f} ({low:.4f} to {high:.4f})",
        f"{value.scores['dice_pooled']['mean']:.4f}",
        str(value.pictures),
        f"{size / 1e6:.1f} MB",
    ]
    return "| " + " | ".join(cells) + " |"


def section(name: str, value: Any) -> str:
    """How one network was made, and what its card says beyond the figures."""
    limits = "\n".join(f"- {limit}" for limit in value.limits)
    command = TRAININGS.get(name, value.command)
    return (
        f"## {name}\n\n{value.summary} {value.task}\n\n```\n{command}\n```\n\n"
        f"Split {value.split}. Weights: {value.licence}; data: {value.data_licence}. "
        f"{value.citation}.\n\n{limits}\n\nScores by kind of picture and the worst cases: "
        f"`segkit models info {name}`."
    )


def main() -> None:
    values = {name: plugins.get("models", name) for name in plugins.names("models")}
    ours = {n: v for n, v in values.items() if v.package == "segkit_models"}
    heads = ("name", "network", "trained on", "size", "epochs", "minutes (1 thread)")
    heads += ("Dice per image (95 %)", "Dice pooled", "test pictures", "in the wheel")
    table = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    table += [row(name, value) for name, value in ours.items()]
    sections = [section(name, value) for name, value in ours.items()]
    head, tail = ((TEXTS / f"{name}.md").read_text("utf-8").strip() for name in ("head", "notes"))
    paths.write_text(PAGE, "\n\n".join([head, "\n".join(table), *sections, tail]) + "\n")


if __name__ == "__main__":
    main()
