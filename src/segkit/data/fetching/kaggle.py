"""Competitions that only Kaggle serves, through Kaggle's own program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from segkit.api import Dataset
from segkit.data.fetching.fetch import login_screen
from segkit.errors import SegkitError


def download_with_kaggle(dataset: Dataset, folder: Path) -> Path:
    """Run `kaggle competitions download`; its token and the accepted rules are the user's."""
    if not dataset.kaggle:
        raise SegkitError(
            f"{dataset.name} is not on Kaggle", None, f"segkit data info {dataset.name}"
        )
    tool = shutil.which("kaggle")
    if tool is None:
        raise SegkitError("the program 'kaggle' is not installed", None, "pip install kaggle")
    folder.mkdir(parents=True, exist_ok=True)
    words = [tool, "competitions", "download", "-c", dataset.kaggle, "-p", str(folder)]
    done = subprocess.run(words, check=False)
    if done.returncode != 0:
        raise login_screen(dataset)
    return folder
