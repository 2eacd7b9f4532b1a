"""Errors that a person can act on: what went wrong, why, and the cure. Stdlib only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SegkitError(Exception):
    """A failed check or run (exit code 1). Shown as one or two lines, without a traceback."""

    exit_code = 1

    def __init__(self, what: str, why: str | None = None, cure: str | None = None):
        self.what, self.why, self.cure = what, why, cure
        super().__init__(self.as_text())

    def as_text(self) -> str:
        """The message on at most two lines: what (and why), then the cure."""
        first = f"{self.what}: {self.why}" if self.why else self.what
        return f"{first}\n{self.cure}" if self.cure else first


class UsageError(SegkitError):
    """Wrong usage: an unknown name, key or value (exit code 2)."""

    exit_code = 2


class MissingExtra(SegkitError):
    """A package outside the core is needed for this command."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package {package!r}",
            "it is not installed",
            f"pip install 'segkit[{extra}]'",
        )


def nearest(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """The known names that look most like `name`, best first."""
    return difflib.get_close_matches(name.lower(), list(names), n=most, cutoff=0.5)


def check_choice(flag: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that an option does not know."""
    if value not in allowed:
        raise UsageError(f"{flag} is '{value}'", f"allowed: {', '.join(allowed)}")


def unknown(kind: str, name: str, names: Iterable[str]) -> UsageError:
    """The error for a name nobody knows: the nearest matches, else all that there are."""
    known = sorted(names)
    close = nearest(name, known)
    if close:
        return UsageError(f"unknown {kind} '{name}'", f"did you mean {_either(close)}?")
    listing = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return UsageError(f"unknown {kind} '{name}'", f"known: {listing or 'none'}")


def _either(names: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)
