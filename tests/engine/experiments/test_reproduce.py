"""Cards: every one is readable and runnable as it says; a run gets an honest verdict."""

from pathlib import Path

import pytest

from segkit import events, paths, plugins
from segkit.cli.training.reproduce import _seconds, command
from segkit.data.splitting.protocols import PROTOCOLS
from segkit.engine.experiments import reproduce, reproduction_cards
from segkit.engine.experiments.reproduction_cards import Printed, ReproductionCard
from segkit.errors import UsageError

EXPECTED = {
    "qtseg-isic2016",
    "qtseg-dsb2018",
    "qtseg-busi",
    "qtseg-bkai",
    "qtseg-fives",
    "vmpanet-isic2017",
    "vmpanet-isic2018",
    "vmpanet-ph2",
    "dermomamba-isic2018",
    "dermomamba-ph2",
    "eamnet-isic2018",
    "eamnet-ph2",
}


def test_one_card_per_published_row():
    assert set(reproduction_cards.locations()) >= EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_card_can_be_carried_out(name):
    architecture, card, printed = reproduction_cards.read(name)
    assert card.name == name
    plugins.get("datasets", card.dataset)
    if card.protocol:
        assert card.protocol in PROTOCOLS
    asked = reproduce.request_of(architecture, card, reproduce.Order(name, Path("run")))
    assert asked.recipe.train.epochs > 50
    assert asked.recipe.data.protocol == (card.protocol or None)
    # a frozen part without weights would learn nothing
    assert asked.recipe.train.freeze_epochs == 0 or asked.recipe.train.init
    assert card.notes, "a published run always differs in something"
    for name_, value in printed.figures.items():
        assert 0 < value <= 100, name_


def test_figures_are_those_of_the_published_tables():
    from segkit.metrics.published import rows_on

    for name in ("qtseg-busi", "qtseg-dsb2018", "dermomamba-isic2018"):
        _, card, printed = reproduction_cards.read(name)
        rows = rows_on(card.dataset)
        family = name.split("-")[0]
        row = next(r for r in rows if r.name.lower().replace("-", "") == family)
        dice = printed.figures.get("dice_image", printed.figures.get("dice"))
        assert dice == pytest.approx(100 * row.scores["dice"], abs=1e-6)


def test_an_unknown_card_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'qtseg-busi'"):
        reproduction_cards.read("qtseg-bsui")


def card(**changes):
    return ReproductionCard(
        "mine", "paper", "row", "demo", "", "quick", notes=("a note",), **changes
    )


def row(difference, tolerance=1.0):
    return {"difference": difference, "tolerance": tolerance}


@pytest.mark.parametrize(
    ("rows", "differs", "verdict"),
    [
        ([row(0.5), row(-0.9)], [], "reproduced"),
        ([row(0.5), row(-1.1)], [], "not reproduced: below"),
        ([row(2.0)], [], "not reproduced: above"),
        ([row(2.0), row(-3.0)], [], "not reproduced: mixed"),
        ([row(-3.0)], ["10 of 350 epochs"], "scaled run, no verdict"),
        (
            [row(-0.3)],
            ["10 of 350 epochs"],
            "scaled run, no verdict (within tolerance all the same)",
        ),
        ([row(None)], [], "nothing to compare"),
    ],
)
def test_verdicts(rows, differs, verdict):
    assert reproduce._verdict(rows, differs) == verdict


def test_a_figure_is_read_under_the_papers_own_scoring():
    scored = {
        "metrics": {"dice_image": {"mean": 0.90, "ci95": [0.88, 0.92]}},
        "protocols": {"soft": {"metrics": {"dice": 0.95}, "ci95": {"dice": [0.94, 0.96]}}},
    }
    found = reproduce._row("dice", 94.0, scored, Printed({}, "image", "soft", "test"), card())
    assert found["ours"] == pytest.approx(95.0)
    assert found["ours_segkit_rule"] == pytest.approx(90.0)
    assert found["difference"] == pytest.approx(1.0)
    assert found["ci95"] == pytest.approx([94.0, 96.0])  # of 95, not of 90
    del scored["protocols"]["soft"]["ci95"]
    found = reproduce._row("dice", 94.0, scored, Printed({}, "image", "soft", "test"), card())
    assert found["ci95"] is None
    found = reproduce._row("dice", 94.0, scored, Printed({}, "image", "", "test"), card())
    assert found["ci95"] == pytest.approx([88.0, 92.0])


@pytest.fixture
def small_card(monkeypatch, tmp_path):
    """A card on the built-in set that a test can afford."""
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    printed = Printed({"dice_image": 93.0, "iou_pooled": 88.0}, "image", "", "val")
    monkeypatch.setattr(reproduction_cards, "read", lambda name: ("unet", card(), printed))


@pytest.mark.slow
def test_a_card_is_run_and_the_verdict_written(small_card, tmp_path):
    settings = ("model.width=4", "model.levels=3", "data.split='7:3'")
    order = reproduce.Order("mine", tmp_path / "run", epochs=1, size=(32, 32), settings=settings)
    events = list(reproduce.reproduce(order))
    verdict = events[-1]
    assert verdict["event"] == "verdict"
    assert verdict["verdict"].startswith("scaled run, no verdict")
    assert any("1 of 24 epochs" in item for item in verdict["scaled"])
    assert any("32x32 instead of 128x128" in item for item in verdict["scaled"])
    assert {r["figure"] for r in verdict["rows"]} == {"dice_image", "iou_pooled"}
    for r in verdict["rows"]:
        assert r["ci95"][0] <= r["ours"] <= r["ci95"][1]
    written = paths.read_json(tmp_path / "run" / "reproduction.json")
    assert written["rows"] == verdict["rows"]
    text = (tmp_path / "run" / "reproduction.md").read_text()
    assert "| dice_image | 93.00 |" in text
    assert "a note" in text


@pytest.mark.slow
def test_a_budget_sets_the_epochs(small_card, tmp_path):
    settings = ("model.width=4", "model.levels=3", "data.split='7:3'")
    order = reproduce.Order("mine", tmp_path / "run", None, (32, 32), 0.001, settings)
    events = list(reproduce.reproduce(order))
    texts = [event["text"] for event in events if event["event"] == "note"]
    assert any("budget 0 s: 1 of 24 epochs on 1 fold" in text for text in texts)
    assert sum(event["event"] == "epoch" for event in events) == 1


def test_no_time_is_no_budget():
    with pytest.raises(UsageError, match="--budget is 0m"):
        _seconds("0m")
    assert _seconds("1.5h") == 5400


def test_folds_can_be_trained_side_by_side(small_card, tmp_path, monkeypatch):
    orders = []

    def stand_in(order):
        orders.append(order)
        yield events.Verdict({
            "card": "mine", "row": "row", "run": str(order.out), "rows": [],
            "verdict": "nothing to compare", "scaled": [], "known_differences": [],
        })  # fmt: skip

    monkeypatch.setattr(reproduce, "reproduce", stand_in)
    command("mine", fold_jobs="5", out=tmp_path / "run")
    command("mine", fold_jobs="auto", out=tmp_path / "run")
    assert [order.options.fold_jobs for order in orders] == [5, 0]
    with pytest.raises(UsageError, match="--fold-jobs 'many'"):
        command("mine", fold_jobs="many", out=tmp_path / "run")
