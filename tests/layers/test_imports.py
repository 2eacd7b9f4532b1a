"""The import rules of the house, read from the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE, PLUGINS = ROOT / "src" / "segkit", ROOT / "plugins"
LEVELS = {
    "cli": 5,
    "engine": 4,
    "report": 4,
    "testing": 4,
    "data": 3,
    "metrics": 3,
    "nn": 3,
    "ops": 3,
    "native": 2,
    "build": 2,
    "recipe": 2,
    "plugins": 2,
    "paths": 2,
    "api": 1,
    "errors": 1,
    "events": 1,
    "limits": 1,
    "words": 1,
    "protocol": 1,
}
# errors: what a network refuses, it refuses in words; events: what a logger is told
FOR_PLUGINS = {"api", "errors", "events", "nn", "ops"}
KERNELS_TOO = {"native"}  # a backend speaks to the C library


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module == "segkit":
                yield from ((node.lineno, f"segkit.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def part(module: str) -> str:
    """The layer member that `segkit.x.y` belongs to."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


@pytest.mark.parametrize("path", files(SOURCE), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_module_imports_a_layer_above_it(path: Path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return  # the lazy public face
    for line, module in imports(path):
        if not module.startswith("segkit.") or part(module) == own:
            continue
        target = part(module)
        if target == "__version__":
            continue
        assert target in LEVELS, f"{path}:{line} imports the unknown {module}"
        assert LEVELS[target] <= LEVELS[own], f"{path}:{line} imports {module} from below"


@pytest.mark.parametrize("path", files(SOURCE), ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_core_knows_no_plugin(path: Path):
    for line, module in imports(path):
        assert not module.startswith("segkit_"), f"{path}:{line} imports the plugin {module}"


@pytest.mark.parametrize("path", files(PLUGINS), ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_plugin_imports_the_contract_and_the_blocks_only(path: Path):
    own = path.relative_to(PLUGINS).parts[0]
    allowed = set(FOR_PLUGINS)
    if own == "segkit_kernels":
        allowed |= KERNELS_TOO
    if own == "segkit_export":
        allowed |= {"engine"}
    for line, module in imports(path):
        if module.startswith("segkit_"):
            assert module.split(".")[0] == own, f"{path}:{line} imports another plugin: {module}"
        elif module == "segkit" or module.startswith("segkit."):
            fine = part(module) in allowed or module.startswith("segkit.data.pairing")
            assert fine, f"{path}:{line} imports {module}"


def test_names_say_something():
    dull = {"utils", "helpers", "common", "misc"}
    found = [p for p in [*files(SOURCE), *files(PLUGINS)] if p.stem in dull]
    assert not found


POSIX_ONLY = {"resource", "fcntl", "pwd", "grp", "termios", "syslog"}


def test_what_windows_lacks_is_imported_where_it_is_used_or_tried():
    for path in [*files(SOURCE), *files(PLUGINS)]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        names = [
            alias.name for node in body if isinstance(node, ast.Import) for alias in node.names
        ]
        assert not set(names) & POSIX_ONLY, path
