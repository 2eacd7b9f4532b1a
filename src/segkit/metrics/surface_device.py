"""Surface distances with the distance transform of `segkit.ops`, batched on a GPU (or any device).

Squared distances are integers there too; only those of contour pixels come to the host, where the
square root is taken. The values are those of `surface`, to the last bit.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.metrics.distances import TOLERANCE, empty_distances, empty_state, summarise
from segkit.metrics.table import DISTANCES
from segkit.ops.distance import squared_distance

Figures = dict[str, np.ndarray]


def contours(mask: Tensor) -> Tensor:
    """Contour pixels of masks (B, H, W): foreground with a background pixel beside it."""
    padded = F.pad(mask, (1, 1, 1, 1), value=False)
    above, below = padded[:, :-2, 1:-1], padded[:, 2:, 1:-1]
    left, right = padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
    return mask & ~(above & below & left & right)


def batch_distances(prediction: Tensor, truth: Tensor, tolerance: float = TOLERANCE) -> Figures:
    """HD, HD95, ASSD and NSD of each pair of boolean masks (B, H, W), by name."""
    p, t = contours(prediction.bool()), contours(truth.bool())
    to_truth, to_prediction = squared_distance(~t), squared_distance(~p)
    rows = []
    for i in range(len(p)):
        forth, back = _roots(to_truth[i][p[i]]), _roots(to_prediction[i][t[i]])
        state = empty_state(bool(forth.size), bool(back.size))
        if state:
            rows.append(empty_distances(state, tuple(prediction.shape[1:])))
        else:
            rows.append(summarise(forth, back, tolerance))
    return {name: np.array([row[name] for row in rows]) for name in DISTANCES}


def on_best_device(prediction: np.ndarray, truth: np.ndarray, tolerance: float) -> Figures:
    """The same for numpy masks: on the first GPU where there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    p, t = (torch.from_numpy(np.ascontiguousarray(m)).to(device) for m in (prediction, truth))
    return batch_distances(p, t, tolerance)


def _roots(squares: Tensor) -> np.ndarray:
    return np.sqrt(squares.cpu().numpy().astype(np.float64))
