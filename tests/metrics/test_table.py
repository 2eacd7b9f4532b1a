"""The table of metrics: one row decides where a metric is shown, and a stranger's row is enough."""

import dataclasses

import numpy as np
import pytest

from segkit import plugins
from segkit.api import Metric
from segkit.engine.evaluating import cases_csv, summary
from segkit.metrics import cases, table
from segkit.metrics.intervals import Resampler
from segkit.report.table import scores

TRUTH = np.zeros((3, 16, 16), dtype=np.int64)
TRUTH[:, 4:12, 4:12] = 1
GUESS = np.roll(TRUTH, 2, 1)


@pytest.fixture
def stranger(monkeypatch):
    """A metric of another distribution: how far the centres are apart in rows."""

    def make():
        return lambda p, t: abs(np.nonzero(p)[0].mean() - np.nonzero(t)[0].mean())

    row = Metric("shift", "Shift", "rows between the centres", make, higher=False, unit="px")
    found = {"metrics": [plugins.Status("metrics", "shift", "other", "ok", "", row)]}
    monkeypatch.setattr(plugins, "statuses", lambda group: found.get(group, []))
    table.table.cache_clear()
    yield row
    table.table.cache_clear()


def measured() -> dict[str, np.ndarray]:
    found = cases.measure(GUESS, TRUTH)
    names = np.array(["a", "b", "c"], dtype=object)
    zero = np.zeros(3, dtype=int)
    return {"id": names, "group": names, "fold": zero, "seed": zero, "ms": zero + 1.0, **found}


def test_every_built_in_row_is_measured_or_named_as_extra():
    probability = GUESS.astype(float)
    wanted = cases.Wanted(extras=cases.EXTRAS)
    found = cases.measure(GUESS, TRUTH, probability, wanted=wanted)
    assert {metric.name for metric in table.BUILT_IN} <= set(found)


def test_names_and_orders_are_unique():
    assert len({metric.name for metric in table.BUILT_IN}) == len(table.BUILT_IN)
    assert len({metric.order for metric in table.BUILT_IN}) == len(table.BUILT_IN)
    assert set(plugins.names("metrics")) >= {metric.name for metric in table.BUILT_IN}


def test_a_strangers_row_is_measured_shown_compared_and_reported(stranger, tmp_path):
    columns = measured()
    assert columns["shift"].tolist() == [2, 2, 2]
    assert summary.figures(columns)["shift"].of_sums(np.array([6.0, 3.0])) == 2
    assert "shift" in table.shown()
    assert table.score_of("shift", columns).lower_is_better
    assert table.in_pixels("shift")
    assert "shift" in [column.key for column in scores()]
    path = cases_csv.write_cases(tmp_path / "cases.csv", columns, "val")
    assert cases_csv.read_cases(path)["shift"].tolist() == [2, 2, 2]


def test_a_report_column_that_no_list_knows_raises_nothing(stranger):
    draws = Resampler(3, ["a", "b", "c"], 50)
    assert summary.metrics(measured(), draws)["shift"]["mean"] == 2
    assert all(column.plain for column in scores())


def test_a_row_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.DICE.title = "dice"
