"""Text from outside (names of files, of classes, of cases) where people and programs read it.

A name may hold anything: bytes that are no UTF-8, sequences that steer a terminal, a formula that a
spreadsheet would carry out. Stdlib only.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# what steers a terminal or turns the direction of writing, and halves of characters, which stand
# for bytes that are no UTF-8; line breaks and tabs stay
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HALF = re.compile("[\ud800-\udfff]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def shown(text: str) -> str:
    r"""A text that may be drawn on a terminal: `\x1b` instead of what it does."""
    return whole(_STEERING.sub(_escape, text))


def whole(text: str) -> str:
    r"""A text that is UTF-8: the byte 0xff of a name becomes `\xff`."""
    return _HALF.sub(_escape, text)


def one_line(text: str) -> str:
    """As `shown`, and no line break or tab either: a cell of a table."""
    return shown(text).replace("\t", "\\t").replace("\n", "\\n")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # how Python writes a byte that it could not decode
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def cell(value: Any) -> Any:
    """A cell of a CSV file; a text that a spreadsheet would take for a formula gets a quote."""
    if not isinstance(value, str):
        return value
    text = whole(value)
    risky = _FORMULA.match(text) and not _is_number(text)
    return f"'{text}" if risky or _QUOTED.match(text) else text


def uncell(text: str) -> str:
    """What `cell` was given."""
    return text[1:] if _QUOTED.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], extra: bool = False) -> str:
    """A CSV file of rows; with `extra`, keys that are no column are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(name) for name in columns])
    for row in rows:
        strange = set(row) - set(columns)
        if strange and not extra:
            raise ValueError(f"no column for {sorted(strange)}")
        writer.writerow([cell(row.get(name, "")) for name in columns])
    return text.getvalue()


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON in UTF-8; bytes of a name that are none are escaped, and come back when it is read."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _HALF.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
