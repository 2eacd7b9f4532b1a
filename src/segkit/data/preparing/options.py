"""Where a prepared set lies, and the options that join its variant. No numpy: listings use this
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segkit import paths
from segkit.api import Dataset
from segkit.errors import UsageError, unknown

BUILTIN_OPTIONS = {"mask_resize": ("nearest", "area"), "instances": ("no", "yes")}
GENERATED_OPTIONS: dict[str, tuple[str, ...]] = {"count": (), "seed": ()}  # any whole number


def folder(
    name: str, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Path:
    """`$SEGKIT_HOME/prepared/NAME/<size>-<resize>-<variant>`; options other than the default join
    the variant.
    """
    side = str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
    extra = "".join(f"+{key}={options[key]}" for key in sorted(options))
    return paths.prepared(name) / f"{side}-{resize}-{variant}{extra}"


def parse_variant(text: str) -> tuple[str, dict[str, str]]:
    """`original+classes=three` (how recipes name a variant with options) in its parts."""
    variant, *extra = text.split("+")
    return variant or "original", dict(part.partition("=")[::2] for part in extra)


def checked_options(
    dataset: Dataset, variant: str, options: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The variant and those options that are not the default; unknown ones are errors."""
    variant, inside = parse_variant(variant)
    if variant not in dataset.variants:
        raise unknown(f"variant of {dataset.name}", variant, dataset.variants)
    known = {
        **dataset.options,
        **BUILTIN_OPTIONS,
        **(GENERATED_OPTIONS if dataset.generate else {}),
    }
    given = {**inside, **options}
    for key, value in given.items():
        if key not in known:
            raise unknown(f"option of {dataset.name}", key, known)
        if known[key] and value not in known[key]:
            raise unknown(f"{key} of {dataset.name}", value, known[key])
        if not known[key] and not value.isdigit():
            raise UsageError(f"{key}={value}", "a whole number is expected")
    return variant, {key: v for key, v in given.items() if not known[key] or v != known[key][0]}


def all_options(dataset: Dataset, options: Mapping[str, str]) -> dict[str, str]:
    """The given options over the defaults."""
    known = {**dataset.options, **BUILTIN_OPTIONS}
    return {**{key: values[0] for key, values in known.items()}, **options}
