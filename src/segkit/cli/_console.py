"""All drawing on the terminal: Rich where a person looks, plain lines where a program reads.

Figures go to stdout; progress, notes and warnings go to stderr.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from segkit.words import json_text, one_line, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@cache
def out() -> Console:
    """The console of stdout."""
    from rich.console import Console

    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


@cache
def err() -> Console:
    """The console of stderr."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False)


def styled(text: str, style: str) -> Text:
    """A piece in colour or weight; plain strings are shown as they are, brackets too."""
    from rich.text import Text

    return Text(shown(text), style)


def line(*pieces: str | Text, style: str = "") -> Text:
    """Styled pieces joined into one line."""
    from rich.text import Text

    safe = [shown(piece) if isinstance(piece, str) else piece for piece in pieces]
    return Text.assemble(*safe, style=style)


@contextmanager
def words(asked: str) -> Iterator[None]:
    """Write what follows in the words of CLAIM, or in our own (`plain`)."""
    from segkit.report.wording import check

    _WORDS.append(check(asked))
    try:
        yield
    finally:
        _WORDS.pop()


_WORDS = ["plain"]


def words_are(asked: str) -> bool:
    """Whether output is to be written in these words."""
    return _WORDS[-1] == asked


def worded(value: Any) -> Any:
    """A text in the words that were chosen; a value that is no text comes back unchanged."""
    if _WORDS[-1] == "plain" or not isinstance(value, str):
        return value
    from segkit.report.wording import in_words

    return in_words(value, _WORDS[-1])


def say(*pieces: str | Text) -> None:
    """A line of result on stdout."""
    out().print(line(*map(worded, pieces)))


def note(*pieces: str | Text) -> None:
    """A line of information on stderr."""
    err().print(line(*map(worded, pieces), style="dim" if sys.stderr.isatty() else ""))


def warn(text: str) -> None:
    """A warning on stderr."""
    err().print(warning(worded(text)))


def warning(text: str) -> Text:
    """How a warning is written."""
    return line(styled("warning:", "yellow"), " ", text)


def markdown(text: str) -> None:
    """A Markdown text: drawn on a terminal, as it is when piped."""
    if out().is_terminal:
        from rich.markdown import Markdown

        out().print(Markdown(shown(text)))
    else:
        out().print(shown(text), markup=False, highlight=False, soft_wrap=True)


def emit_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json_text(finite(value), indent=2) + "\n")


def emit_json_line(value: Any) -> None:
    """One JSON object on one line, flushed, for programs that read along."""
    sys.stdout.write(json_text(finite(value)) + "\n")
    sys.stdout.flush()


def finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    title: str = "",
    caption: str = "",
    right: Sequence[str] = (),
) -> None:
    """A table: drawn on a terminal, tab-separated when piped; `right` names columns of figures."""
    columns, right = list(map(worded, columns)), list(map(worded, right))
    title, caption = worded(title), worded(caption)
    rows = [list(map(worded, row)) for row in rows]
    if not sys.stdout.isatty():
        _plain_table(columns, rows, title)
        return
    from rich import box
    from rich.table import Table

    drawn = Table(title=title or None, caption=caption or None, box=box.SIMPLE_HEAD)
    drawn.title_justify = drawn.caption_justify = "left"
    for column in columns:
        justify = "right" if column in right else "left"
        drawn.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        drawn.add_row(*[line(_cell(cell)) for cell in row])
    out().print(drawn)


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> None:
    lines = [f"# {title}"] if title else []
    lines.append("\t".join(columns))
    for row in rows:
        lines.append("\t".join(one_line(str(cell)) for cell in row))
    sys.stdout.write("\n".join(lines) + "\n")


def _cell(value: Any) -> str | Text:
    from rich.text import Text

    return value if isinstance(value, Text) else one_line(str(value))


class Ticker:
    """Progress of one task: `advance` as items are done, `describe` to say what is going on."""

    def advance(self, amount: float = 1) -> None:
        """Count `count` more items as done."""

    def describe(self, text: str) -> None:
        """Say what is being done now."""

    def total(self, amount: float) -> None:
        """Set how many items there are, once that is known."""


@contextmanager
def progress(label: str, total: float | None = None, unit: str = "") -> Iterator[Ticker]:
    """A Rich bar on a terminal, a plain line every few seconds when piped."""
    if sys.stderr.isatty():
        with _bar(label, total, unit) as ticker:
            yield ticker
    else:
        plain = _PlainTicker(label, total, unit)
        yield plain
        plain.close()


@contextmanager
def _bar(label: str, total: float | None, unit: str) -> Iterator[Ticker]:
    from rich import progress as rich_progress

    is_bytes = unit == "B"
    amount: list[Any] = (
        [rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn()]
        if is_bytes
        else [rich_progress.MofNCompleteColumn()]
    )
    columns = [
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        *amount,
        rich_progress.TimeRemainingColumn(),
    ]
    with rich_progress.Progress(*columns, console=err(), transient=True) as drawn:
        task = drawn.add_task(label, total=total)

        class Bar(Ticker):
            def advance(self, amount: float = 1) -> None:
                drawn.advance(task, amount)

            def describe(self, text: str) -> None:
                drawn.update(task, description=shown(text))

            def total(self, amount: float) -> None:
                drawn.update(task, total=amount)

        yield Bar()


class _PlainTicker(Ticker):
    """A line at the start of long work and every five seconds, for logs."""

    def __init__(self, label: str, total: float | None, unit: str):
        self.label, self.goal, self.unit = label, total, unit
        self.done = self.shown = 0.0
        self.begun = self.said = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        if time.monotonic() - self.said > 5:
            self._say()

    def describe(self, text: str) -> None:
        self.label = text

    def total(self, amount: float) -> None:
        self.goal = amount

    def close(self) -> None:
        if self.said > self.begun and self.done > self.shown:
            self._say()

    def _say(self) -> None:
        self.said, self.shown = time.monotonic(), self.done
        seconds = self.said - self.begun
        amount = _amount(self.done, self.goal, self.unit)
        sys.stderr.write(f"{shown(self.label)}: {amount} ({seconds:.0f} s)\n")
        sys.stderr.flush()


def _amount(done: float, goal: float | None, unit: str) -> str:
    """`12/40 pictures`, or megabytes for bytes."""
    scale, digits, shown = (1e6, 1, "MB") if unit == "B" else (1, 0, unit)
    of = f"/{goal / scale:.{digits}f}" if goal else ""
    return f"{done / scale:.{digits}f}{of} {shown}".rstrip()
