"""LaTeX tables as plain text: rules, macros, cells that span columns or rows. Stdlib only."""

from __future__ import annotations

import re
from dataclasses import dataclass

BEGIN = re.compile(r"\\begin\{(tabular[*xy]?|tabulary|longtable|array|NiceTabular|tblr)\}")
RULE = re.compile(
    r"\\(?:toprule|midrule|bottomrule|hline|Xhline|specialrule|addlinespace|cmidrule|cline"
    r"|endhead|endfirsthead|endfoot|endlastfoot|noalign|rowcolor)\b"
    r"(?:\s*\([^)]*\))?(?:\s*\[[^\]]*\])?(?:\s*\{[^{}]*\})*"
)
SPLIT = re.compile(r"\\(?:midrule|hline|Xhline)\b")  # a rule between header and body
COMMENT = re.compile(r"(?<!\\)%.*")
ROW = re.compile(r"\\\\(?:\s*\[[^\]]*\])?|\\tabularnewline\b")
SIGNS = {
    r"\pm": "±", r"\times": "×", r"\uparrow": "↑", r"\downarrow": "↓", r"\,": "", r"\;": " ",
    r"\%": "%", r"\&": "&", r"\_": "_", r"\#": "#", r"\$": "", r"\{": "{", r"\}": "}",
    r"\textasciitilde": "~", r"\textasciicircum": "^", r"\textbackslash": "/", r"\ ": " ",
    r"\textpm": "±", r"\ddagger": "", r"\dagger": "", r"\checkmark": "yes", r"\cdot": "·",
}  # fmt: skip
DROPPED = re.compile(
    r"\\(?:cite\w*|ref|label|footnote\w*|cellcolor|color|textcolor|hspace|vspace)\b"
)
MACRO = re.compile(r"\\[a-zA-Z]+\*?\s?")


@dataclass(frozen=True)
class LatexRows:
    """The rows of one table, and after how many of them the first inner rule stands."""

    rows: list[list[str]]
    head: int | None


def is_latex(text: str) -> bool:
    """Whether a text is LaTeX: a tabular, or bare rows that end with two backslashes."""
    return bool(BEGIN.search(text)) or bool(re.search(r"&[^\n]*\\\\\s*$", text, re.MULTILINE))


def tables(text: str) -> list[LatexRows]:
    """Every tabular of a text; a text of bare rows is one table."""
    plain = "\n".join(COMMENT.sub("", line) for line in text.splitlines())
    found = [_lines(body) for body in _bodies(plain)]
    return [one for one in found if len(one.rows) > 1]


def _bodies(text: str) -> list[str]:
    bodies = []
    for begin in BEGIN.finditer(text):
        end = text.find(rf"\end{{{begin.group(1)}}}", begin.end())
        if end >= 0:
            bodies.append(_without_layout(text[begin.end() : end]))
    return bodies or [text]


def _without_layout(body: str) -> str:
    """Drop `{0.8\\linewidth}`, `[t]` and `{lrr@{}}` behind the `\\begin`."""
    body = body.lstrip()
    while body[:1] in ("{", "["):
        close = _close(body, 0) if body[0] == "{" else body.find("]")
        if close < 0 or "&" in body[:close] or "\\\\" in body[:close]:
            break
        body = body[close + 1 :].lstrip()
    return body


def _close(text: str, start: int) -> int:
    """Where the brace that opens at `start` closes; -1 if nowhere."""
    depth = 0
    for place in range(start, len(text)):
        if text[place - 1 : place] == "\\":
            continue
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    return -1


def _lines(body: str) -> LatexRows:
    rows: list[list[str]] = []
    head: int | None = None
    for piece in ROW.split(body):
        if rows and head is None and SPLIT.search(piece):
            head = len(rows)
        raw = RULE.sub(" ", piece).strip()
        if raw:
            rows.append(_cells(raw))
    return LatexRows(_with_multirows(rows), head)


def _cells(row: str) -> list[str]:
    """The cells of a row; one that spans n columns stands n times."""
    cells: list[str] = []
    for raw in re.split(r"(?<!\\)&", row):
        span = re.match(r"\s*\\multicolumn\s*\{(\d+)\}", raw)
        many = int(span.group(1)) if span else 1
        cells += [raw] * many
    return cells


def _with_multirows(rows: list[list[str]]) -> list[list[str]]:
    """Plain text; below a cell that spans rows, its text again."""
    found: list[list[str]] = []
    waiting: dict[int, tuple[int, str]] = {}
    for row in rows:
        plain = []
        for column, raw in enumerate(row):
            text = to_plain(raw)
            left, above = waiting.get(column, (0, ""))
            if left and not text:
                text, waiting[column] = above, (left - 1, above)
            span = re.search(r"\\multirow\s*(?:\[[^\]]*\])?\s*\{(\d+)\}", raw)
            if span:
                waiting[column] = (int(span.group(1)) - 1, text)
            plain.append(text)
        found.append(plain)
    return found


def to_plain(text: str) -> str:
    """A cell without macros: `\\textbf{92.1}` is 92.1, `$\\pm$` is ±."""
    text = _without(text, r"\\multicolumn\s*", skip=2)
    text = _without(text, r"\\multirow\s*(?:\[[^\]]*\])?\s*", skip=2)
    while found := DROPPED.search(text):
        rest = text[found.end() :].lstrip()
        close = _close(rest, 0) if rest.startswith("{") else -1
        text = text[: found.start()] + (rest[close + 1 :] if close >= 0 else rest)
    for macro, sign in SIGNS.items():
        text = re.sub(
            re.escape(macro) + (r"(?![a-zA-Z])" if macro[-1].isalpha() else ""), sign, text
        )
    text = MACRO.sub(" ", text).replace("---", "–").replace("--", "–").replace("~", " ")
    return re.sub(r"\s+", " ", re.sub(r"(?<!\\)[{}$]", " ", text)).strip()


def _without(text: str, macro: str, skip: int) -> str:
    """A macro whose last argument is the text: the `skip` arguments before it go."""
    while found := re.search(macro + r"(?=\{)", text):
        rest = text[found.end() :]
        for _ in range(skip):
            close = _close(rest, 0) if rest.startswith("{") else -1
            rest = rest[close + 1 :].lstrip()
        text = text[: found.start()] + " " + rest
    return text
