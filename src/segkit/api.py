"""The plugin contract: a plugin is a frozen value that an entry point names. Torch-free.

Each value describes itself in plain data and makes the heavy thing lazily: a `Lazy` is a callable
or a string "package.module:attribute" that is imported on first use. Entry-point groups:
`segkit.architectures`, `segkit.losses`, `segkit.datasets`, `segkit.backends`, `segkit.exporters`,
`segkit.loggers`, `segkit.metrics`, `segkit.optimizers`, `segkit.schedules`, `segkit.augmentations`,
`segkit.protocols`, `segkit.columns`, `segkit.models`, `segkit.launchers`, `segkit.stages`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from segkit.protocol import EvaluationProtocol as EvaluationProtocol
from segkit.protocol import SplitRule as SplitRule

Lazy = Callable[..., Any] | str


def resolve(lazy: Lazy) -> Any:
    """The object that a `Lazy` stands for."""
    if not isinstance(lazy, str):
        return lazy
    module, _, attribute = lazy.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class NoConfig:
    """For plugins without settings."""


@dataclass(frozen=True)
class Published:
    """Figures as a paper prints them: shown as published, never as ours."""

    params_m: float | None = None
    gflops: float | None = None
    input: str = ""  # as the source states it, for example "3x256x256"
    source: str = ""
    note: str = ""  # one sentence: why our count differs


@dataclass(frozen=True)
class Paper:
    """What a network is cited as."""

    title: str
    authors: str
    year: int
    venue: str = ""
    url: str = ""


@dataclass(frozen=True)
class Architecture:
    """A network: `make(config)` gives a module with `forward(image) -> logits` at input size.

    Convention of every config dataclass: fields `in_channels` and `num_classes` (1 = sigmoid, K =
    softmax over K channels, background included).
    """

    name: str
    summary: str
    make: Lazy  # config -> torch.nn.Module
    config: type = NoConfig  # frozen dataclass
    paper: Paper | None = None
    published: Published = Published()
    size: tuple[int, int] = (256, 256)  # the paper's (H, W); profile and export use it
    multiple: int = 32  # the network pads H and W to a multiple of this by itself
    # config -> the only (H, W) that the network takes, or None
    fixed_size: Callable[[Any], tuple[int, int] | None] | None = None
    min_train_size: int = 64  # smallest square side for a training step at batch one
    params: int | None = None  # exact parameter count of the default config
    recipes: Mapping[str, str] = field(default_factory=dict)  # name -> "package:file.toml"
    presets: Mapping[str, str] = field(default_factory=dict)  # dataset -> its default recipe
    cards: Mapping[str, str] = field(default_factory=dict)  # reproduction cards, like recipes
    paper_counter: tuple[str, Lazy] | None = None  # (name, (module, (H, W)) -> number)
    # name of a method image -> {title: (B, 1, h, w)} for attention or prompt pictures
    maps: str | None = None
    # known pretrained weights -> how their names become ours, see segkit.engine.starting
    starts: Mapping[str, Lazy] = field(default_factory=dict)
    weights: Lazy | None = None  # the original checkpoint layout, see segkit.engine.weights
    # parameters that optim.decay = "weights" spares besides norms and biases
    no_decay: tuple[str, ...] = ("A_log", "A_logs", "D", "Ds", "scale", "gamma")
    requires: tuple[str, ...] = ()  # import names outside the core, looked up before work starts
    extra: str = ""  # the extra that brings them
    notes: tuple[str, ...] = ()  # shown by `plugins show`


@dataclass(frozen=True)
class Loss:
    """A loss: `make(config)` gives a function `(logits (B,K,H,W), mask (B,H,W)) -> scalar`."""

    name: str
    summary: str
    make: Lazy
    config: type = NoConfig
    paper: Paper | None = None
    min_logits: int = 1  # 2: softmax over classes only; one logit is refused before work starts


@dataclass(frozen=True)
class Archive:
    """One file of a dataset as its host offers it."""

    name: str
    part: str = "all"
    urls: tuple[str, ...] = ()
    hash: str | None = None  # "sha256:…" or "md5:…"
    size: int | None = None  # bytes
    members: str = ""  # regular expression of the members that are needed; empty takes all


@dataclass(frozen=True)
class Dataset:
    """A dataset as data: where it is, how pictures and masks pair, what is wrong with it."""

    name: str
    title: str
    summary: str
    modality: str
    pair: Lazy | None = None  # (root: Path, options) -> list of segkit.data.pairing.Pair
    generate: Lazy | None = None  # drawn sets: (count, size, seed) -> iterator of samples
    classes: tuple[str, ...] = ("background", "lesion")
    archives: tuple[Archive, ...] = ()
    default_parts: tuple[str, ...] = ()  # what `fetch` takes without --parts
    counts: Mapping[str, int] = field(default_factory=dict)  # expected pairs per part or class
    licence: str = ""
    terms: str = ""  # shown before a download; asks for --accept-terms if `ask` is set
    ask: bool = False
    login: str = ""  # how to get it by hand when no open address exists
    kaggle: str = ""  # the competition that serves it through Kaggle's own program
    page: str = ""
    citation: str = ""
    defects: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("original",)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # mask_rule -> (rgb, hsv)


@dataclass(frozen=True)
class Backend:
    """A set of kernels behind `segkit.ops`, found usable by running a tiny problem."""

    name: str
    summary: str
    make: Lazy  # () -> object with the kernels it has, see segkit.ops.dispatch
    devices: tuple[str, ...] = ("cpu",)
    order: int = 100  # lower is tried first
    cure: str = ""  # what makes it available


@dataclass(frozen=True)
class ExportOptions:
    """How a network is exported."""

    precision: str = "float32"  # float32 | fp16 | int8
    preprocess: bool = False  # the normalisation inside the graph: uint8 NHWC in
    tolerance: float | None = None  # instead of the bound of the precision
    single_file: bool = False  # web


class ExportFormat(Protocol):
    """What an exporter's `make()` returns: three facts, then naming, writing and reading a file.

    A subject is a `segkit.engine.exporting.subject.Subject`: `network` in eval mode on the CPU,
    `card` with plain facts, `size`, `channels`, and `images` and `masks` to check with, if there
    are any. What `load` gives takes the network's input and returns logits (B, K, H, W), both as
    arrays; segkit compares them with the network's own before the file is put in place. This
    contract and that class are stable, and an exporter may import `segkit.engine`.
    """

    precisions: tuple[str, ...]
    inside: bool  # the preprocessing is always in the graph
    fixed: bool  # one size only, at any batch

    def file_name(self, stem: str, options: ExportOptions) -> str:
        """What the file (or folder) is called."""
        ...

    def write(self, subject: Any, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Write the file (or folder) `path`; return facts for the report (opset, nodes…)."""
        ...

    def load(self, path: Path, options: ExportOptions) -> Callable[[Any], Any]:
        """Read it again, with the runtime that its users have."""
        ...


@dataclass(frozen=True)
class Exporter:
    """A file format to ship: `make()` gives an `ExportFormat`."""

    name: str
    summary: str
    make: Lazy
    suffix: str
    extra: str = ""
    requires: tuple[str, ...] = ()  # import names, checked before work starts


@dataclass(frozen=True)
class Logger:
    """A tracker of training: `make(run_folder, settings)` gives `log(event)` and `close()`."""

    name: str
    summary: str
    make: Lazy
    extra: str = "track"
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A score. `make()` gives a function of (prediction, truth), boolean masks (H, W), to a number;
    NaN leaves a picture out. The built-in ones are worked out together and have none.
    """

    name: str  # the column of cases.csv
    title: str
    meaning: str  # one line for a person
    make: Lazy | None = None
    higher: bool = True  # more is better
    unit: str = ""  # "" a share of 1, "px" a length, "parts" a count
    pooled: bool = False  # also over all pixels of all pictures: name_image and name_pooled
    order: int = 300  # place in cases.csv and tables
    digits: int = 4
    shown: bool = True  # a row of `segkit evaluate`
    report: tuple[str, ...] = ("",)  # columns of the report: "", "image", "pooled"


@dataclass(frozen=True)
class Optimizer:
    """`make(groups, settings)` gives a torch optimizer: parameter groups with their weight decay,
    and the recipe's `optim` section.
    """

    name: str
    summary: str
    make: Lazy


@dataclass(frozen=True)
class Schedule:
    """`rate(settings, lr, epochs, epoch)` gives the rate of an epoch, counted from 0: a closed
    form, so that resuming needs no replay. `settings` is the recipe's `schedule` section; with its
    `per_step`, epoch has a fraction.
    """

    name: str
    summary: str
    rate: Lazy


@dataclass(frozen=True)
class Augmentation:
    """`make()` gives a `segkit.data.augmenting.policy.Policy`."""

    name: str
    summary: str
    make: Lazy


@dataclass(frozen=True)
class ReportColumn:
    """A column of report and leaderboard: `value(facts)` gives a number or None. Facts are the
    run's `recipe`, `summary`, `environment` and `cost` as plain data.
    """

    name: str
    title: str
    meaning: str
    value: Lazy
    digits: int = 3
    higher: bool | None = None  # which end is better; None: neither


@dataclass(frozen=True)
class TrainedModel:
    """A trained network: a small run folder in a package, every file of it under its SHA-256.

    `segkit models pack RUN` writes such a folder, with the facts in `model.json`; then
    `TrainedModel.described("my_package", "my_folder")` is the whole plugin. A file that is not in
    the package is fetched from `address` and kept below `$SEGKIT_HOME/models`.
    """

    name: str
    summary: str
    architecture: str
    package: str  # the import package that holds the folder
    folder: str
    files: Mapping[str, str]  # path below the folder -> SHA-256
    task: str = ""  # what it outlines, in words
    params: int = 0
    licence: str = ""  # of the weights
    data: str = ""  # the training data, its title
    data_licence: str = ""
    citation: str = ""
    split: str = ""  # rule and hash: which pictures trained, selected and tested it
    recipe: str = ""
    command: str = ""  # trains it again
    date: str = ""
    minutes: float = 0.0  # of training
    scores: Mapping[str, Any] = field(default_factory=dict)  # metric -> {mean, ci95}, test part
    pictures: int = 0  # of the test part
    limits: tuple[str, ...] = ()
    address: str = ""
    format: int = 1

    @staticmethod
    def described(package: str, folder: str) -> TrainedModel:
        """The model whose facts stand in `model.json` of the folder."""
        import importlib.resources  # a third of the time of `--help`, which needs neither
        import json

        file = importlib.resources.files(package).joinpath(folder, "model.json")
        facts = json.loads(file.read_text(encoding="utf-8"))
        facts["limits"] = tuple(facts.get("limits", ()))
        return TrainedModel(**facts, package=package, folder=folder)


@dataclass(frozen=True)
class Launcher:
    """A place that carries out plans (`--on NAME`): `make()` gives an object with
    `script(plan, numbers) -> str` (what `--emit` writes), `send(plan, numbers) -> None`, and
    `alive(plan) -> {number: "queued" | "running"}`; see segkit.engine.launching.plan.
    """

    name: str
    summary: str
    make: Lazy
    settings: type = NoConfig  # its section of the cluster file; has `tries` and `cache`
    extra: str = ""
    requires: tuple[str, ...] = ()  # import names, looked up before work starts


@dataclass(frozen=True)
class Stage:
    """A command: `command` is a function with Typer annotations, or a `typer.Typer` with
    subcommands.
    """

    name: str
    summary: str
    command: Lazy
    panel: str = "More"


CONTRACTS: Mapping[str, type] = {
    "architectures": Architecture,
    "losses": Loss,
    "datasets": Dataset,
    "backends": Backend,
    "exporters": Exporter,
    "loggers": Logger,
    "metrics": Metric,
    "optimizers": Optimizer,
    "schedules": Schedule,
    "augmentations": Augmentation,
    "protocols": EvaluationProtocol,
    "columns": ReportColumn,
    "models": TrainedModel,
    "launchers": Launcher,
    "stages": Stage,
}
