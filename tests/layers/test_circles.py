"""No circle of imports: not between modules, and not between the wings of a folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINGED = ("engine", "data", "metrics", "cli")  # folders whose own folders are wings
MOST_FILES = 20

Graph = dict[str, set[str]]


def modules(source: Path) -> dict[str, Path]:
    """Every module below a folder of packages, by its dotted name."""
    found = {}
    for path in source.rglob("*.py"):
        dotted = ".".join(path.relative_to(source).with_suffix("").parts)
        found[dotted.removesuffix(".__init__")] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The known modules that a file imports, wherever in it; for types only does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in [*ast.walk(tree)]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


def graph(source: Path) -> Graph:
    known = modules(source)
    links = {name: set(imported(path, known)) - {name} for name, path in known.items()}
    packages = {name for name, path in known.items() if path.stem == "__init__"}
    return {
        name: {target for target in targets if target not in packages or target.count(".") > 0}
        for name, targets in links.items()
    }


def wing(module: str) -> str:
    """`segkit.engine.training.loop` lives in `segkit.engine.training`; a file on top is its own."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[1:2] and parts[1] in WINGED else ".".join(parts[:2])


def circles(links: Graph) -> list[list[str]]:
    """Groups of nodes that reach one another."""
    reach = {name: _reachable(name, links) for name in links}
    found = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, set())))
        for name in links
        if name in reach[name]
    }
    return [list(group) for group in sorted(found)]


def _reachable(start: str, links: Graph) -> set[str]:
    seen: set[str] = set()
    waiting = list(links.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += links.get(name, ())
    return seen


def between_wings(links: Graph) -> Graph:
    found: Graph = {}
    for name, targets in links.items():
        inside = found.setdefault(wing(name), set())
        inside |= {wing(target) for target in targets} - {wing(name)}
    return found


def test_no_module_reaches_itself():
    assert circles(graph(ROOT / "src")) == []


def test_no_wing_reaches_itself():
    links = graph(ROOT / "src")
    links.pop("segkit", None)  # the lazy public face
    assert circles(between_wings(links)) == []


def test_no_plugin_folder_holds_a_circle():
    assert circles(graph(ROOT / "plugins")) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("segkit/engine/training/loop.py", "segkit/engine/training/fold.py"),  # inside a folder
        ("segkit/engine/training/loop.py", "segkit/engine/evaluating/tune.py"),  # between wings
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, one: str, other: str):
    dotted = [name.removesuffix(".py").replace("/", ".") for name in (one, other)]
    for name, target in ((one, dotted[1]), (other, dotted[0])):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def work():\n    import {target}\n", encoding="utf-8")
    assert circles(graph(tmp_path)) == [sorted(dotted)]


def test_two_wings_that_lean_on_one_another_are_found(tmp_path: Path):
    """No module reaches itself here, but the wings do."""
    lines = {
        "training/loop.py": "import segkit.engine.costs.meter",
        "training/fold.py": "",
        "costs/meter.py": "",
        "costs/zoo.py": "from segkit.engine.training import fold",
    }
    for name, text in lines.items():
        path = tmp_path / "segkit" / "engine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for folder in ("training", "costs"):
        (tmp_path / "segkit" / "engine" / folder / "__init__.py").touch()
    links = graph(tmp_path)
    assert circles(links) == []
    assert circles(between_wings(links)) == [["segkit.engine.costs", "segkit.engine.training"]]


@pytest.mark.parametrize(
    "folder",
    [p for p in [ROOT / "src" / "segkit", *(ROOT / "src" / "segkit").rglob("*")] if p.is_dir()],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_a_folder_can_be_overlooked_at_one_glance(folder: Path):
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"]
    assert len(files) <= MOST_FILES, f"{folder} holds {len(files)} files"
