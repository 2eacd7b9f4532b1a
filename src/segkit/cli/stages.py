"""The commands, as entry points. Summaries live here so that `segkit --help` loads no command.

A command's code is in the file of its name, in the folder of its panel; `_stage` points there and
nothing is imported before it is called.
"""

from __future__ import annotations

from segkit.api import Stage

START, DATA_PANEL, WORK, SHOW, SHIP, PLUG = (
    "Start",
    "Data",
    "Train and score",
    "Look and compare",
    "Ship",
    "Extend",
)
FOLDERS = {
    START: "starting",
    DATA_PANEL: "data",
    WORK: "training",
    SHOW: "showing",
    SHIP: "shipping",
    PLUG: "extending",
}


def _stage(name: str, summary: str, panel: str, attribute: str = "command") -> Stage:
    folder = FOLDERS[panel]
    place = f"segkit.cli.{folder}" if name == folder else f"segkit.cli.{folder}.{name}"
    return Stage(name, summary, f"{place}:{attribute}", panel)


DEMO = _stage("demo", "End to end in minutes on a CPU, with built-in pictures: no download.", START)
DOCTOR = _stage("doctor", "What works on this machine, and how to get the rest.", START)
DATA = _stage("data", "Fetch, import, prepare, split, check and show datasets.", DATA_PANEL, "app")
TRAIN = _stage("train", "Train a network: one split, folds or seeds; resumable.", WORK)
DISTIL = _stage("distil", "Train a small network on the answers of a large one.", WORK)
EVALUATE = _stage("evaluate", "Score a run, with intervals, under any published protocol.", WORK)
STUDY = _stage("study", "Questions about results, answered by a page.", WORK, "app")
CERTIFY = _stage("certify", "Margins with a guarantee, and an honest doubt per picture.", WORK)
PREDICT = _stage("predict", "Masks at original size for pictures and folders.", SHIP)
METRICS = _stage("metrics", "Which metrics a dataset asks for, and why.", SHOW, "app")
COMPARE = _stage("compare", "Paired tests and tie groups over runs.", SHOW)
REPORT = _stage("report", "One self-contained HTML page (or Markdown, LaTeX) for runs.", SHOW)
AUDIT = _stage("audit", "Arithmetic check of a published results table.", SHOW)
CHECKLIST = _stage("checklist", "A journal's checklist, answered from a run.", SHOW)
PAPER = _stage("paper", "Tables, figures, checklist and commands for a paper.", SHOW)
EXPORT = _stage("export", "ONNX, pt2 or a browser page, checked against the network.", SHIP)
PROFILE = _stage("profile", "Honest costs: parameters, MACs, scan, latency, memory.", WORK)
MODELS = _stage("models", "Trained networks in the box: list, card, pack.", SHIP, "app")
WEIGHTS = _stage("weights", "Original checkpoints in and out.", SHIP, "app")
PUSH = _stage("push", "A network to the Hugging Face hub, or a folder like it.", SHIP)
RUNS = _stage("runs", "The runs there are, with state and score.", SHOW)
LEADERBOARD = _stage("leaderboard", "All runs on a dataset, published rows apart.", SHOW)
VIEW = _stage("view", "Browse the cases of a run in a local page.", SHOW)
ZOO = _stage("zoo", "All architectures: size, cost, speed, published scores.", SHOW)
SWEEP = _stage("sweep", "Ablations and grids as one resumable experiment.", WORK)
REPRODUCE = _stage("reproduce", "Re-run a published row and state the verdict.", WORK)
PLUGINS = _stage("plugins", "What is installed; `check` runs the contract suite.", PLUG, "app")
