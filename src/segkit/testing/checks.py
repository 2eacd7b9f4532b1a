"""A check is a function that raises `Broken` with a sentence when the contract does not hold."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from segkit.errors import SegkitError


class Broken(AssertionError):
    """The contract does not hold; the message says in which way."""


@dataclass(frozen=True)
class Outcome:
    """One check of one plugin."""

    plugin: str
    check: str
    ok: bool
    message: str = ""
    seconds: float = 0.0


Check = tuple[str, Callable[[], None]]


def run_checks(plugin: str, checks: Iterable[Check]) -> Iterator[Outcome]:
    """Run checks one after another; one that fails does not stop the others."""
    for title, check in checks:
        begun = time.perf_counter()
        message = ""
        try:
            check()
        except (Broken, SegkitError) as error:
            message = str(error)
        except Exception as error:  # a stranger's code may fail in any way; that is the finding
            frame = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
        yield Outcome(plugin, title, not message, message, time.perf_counter() - begun)


def expect(condition: bool, message: str) -> None:
    """Raise `Broken` unless the condition holds."""
    if not condition:
        raise Broken(message)


def assert_passes(outcomes: Iterable[Outcome]) -> None:
    """Fail with all the sentences of the checks that failed."""
    broken = [f"{o.plugin}: {o.check}: {o.message}" for o in outcomes if not o.ok]
    if broken:
        raise Broken("\n".join(broken))
