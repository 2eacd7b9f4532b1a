"""The figures that DermoMamba's released code prints for two pictures, under their honest names."""

import pytest
import torch

from segkit.metrics.cases import Wanted, measure

EXPECTED = {
    "dice_soft": (0.241718880, 0.186533014),
    "dice": (0.239918420, 0.186855114),
    "iou": (0.136310966, 0.103055810),
    "pre": (0.158216498, 0.114882507),
    "sen": (0.496102236, 0.500266477),
    "pre_logit": (0.160993731, 0.114980472),
    "sen_logit": (0.443067093, 0.439332031),
}


def test_the_released_metrics(make_input):
    row, column = torch.arange(192.0)[:, None], torch.arange(256.0)
    first = (row - 90) ** 2 + (column - 120) ** 2 < 2500
    second = (row - 60) ** 2 / 4 + (column - 180) ** 2 < 900
    truth = torch.stack([first, second]).numpy().astype("uint8")
    logits = 8 * make_input((2, 1, 192, 256), 23)[:, 0] - 4
    probability = logits.sigmoid().numpy()
    prediction = (probability > 0.5).astype("uint8")
    columns = measure(prediction, truth, probability, wanted=Wanted(evidence=True))
    for name, values in EXPECTED.items():
        assert columns[name] == pytest.approx(values, abs=1e-6), name
