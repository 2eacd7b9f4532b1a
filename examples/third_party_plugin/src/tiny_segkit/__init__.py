"""What this distribution offers to segkit. Plain data: nothing heavy is imported here."""

from dataclasses import dataclass

from segkit.api import (
    Architecture,
    Augmentation,
    Dataset,
    EvaluationProtocol,
    Loss,
    Metric,
    Optimizer,
    ReportColumn,
    Schedule,
    SplitRule,
    TrainedModel,
)


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

CENTRE_SHIFT = Metric(
    name="centre_shift",
    title="Centre shift (px)",
    meaning="distance of the two centres in pixels",
    make="tiny_segkit.ways:make_centre_shift",
    higher=False,
    unit="px",
    digits=2,
)

RMSPROP = Optimizer(
    name="rmsprop",
    summary="RMSprop, with the recipe's momentum: an example.",
    make="tiny_segkit.ways:make_rmsprop",
)

HALVING = Schedule(
    name="halving",
    summary="Half the rate after each quarter of the epochs: an example.",
    rate="tiny_segkit.ways:halved",
)

MIRROR = Augmentation(
    name="mirror",
    summary="Left and right, in half of the cases: an example.",
    make="tiny_segkit.ways:make_mirror",
)

TINY_HALVES = EvaluationProtocol(
    name="tiny-halves",
    summary="Half of the sorted pictures train, the rest is tested: an example.",
    source="tiny-segkit",
    rules={},
    default=SplitRule("ratio", (1, 1), val=0.1),
)

EPOCHS = ReportColumn(
    name="epochs",
    title="Epochs",
    meaning="How many epochs the recipe asks for.",
    value="tiny_segkit.ways:epochs_of",
    digits=0,
)

# a trained network: the folder that `segkit models pack RUN --name bars` wrote
BARS = TrainedModel.described("tiny_segkit", "bars")
