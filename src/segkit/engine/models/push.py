"""A run or a trained network to the Hugging Face hub, or to a folder that looks the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine import hub, register
from segkit.engine.models.pack import PackSettings, pack
from segkit.errors import SegkitError, UsageError

PICTURES = ("failures.jpg",)  # of the card
RESULTS = ".eval_results"
SHOWN = ("dice_image", "iou_image", "dice_pooled", "hd95")


@dataclass(frozen=True)
class PushSettings:
    """Where a network goes, and what only its owner knows."""

    to: Path | None = None  # a folder instead of the hub
    branch: str = "main"
    private: bool = False
    message: str = ""
    licence: str = ""
    summary: str = ""
    task: str = ""
    fold: int = 0


def push(source: Path | str, repository: str, settings: PushSettings) -> dict[str, Any]:
    """Upload; what was written where is returned."""
    place = hub.parse(f"hf://{repository}")
    if place.revision is not None:
        raise UsageError(f"'{repository}' names a revision", "a branch is given by --branch")
    if settings.to is not None and settings.to.exists() and any(settings.to.iterdir()):
        raise SegkitError(f"{settings.to} is not empty", None, "Choose another --to.")
    library = None if settings.to else hub.load_library("segkit push")
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary) / "network"
        facts = _stage(source, place, settings, staged)
        made = {"repository": str(place), "name": facts["name"], **_contents(staged)}
        if settings.to is not None:
            shutil.copytree(staged, settings.to, dirs_exist_ok=True)
            return {**made, "folder": str(settings.to)}
        return {**made, **_upload(staged, place, settings, library)}


def _stage(source: Path | str, place: hub.Place, asked: PushSettings, out: Path) -> dict[str, Any]:
    """The folder as it will lie in the repository."""
    here = register.place(source)
    if (here / hub.DESCRIPTION).is_file():
        facts = hub.check(here, str(source))
        beside = [hub.DESCRIPTION, hub.CARD]
        beside += [name for name in PICTURES if (here / name).is_file()]
        for name in (*facts["files"], *beside):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(here / name, out / name)
    elif not asked.licence:
        raise UsageError(
            f"{source} has no licence yet", "say that of the weights: --licence CC-BY-4.0"
        )
    else:
        name = place.repository.split("/")[1]
        wishes = PackSettings(name, asked.summary, asked.task, asked.licence, fold=asked.fold)
        facts = pack(Path(source), out, wishes)
    _say_where(out / hub.CARD, place)
    _results(out, facts)
    return facts


def _say_where(card: Path, place: hub.Place) -> None:
    """The first lines of the card: how to use the network from here."""
    text = card.read_text(encoding="utf-8")
    head, mark, body = text.partition("\n---\n")
    used = (
        f"\n```bash\npip install 'segkit[hub]'\n"
        f"segkit predict {place} photo.jpg --out masks/\n```\n"
    )
    paths.write_text(card, head + mark + used + body)


def _results(out: Path, facts: dict[str, Any]) -> None:
    """The scores in the hub's form of evaluation results, a file for the dataset."""
    import yaml

    data = paths.read_json(out / "data.json")["name"]
    rows = [
        {
            "dataset": {"id": data, "task_id": name},
            "value": round(facts["scores"][name]["mean"], 6),
            "date": facts["date"],
            "notes": _note(facts, name),
        }
        for name in SHOWN
        if name in facts["scores"]
    ]
    target = out / RESULTS / f"{data}.yaml"
    target.parent.mkdir()
    paths.write_text(target, yaml.safe_dump(rows, sort_keys=False, allow_unicode=True))


def _note(facts: dict[str, Any], name: str) -> str:
    ends = facts["scores"][name].get("ci95")
    interval = f"95 % interval {ends[0]:.4f} to {ends[1]:.4f}, " if ends else ""
    return f"{interval}{facts['pictures']} test pictures, {facts['split']}"


def _contents(staged: Path) -> dict[str, Any]:
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    return {
        "files": [path.relative_to(staged).as_posix() for path in files],
        "bytes": sum(path.stat().st_size for path in files),
    }


def _upload(staged: Path, place: hub.Place, asked: PushSettings, library: Any) -> dict[str, Any]:
    api = library.HfApi()
    with hub.told(place, library):
        api.create_repo(place.repository, private=asked.private, exist_ok=True)
        if asked.branch != "main":
            api.create_branch(place.repository, branch=asked.branch, exist_ok=True)
        done = api.upload_folder(
            repo_id=place.repository,
            folder_path=staged,
            revision=asked.branch,
            commit_message=asked.message or "Upload with segkit",
        )
    return {"commit": done.oid, "url": done.commit_url, "pinned": f"{place}@{done.oid}"}
