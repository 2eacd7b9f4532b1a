"""docs/models.md from the trained networks that are installed: python -m benchmarks.models_page."""

from pathlib import Path

from segkit import plugins

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
HEAD = """# Trained networks

Networks in the box, by name wherever a run may stand: [`segkit models`](commands/models.md).
Not medical devices. `python -m benchmarks.models_page` writes this page from their own facts.

"""
TAIL = """
Scores are means over test pictures that neither trained a network nor chose its checkpoint, with
95 % intervals over pictures; they say nothing of the spread between seeds, for each network is
one training with one seed on one CPU thread. Which epochs were run, the scores by kind of picture
and the worst pictures stand on the cards: `segkit models info NAME`.

## What has not been done

- `dermoscopy` is the only candidate on ISIC 2017 that was trained to its end: UNeXt-S, 100
  epochs. UltraLight VM-UNet was stopped after 7 of 100 epochs and MALUNet, EGE-UNet and others
  were not trained. So it is a good network, not the best of several.
- `nuclei` was stopped at 31 of 50 epochs, short of a Dice of 0.90. It gives masks, not instances.
- No second seeds, no training at the published length, no distilled network yet.
- What averaged weights, augmentation and test-time augmentation each bring was not measured
  apart.
"""


def page() -> str:
    """The Markdown of the page."""
    heads = ("name", "network", "parameters", "trained on", "test pictures")
    heads += ("Dice per image", "IoU per image", "HD95", "minutes")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    commands = []
    for name in plugins.names("models"):
        model = plugins.get("models", name)
        if not model.package.startswith("segkit_"):
            continue
        cells = (f"`{name}`", model.architecture, f"{model.params:,}", model.data, model.pictures)
        scores = [_score(model.scores, key) for key in ("dice_image", "iou_image", "hd95")]
        lines.append("| " + " | ".join(map(str, (*cells, *scores, model.minutes))) + " |")
        commands.append(f"{model.command}   # split: {model.split}")
    again = "\n## The same training again\n\n```\n" + "\n".join(commands) + "\n```\n"
    return HEAD + "\n".join(lines) + "\n" + TAIL + again


def _score(scores: object, key: str) -> str:
    figure = scores[key]  # type: ignore[index]
    digits = 1 if key == "hd95" else 3
    low, high = figure["ci95"]
    return f"{figure['mean']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
