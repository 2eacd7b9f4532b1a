"""Recipes: frozen dataclasses, TOML in, JSON out. Stdlib only.

Precedence: defaults < the plugin's recipe < `--recipe FILE` < ordinary flags and `--set a.b=value`.
An unknown key, a wrong type or a contradiction is a `UsageError` that names the dotted path and
what is allowed, before torch is imported.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from segkit import plugins
from segkit.errors import UsageError, nearest
from segkit.limits import MAX_SEED, MAX_SIDE

# what a validation measures, and train.select adds up; a loss counts negative
FIGURES = ("loss", "dice_image", "iou_image", "dice_pooled", "iou_pooled", "dice_soft")


SEEDS = f"0 to {MAX_SEED}"


def _require(holds: bool, rule: str) -> None:
    """For `__post_init__`: `fill` makes a `UsageError` of it, with the section's name."""
    if not holds:
        raise ValueError(rule)


@dataclass(frozen=True)
class DataRecipe:
    """Which pictures, at which size, cut how."""

    name: str | None = None
    size: tuple[int, int] = (256, 256)  # (H, W)
    resize: Literal["stretch", "letterbox"] = "stretch"
    variant: str = "original"
    protocol: str | None = None  # a named protocol; explicit split or folds override its split only
    split: str | None = None  # "7:3", "1500/650", "official"
    folds: int | None = None
    split_file: str | None = None
    split_seed: int = 0
    colour: Literal["rgb", "ycrcb"] = "rgb"
    normalise: Literal["unit", "minmax", "minmax_signed", "half", "imagenet"] = "unit"
    augment: str = "flips"  # a policy name or the file of a saved albumentations pipeline
    cache: Literal["auto", "device", "stream", "memory"] = "auto"

    def __post_init__(self) -> None:
        _require(min(self.size) >= 1, f"size is {self.size}: both sides must be positive")
        _require(max(self.size) <= MAX_SIDE, f"size is {self.size}: at most {MAX_SIDE} a side")
        _require(self.folds is None or self.folds >= 2, f"folds is {self.folds}: at least 2")
        ways = [way for way in (self.split, self.folds, self.split_file) if way is not None]
        _require(0 <= self.split_seed <= MAX_SEED, f"split_seed is {self.split_seed}: {SEEDS}")
        _require(len(ways) <= 1, "split, folds and split_file exclude one another")


@dataclass(frozen=True)
class OptimRecipe:
    """The optimizer."""

    name: Annotated[str, "optimizers"] = "adamw"  # a plugin of that group
    lr: float = 1e-3
    weight_decay: float = 1e-2
    decay: Literal["all", "weights"] = "weights"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9
    nesterov: bool = False
    clip: float | None = None  # largest global gradient norm
    accumulate: int = 1
    ema: float | None = None  # decay of the averaged weights

    def __post_init__(self) -> None:
        _require(self.lr > 0, f"lr is {self.lr}: it must be positive")
        _require(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}: not below 0")
        _require(0 <= self.momentum < 1, f"momentum is {self.momentum}: from 0 to below 1")
        _require(all(0 <= b < 1 for b in self.betas), f"betas are {self.betas}: 0 to below 1")
        _require(self.accumulate >= 1, f"accumulate is {self.accumulate}: at least 1")
        _require(self.clip is None or self.clip > 0, f"clip is {self.clip}: it must be positive")
        _require(self.ema is None or 0 < self.ema < 1, f"ema is {self.ema}: between 0 and 1")
        nesterov = self.name == "sgd" and self.nesterov and self.momentum <= 0
        _require(not nesterov, "nesterov needs a momentum above 0")


@dataclass(frozen=True)
class ScheduleRecipe:
    """The learning rate over the epochs."""

    name: Annotated[str, "schedules"] = "cosine"  # a plugin of that group
    every: int = 50  # step: epochs between drops
    factor: float = 0.5  # step and plateau
    floor: float = 0.0  # lowest rate
    power: float = 0.9  # poly
    delay: int = 0  # poly: epochs before the decay starts (QTSeg's schedule is one epoch late)
    t_max: int | None = None  # cosine: half period in epochs (default: all of them)
    t_mult: int = 1  # cosine_restarts
    per_step: bool = False  # the rate falls from step to step instead of from epoch to epoch
    patience: int = 5  # plateau
    warmup: float = 0.0  # epochs of linear warm-up

    def __post_init__(self) -> None:
        for name in ("every", "t_max", "t_mult"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} is {value}: at least 1")
        _require(self.factor > 0, f"factor is {self.factor}: it must be positive")
        _require(min(self.warmup, self.delay, self.floor) >= 0, "warmup, delay, floor: not below 0")


@dataclass(frozen=True)
class LossRecipe:
    """The loss: one name, or several with weights; deep supervision by weights of forward_aux's
    outputs.
    """

    name: str = "bce_dice"
    config: dict[str, Any] = field(default_factory=dict)
    extra: tuple[dict[str, Any], ...] = ()  # further terms: {name, weight, config}
    weight: float = 1.0
    aux_weights: tuple[
        float, ...
    ] = ()  # empty: forward only; else one weight per output of forward_aux
    aux_resize: Literal["logits", "target"] = "logits"
    class_weights: tuple[float, ...] = ()
    smooth_border: int = 0  # pixels of label smoothing across the border

    def __post_init__(self) -> None:
        _require(self.smooth_border >= 0, f"smooth_border is {self.smooth_border}: not below 0")
        _require(all(w >= 0 for w in self.aux_weights), "aux_weights: not below 0")
        for term in self.extra:
            strangers = set(term) - {"name", "weight", "config"}
            named = "name" in term and not strangers
            _require(named, f"extra holds {term}: its terms are {{name, weight, config}}")

    def named(self) -> dict[str, dict[str, Any]]:
        """The settings of every loss that takes part, by the dotted path of its settings."""
        extra = {f"loss.extra.{term['name']}": term for term in self.extra}
        return {"loss.config": {"name": self.name, "config": self.config}, **extra}


@dataclass(frozen=True)
class DistilRecipe:
    """A trained network that teaches: its soft answers beside the masks (Hinton et al. 2015)."""

    teacher: str = ""  # a run, a trained network's name or an ONNX file; empty: the masks alone
    sha256: str = ""  # of the teacher's weights; filled in when a run begins
    temperature: float = 2.0  # logits are divided by it: higher shows more of the doubt
    weight: float = 0.5  # the teacher's share of the loss; the masks have the rest

    def __post_init__(self) -> None:
        _require(self.temperature > 0, f"temperature is {self.temperature}: it must be positive")
        _require(0 < self.weight <= 1, f"weight is {self.weight}: above 0, at most 1")


@dataclass(frozen=True)
class TrainRecipe:
    """How long, how many at once, what is kept."""

    epochs: int = 100
    batch: int = 8
    drop_last: bool = False
    amp: Literal["auto", "bf16", "fp16", "off"] = "off"
    compile: bool = False
    channels_last: bool = True  # a memory layout, not a setting of the method: faster for most
    init: str = ""  # a run, or the file of a part, that the weights start from
    freeze: str = ""  # name prefix of the parameters that rest at first
    freeze_epochs: int = 0  # ... for this many epochs
    freeze_mode: Literal["grad_only", "full"] = "grad_only"  # full: batch-norm statistics rest too
    select: str = "dice_image"  # the validation figure that chooses best.safetensors
    select_on: Literal["val", "test"] = "val"
    val_every: int = 1
    early_stop: int | None = None  # epochs without improvement
    seed: int = 0
    sync_batchnorm: bool = False
    save_minutes: float | None = None
    trials: int = 0  # a search chose these settings among so many; changes nothing, is reported

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "val_every", "early_stop"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} is {value}: at least 1")
        strangers = [part for part in self.select.split("+") if part.strip() not in FIGURES]
        _require(not strangers, f"select is '{self.select}', a sum of: {', '.join(FIGURES)}")
        _require(0 <= self.seed <= MAX_SEED, f"seed is {self.seed}: {SEEDS}")
        _require(self.freeze_epochs >= 0, f"freeze_epochs is {self.freeze_epochs}: not below 0")
        pause = self.save_minutes
        _require(pause is None or pause > 0, f"save_minutes is {pause}: it must be positive")
        _require(not self.freeze_epochs or bool(self.freeze), "freeze_epochs needs freeze")


@dataclass(frozen=True)
class EvalRecipe:
    """How a prediction becomes a mask."""

    threshold: float = 0.5
    tta: Literal["none", "flips", "d4"] = "none"

    def __post_init__(self) -> None:
        _require(0 <= self.threshold <= 1, f"threshold is {self.threshold}: between 0 and 1")


@dataclass(frozen=True)
class Recipe:
    """Everything that a run depends on; saved, resolved, as `recipe.json` in the run."""

    architecture: str = "unet"
    model: dict[str, Any] = field(default_factory=dict)  # complete settings of the network
    data: DataRecipe = DataRecipe()
    optim: OptimRecipe = OptimRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    loss: LossRecipe = LossRecipe()
    distil: DistilRecipe = DistilRecipe()
    train: TrainRecipe = TrainRecipe()
    evaluate: EvalRecipe = EvalRecipe()


def fill(kind: type, settings: Mapping[str, Any], path: str = "") -> Any:
    """A dataclass of `kind` with `settings` over its defaults, checked key by key."""
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {item.name: item for item in dataclasses.fields(kind) if item.init}
    values: dict[str, Any] = {}
    for key, value in settings.items():
        dotted = f"{path}.{key}" if path else key
        if key not in known:
            raise _unknown_key(dotted, key, known)
        values[key] = convert(hints[key], value, dotted)
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:  # a __post_init__ that refuses a contradiction
        raise UsageError(f"invalid settings in {path or kind.__name__}", str(error)) from error


def _unknown_key(dotted: str, key: str, known: Mapping[str, Any]) -> UsageError:
    close = nearest(key, known)
    prefix = dotted[: len(dotted) - len(key)]
    if close:
        return UsageError(f"unknown setting '{dotted}'", f"did you mean '{prefix}{close[0]}'?")
    allowed = ", ".join(f"{prefix}{name}" for name in sorted(known)) or "none"
    return UsageError(f"unknown setting '{dotted}'", f"allowed: {allowed}")


def convert(hint: Any, value: Any, dotted: str) -> Any:
    """Check `value` against a type hint; lists become tuples, integers widen to floats."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        return _convert_literal(tuple(plugins.names(arguments[1])), value, dotted)
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value, dotted)
    if origin is Literal:
        return _convert_literal(arguments, value, dotted)
    if origin is tuple:
        return _convert_tuple(arguments, value, dotted)
    if dataclasses.is_dataclass(hint):
        return _convert_nested(typing.cast(type, hint), value, dotted)
    if origin in (dict, Mapping) or hint is dict:
        return _expect(dict, value, dotted)
    return _convert_scalar(hint, value, dotted)


def _convert_union(options: tuple[Any, ...], value: Any, dotted: str) -> Any:
    if value is None and type(None) in options:
        return None
    real = [option for option in options if option is not type(None)]
    for option in real[:-1]:
        try:
            return convert(option, value, dotted)
        except UsageError:
            continue
    return convert(real[-1], value, dotted)


def _convert_literal(allowed: tuple[Any, ...], value: Any, dotted: str) -> Any:
    if any(value == item and type(value) is type(item) for item in allowed):
        return value
    listing = ", ".join(str(item) for item in allowed)
    close = nearest(str(value), [str(item) for item in allowed], 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise UsageError(f"{dotted} is {value!r}", f"allowed: {listing}{hint}")


def _convert_tuple(items: tuple[Any, ...], value: Any, dotted: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{dotted} is {value!r}", "a list is expected")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(convert(items[0], item, f"{dotted}[{i}]") for i, item in enumerate(value))
    if len(value) != len(items):
        raise UsageError(f"{dotted} has {len(value)} items", f"{len(items)} are expected")
    pairs = zip(items, value, strict=True)
    return tuple(convert(hint, item, f"{dotted}[{i}]") for i, (hint, item) in enumerate(pairs))


def _convert_nested(kind: type, value: Any, dotted: str) -> Any:
    if isinstance(value, kind):
        return value
    return fill(kind, _expect(dict, value, dotted), dotted)


def _convert_scalar(hint: type, value: Any, dotted: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float) and isinstance(value, bool):
        raise UsageError(f"{dotted} is {value!r}", f"{hint.__name__} is expected")
    return _expect(hint, value, dotted)


def _expect(kind: type, value: Any, dotted: str) -> Any:
    if not isinstance(value, kind):
        raise UsageError(f"{dotted} is {value!r}", f"{kind.__name__} is expected")
    return value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, table by table."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = merge(typing.cast("dict[str, Any]", old), value) if both else value
    return result


def parse_set(text: str) -> dict[str, Any]:
    """One `--set a.b=value` as nested settings; the value is TOML, else a plain string."""
    key, sign, raw = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"--set {text!r} is not understood", "write --set section.key=value")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw.strip()
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return typing.cast("dict[str, Any]", value)


def read_settings(path: Path | str) -> dict[str, Any]:
    """The settings of a TOML or JSON recipe file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"recipe {path} cannot be read", error.strerror or str(error)) from error
    except ValueError as error:
        raise UsageError(
            f"recipe {path} is not valid {path.suffix[1:].upper()}", str(error)
        ) from error


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON data."""
    return typing.cast("dict[str, Any]", json.loads(json.dumps(dataclasses.asdict(recipe))))


def from_dict(settings: Mapping[str, Any]) -> Recipe:
    """The recipe that `to_dict` wrote, or that merged settings describe."""
    return typing.cast(Recipe, fill(Recipe, settings))


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> list[str]:
    """The dotted keys in which two settings differ."""
    keys: list[str] = []
    for key in sorted({*one, *other}):
        dotted = f"{path}.{key}" if path else key
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            keys += differing_keys(left, right, dotted)
        elif left != right:
            keys.append(dotted)
    return keys
