"""Temporary files of killed processes go when the next one writes there; live ones stay."""

import os
import subprocess
import sys

import pytest

from segkit import paths

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are asked by signal")


def test_a_dead_process_leaves_nothing_for_long(tmp_path):
    code = (
        "import os, sys\nfrom segkit import paths\n"
        "with paths.replacing(sys.argv[1]) as t:\n    os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    own = tmp_path / f".b.{paths._mark()}-x.tmp"
    own.write_text("of this process")
    paths.write_text(tmp_path / "a.json", "{}")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", own.name}


def test_a_dead_process_leaves_no_folder_for_long(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom segkit import paths\n"
        "with paths.working_folder(Path(sys.argv[1]), 'export') as folder:\n"
        "    (folder / 'half').write_text('x')\n    os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [path.name.startswith(".export.") for path in tmp_path.iterdir()] == [True]
    with paths.working_folder(tmp_path, "export") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
