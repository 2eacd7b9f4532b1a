"""`segkit plugins`: what is installed, what it is, and whether it keeps the contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit import plugins
from segkit.api import CONTRACTS
from segkit.cli import _console
from segkit.errors import SegkitError, UsageError, unknown

if TYPE_CHECKING:
    from rich.text import Text

    from segkit.testing import Outcome

app = typer.Typer(no_args_is_help=True, help="What is installed; `check` runs the contract suite.")
CHECKED = {  # group: its contract suite in segkit.testing
    "architectures": "check_architecture",
    "losses": "check_loss",
    "datasets": "check_dataset",
    "models": "check_model",
    "metrics": "check_metric",
    "optimizers": "check_optimizer",
    "schedules": "check_schedule",
    "augmentations": "check_augmentation",
    "protocols": "check_protocol",
    "columns": "check_column",
}

Group = Annotated[str | None, typer.Option("--group", "-g", help="Only this group.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command("list")
def list_plugins(group: Group = None, as_json: Json = False) -> None:
    """All plugins by group, with the reason where one cannot be loaded.

    Example: segkit plugins list --group losses
    """
    rows = [_row(status) for name in _groups(group) for status in plugins.statuses(name)]
    if as_json:
        _console.emit_json(rows)
        return
    table = [[r["group"], r["name"], _mark(r["status"]), r["reason"] or r["summary"]] for r in rows]
    _console.table(["group", "name", "status", "summary"], table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="NAME or GROUP/NAME.")], as_json: Json = False
) -> None:
    """Show everything that one plugin says of itself.

    Example: segkit plugins show architectures/unet
    """
    group, value = _find(name)
    facts = _facts(value)
    if as_json:
        _console.emit_json({"group": group, "status": "ok", "reason": "", **facts})
        return
    _console.table(["field", "value"], _lines(facts), title=f"{group}/{facts['name']}")


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="NAME or GROUP/NAME; all if none.")
    ] = None,
    group: Group = None,
    as_json: Json = False,
) -> None:
    """Run the contract suite: shapes, gradients, determinism, counts, recipes, finite losses.

    Example: segkit plugins check unet bce_dice
    """
    targets = [_located(name) for name in names] if names else _all_checked(group)
    if not names:
        _console.note(_expected(targets))
    outcomes = []
    with _console.progress("checking", len(targets), "plugins") as ticker:
        for target_group, target in targets:
            ticker.describe(f"checking {target}")
            outcomes += list(_check(target_group, target))
            ticker.advance()
    _report(outcomes, as_json)
    if any(not outcome.ok for outcome in outcomes):
        raise typer.Exit(1)


def _expected(targets: list[tuple[str, str]]) -> str:
    """How long the whole suite takes, from the sizes of the networks: about, on two cores."""
    names = {name for group, name in targets if group == "architectures"}
    loaded = [status.value for status in plugins.statuses("architectures") if status.name in names]
    values = [value for value in loaded if value is not None]
    params = sum(value.params or 0 for value in values)
    seconds = 2 * len(values) + 0.4 * params / 1e6 + 0.1 * (len(targets) - len(values))
    return (
        f"{len(targets)} plugins, about {max(1, round(seconds / 60))} minutes on two cores; "
        "name one to check it alone: segkit plugins check unet"
    )


def _groups(group: str | None) -> list[str]:
    if group is None:
        return list(CONTRACTS)
    if group not in CONTRACTS:
        raise unknown("plugin group", group, CONTRACTS)
    return [group]


def _row(status: plugins.Status) -> dict[str, Any]:
    return {
        "group": status.group,
        "name": status.name,
        "status": status.status,
        "reason": status.reason,
        "distribution": status.distribution,
        "summary": getattr(status.value, "summary", ""),
    }


def _mark(status: str) -> Text:
    return _console.styled(status, "green" if status == "ok" else "red")


def _located(name: str) -> tuple[str, str]:
    """The group and name that `NAME` or `GROUP/NAME` means."""
    group, slash, rest = name.rpartition("/")
    if slash:
        _groups(group)
        return group, rest
    homes = [group for group in CONTRACTS if name in plugins.names(group)]
    if not homes:
        raise unknown("plugin", name, {n for group in CONTRACTS for n in plugins.names(group)})
    if len(homes) > 1:
        choices = " or ".join(f"{home}/{name}" for home in homes)
        raise UsageError(f"'{name}' is the name of several plugins", f"say {choices}")
    return homes[0], name


def _find(name: str) -> tuple[str, Any]:
    group, short = _located(name)
    return group, plugins.get(group, short)


def _facts(value: Any) -> dict[str, Any]:
    facts = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(facts.get("config"), type):
        facts["config"] = _settings(facts["config"])
    return {key: _plain(item) for key, item in facts.items()}


def _settings(config: type) -> dict[str, Any]:
    """The settings of a config dataclass with their defaults."""
    return dataclasses.asdict(config()) if dataclasses.is_dataclass(config) else {}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in dataclasses.asdict(value).items()}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return getattr(value, "__qualname__", str(value))


def _lines(facts: dict[str, Any]) -> list[list[str]]:
    """Rows of field and value: nested settings on lines of their own, empty fields left out."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [[f"{key}.{inner}", str(item)] for inner, item in value.items() if item != ""]
        elif isinstance(value, list) and value and not isinstance(value[0], int):
            lines += [[key if not i else "", str(item)] for i, item in enumerate(value)]
        elif value not in (None, "", [], {}):
            lines.append([key, str(value)])
    return lines


def _all_checked(group: str | None) -> list[tuple[str, str]]:
    groups = [group] if group in CHECKED else CHECKED
    if group and group not in CHECKED:
        raise UsageError(f"group '{group}' has no contract suite", f"checked: {', '.join(CHECKED)}")
    return [(g, name) for g in groups if g for name in plugins.names(g)]


def _check(group: str, name: str) -> Iterator[Outcome]:
    from segkit import testing

    if group not in CHECKED:
        raise UsageError(f"'{group}' has no contract suite", f"checked: {', '.join(CHECKED)}")
    try:
        yield from getattr(testing, CHECKED[group])(name)
    except SegkitError as error:
        yield testing.Outcome(name, "it loads", False, error.as_text())


def _report(outcomes: Iterable[Outcome], as_json: bool) -> None:
    listed = list(outcomes)
    if as_json:
        _console.emit_json([dataclasses.asdict(outcome) for outcome in listed])
        return
    bad = [[o.plugin, o.check, o.message] for o in listed if not o.ok]
    if bad:
        _console.table(["plugin", "check", "what is wrong"], bad)
    plugins_seen = len({outcome.plugin for outcome in listed})
    verdict = (f"{len(bad)} failed", "red") if bad else ("all passed", "green")
    _console.say(f"{len(listed)} checks of {plugins_seen} plugins: ", _console.styled(*verdict))
