"""What a public host runs: make targets only; the oldest releases are those of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(path: Path) -> list[dict]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_calls_make_targets_that_exist(path: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for step in steps(path) if "run" in step]
    made = [run.split()[1] for run in runs if run.startswith("make ")]
    others = [run for run in runs if not run.startswith("make ")]
    assert made
    assert set(made) <= targets
    assert all(run.startswith("gh release create") for run in others)


def test_every_system_python_and_torch_is_tested():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert [name.split("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert jobs["torch"]["strategy"]["matrix"]["constraints"] == ["lowest", "newest"]


def test_the_oldest_releases_are_the_bounds_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = dict(
        re.match(r"([\w-]+)>=([\d.]+)", line).groups() for line in project["dependencies"]
    )
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.removesuffix(".*").split("==") for line in lines if "==" in line[:40])
    assert pinned == bounds


def test_types_are_published_and_hooks_bring_their_tools():
    packages = [ROOT / "src/segkit", *(p for p in (ROOT / "plugins").iterdir() if p.is_dir())]
    assert not [p.name for p in packages if not (p / "py.typed").is_file()]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert all(h["language"] == "python" and h["additional_dependencies"] for h in hooks)
