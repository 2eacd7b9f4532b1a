"""What this distribution offers to segkit. Plain data: nothing heavy is imported here."""

from dataclasses import dataclass

from segkit.api import Architecture, Dataset, Loss


@dataclass(frozen=True)
class TinyConfig:
    """Every architecture has `in_channels` and `num_classes`; the rest is yours."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 12


TINYCNN = Architecture(
    name="tinycnn",
    summary="Four convolutions with growing dilation: an example.",
    make="tiny_segkit.model:TinyCNN",
    config=TinyConfig,
    size=(64, 64),
    multiple=1,
    min_train_size=16,
    params=4369,
)

SOFT_IOU = Loss(
    name="soft_iou",
    summary="1 − soft intersection over union: an example.",
    make="tiny_segkit.loss:make",
)

STRIPES = Dataset(
    name="stripes",
    title="Stripes",
    summary="A bright bar on noise: an example of a dataset that draws itself.",
    modality="synthetic",
    generate="tiny_segkit.data:generate",
    classes=("background", "bar"),
    counts={"all": 64},
    licence="CC0",
    citation="tiny-segkit, an example",
)
