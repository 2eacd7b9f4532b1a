"""`write_paper`: what a paper needs of its runs, in one folder with an index."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from segkit import build, paths
from segkit.errors import UsageError
from segkit.metrics.auditing.audit import audit_text
from segkit.report import pictures
from segkit.report.checklist import answering, writing
from segkit.report.checklist.facts import Files
from segkit.report.checklist.source import Form
from segkit.report.page import drawn_charts
from segkit.report.reading import Entry, read_cases, read_entries
from segkit.report.table import LATEX
from segkit.report.text import as_text

HEIGHT, LINE = 340, 20  # of a chart, and of a line of names below it
TABLES = {"md": "table.md", "latex": "table.tex", "csv": "table.csv"}


def write_paper(runs: Sequence[Path], out: Path, form: Form, cost: bool = True) -> Path:
    """Write everything below `out`; the index names each file and what it holds."""
    entries = read_entries(runs, cost)
    bare = [entry.label for entry in entries if not entry.summary]
    if bare:
        raise UsageError(
            f"{bare[0]} is not scored yet", "its table would be empty", "Run: segkit evaluate"
        )
    files = {
        **_tables(runs, cost),
        **_charts(entries),
        **_checklists(entries, form),
        "commands.sh": _commands(entries),
        "references.bib": _references(entries),
    }
    files["audit.md"] = _audit(files["table.md"])
    for name, text in files.items():
        paths.write_text(_below(out, name), text)
    return paths.write_text(out / "index.md", _index([*files, *_pictures(entries, out)]))


def _below(out: Path, name: str) -> Path:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    return out / name


def _tables(runs: Sequence[Path], cost: bool) -> dict[str, str]:
    return {name: as_text(runs, kind, cost) for kind, name in TABLES.items()}


def _charts(entries: Sequence[Entry]) -> dict[str, str]:
    return {f"figures/{_key(c['title'])}.svg": _alone(c) for c in drawn_charts(entries)}


def _alone(chart: dict[str, Any]) -> str:
    """A chart of the page as a file of its own: its names below it, its colours written out."""
    names = chart["series"]
    keys = [
        f'<text x="24" y="{HEIGHT + 14 + LINE * i}" font-size="13" font-family="sans-serif" '
        f'fill="var(--ink)"><tspan fill="var(--c{colour})">\u25a0</tspan> {escape(name)}</text>'
        for i, (name, colour) in enumerate(names)
    ]
    tall = HEIGHT + LINE * len(names)
    svg = chart["svg"].replace(f"560 {HEIGHT}", f"560 {tall}", 1)
    return _coloured(svg.replace("</svg>", "".join(keys) + "</svg>"))


def _coloured(svg: str) -> str:
    """The page's colours in place of their names, as paper has them: the first, light set."""
    css = resources.files("segkit.report").joinpath("templates", "page.css").read_text("utf-8")
    colours = dict(reversed(re.findall(r"(--[a-z0-9]+):\s*(#[0-9a-fA-F]+)", css)))
    return re.sub(r"var\((--[a-z0-9]+)\)", lambda found: colours[found[1]], svg)


def _checklists(entries: Sequence[Entry], form: Form) -> dict[str, str]:
    made = {}
    for entry in entries:
        answers = answering.answer(entry.run, form)
        for end, latex in (("md", False), ("tex", True)):
            text = writing.as_text(answers, form, entry.label, latex)
            made[f"checklists/{_key(entry.label)}.{end}"] = text
    return made


def _commands(entries: Sequence[Entry]) -> str:
    return "\n".join(f"# {entry.label}\n{_command(entry)}\n" for entry in entries)


def _command(entry: Entry) -> str:
    kept = entry.run.environment.get("command") or Files(entry.run).model.get("command")
    return str(kept or "# no command was kept")


def _audit(table: str) -> str:
    made = audit_text(table, name="table.md")
    found = [f"{row['name']}: {text}" for row in made["rows"] for text in row["findings"]]
    found += made["table"]
    lines = [f"- {text}" for text in found] or ["Nothing found."]
    return "\n".join([f"# segkit audit of table.md, {len(made['rows'])} rows\n", *lines]) + "\n"


def _pictures(entries: Sequence[Entry], out: Path) -> list[str]:
    """The worst, a median and the best picture of each run, with truth and prediction."""
    names = []
    for entry in entries:
        rows = [(fold, read_cases(fold)) for fold in entry.run.folds]
        for case in pictures.cases(entry.run, rows, 1):
            for title, uri in case.panels:
                kind, data = uri.removeprefix("data:image/").split(";base64,")
                name = f"pictures/{_key(entry.label)}-{case.kind}-{_key(title)}.{kind}"
                with paths.replacing(_below(out, name)) as temporary:
                    temporary.write_bytes(base64.b64decode(data))
                names.append(name)
    return names


def _references(entries: Sequence[Entry]) -> str:
    """An entry for the paper of each network and for each dataset, as far as they are named."""
    made = {}
    for entry in entries:
        paper = build.architecture(entry.architecture).paper
        if paper is not None:
            made[_key(entry.architecture)] = {
                "title": paper.title,
                "author": f"{{{paper.authors}}}",  # one name, as it is written
                "year": str(paper.year),
                "howpublished": paper.venue,
                "url": paper.url,
            }
        cited = entry.run.card.get("citation")
        if cited:
            title = str(entry.run.card.get("title") or entry.data)
            made[_key(entry.data)] = {"title": title, "note": str(cited)}
    return "\n".join(_bibtex(key, fields) for key, fields in sorted(made.items()))


def _bibtex(key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_escaped(name, text)}}}," for name, text in fields.items() if text]
    return "\n".join([f"@misc{{{key},", *lines, "}"]) + "\n"


def _escaped(name: str, text: str) -> str:
    """As LaTeX prints it; addresses and braced names stay as they are."""
    return text if name in ("url", "author") else text.translate(LATEX)


def _index(names: Sequence[str]) -> str:
    lines = [f"- [{name}]({name})" for name in sorted(names)]
    return "\n".join(["# What is in this folder\n", *lines]) + "\n"


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
