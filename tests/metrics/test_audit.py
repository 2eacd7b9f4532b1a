"""The audit: what it must find, and that real tables pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segkit.errors import SegkitError, UsageError
from segkit.metrics.auditing import audit
from segkit.metrics.auditing.identities import judge
from segkit.metrics.auditing.tables import parse_table
from segkit.metrics.confusion import Counts
from segkit.metrics.published import all_rows, rows_on


def findings(made: dict) -> list[str]:
    """Everything that was found."""
    return [*made["table"], *(text for row in made["rows"] for text in row["findings"])]


def audited(text: str, tmp_path: Path, claims: str = "", columns: str | None = None) -> dict:
    (tmp_path / "t.csv").write_text(text)
    path = None
    if claims:
        path = tmp_path / "claims.csv"
        path.write_text(claims)
    return audit.audit(tmp_path / "t.csv", path, columns)


def test_qtseg_table_one() -> None:
    made = audit.audit(audit.locate("qtseg"))
    verdicts = {(row["name"], row["data"]): row["verdict"] for row in made["rows"]}
    on_isic = {name: v for (name, data), v in verdicts.items() if data == "ISIC2016"}
    assert {name for name, v in on_isic.items() if v == "pooled"} == {"MALUNet", "VM-UNetV2"}
    assert {v for name, v in on_isic.items() if name not in ("MALUNet", "VM-UNetV2")} == {
        "per-image"
    }
    for name in ("MALUNet", "VM-UNetV2"):
        assert verdicts[name, "DSB2018"] == "per-image"
        assert any(text.startswith(f"{name} changes its aggregation") for text in made["table"])
    assert any("ISIC2016: MALUNet, VM-UNetV2 are pooled" in text for text in made["table"])
    assert "impossible" not in verdicts.values()
    even = [text for text in made["table"] if "looks pooled per fold" in text]
    assert [text.split(" nearly")[0] for text in even] == [
        "BUSI: MALUNet",
        "BUSI: VM-UNetV2",
        "BKAI: MALUNet",
        "BKAI: VM-UNetV2",
    ]


def test_qtseg_text_against_its_tables() -> None:
    found = audit.audit(audit.locate("qtseg"))["table"]
    for expected in (
        "QTSeg on BUSI, dice: the text says 82.09, the table 81.82",
        "QTSeg on BUSI, iou: the text says 73.85, the table 73.46",
        "QTSeg on FIVES, dice: the text says 90.37, the table 90.98",
        "QTSeg on ISIC2016, mae: the text says 2.99, the table 3.00",
    ):
        assert any(text.startswith(expected) for text in found), expected
    assert not any("92.45" in text for text in found)  # the log agrees there


def test_dermomamba_tables() -> None:
    made = audit.audit(audit.locate("dermomamba"))
    bad = [(row["name"], row["data"]) for row in made["rows"] if row["verdict"] == "impossible"]
    assert bad == [("SegFormer", "PH2")]
    assert any("marked as best with 90.49, but CellFormer has 92.65" in t for t in made["table"])
    assert any("p = 0.63" in text for text in made["table"])


def test_vmpanet_gains_and_eamnet() -> None:
    found = audit.audit(audit.locate("vmpanet"))["table"]
    assert len(found) == 1
    assert "they fit near IoU 82" in found[0]
    assert findings(audit.audit(audit.locate("eamnet"))) == []


@pytest.mark.parametrize(
    ("line", "verdict", "part"),
    [
        ("a,90.00,81.82", "pooled", ""),
        ("a,90.00,83.50", "per-image", ""),
        ("a,90.00,81.00", "impossible", "below Dice / (2 - Dice)"),
        ("a,90.00,90.02", "impossible", "exceeds Dice"),
        ("a,90.00,81.90", "undecided", ""),
        ("a,0.9000,0.8182", "pooled", ""),
        ("a,120.0,81.0", "impossible", "outside 0 to 1"),
    ],
)
def test_dice_and_iou(line: str, verdict: str, part: str, tmp_path: Path) -> None:
    made = audited(f"method,Dice,IoU\n{line}\n", tmp_path)
    (row,) = made["rows"]
    assert row["verdict"] == verdict
    assert part in " ".join(row["findings"])
    assert bool(part) == bool(row["findings"])


@pytest.mark.parametrize(
    ("header", "line", "part"),
    [
        ("Dice,Precision,Recall", "95.00,94.00,93.00", "exceeds 2PR / (P + R)"),
        ("Dice,Precision,Recall", "80.00,95.00,94.00", "below P + R - 1"),
        ("IoU,Precision", "91.00,90.00", "exceeds precision"),
        ("IoU,Recall", "91.00,90.00", "exceeds recall"),
        ("Dice,Precision", "99.00,90.00", "exceeds 2P / (1 + P)"),
        ("Dice,Recall", "99.00,90.00", "exceeds 2R / (1 + R)"),
        ("Dice,Acc,MAE", "90.00,96.00,4.50", "do not add up"),
        ("Dice,IoU,Acc,Sen,Spe", "90.00,81.82,99.00,90.00,97.00", "outside sensitivity"),
        ("Dice,IoU,P,R", "90.00,81.82,91.00,90.50", "precision and recall are not"),
        ("Dice,IoU,P,R", "90.00,84.50,90.00,90.00", "exactly 2PR"),
    ],
)
def test_other_identities(header: str, line: str, part: str, tmp_path: Path) -> None:
    made = audited(f"method,{header}\na,{line}\n", tmp_path)
    assert part in " ".join(made["rows"][0]["findings"])


def test_contradictions_between_rows(tmp_path: Path) -> None:
    text = "method,data,Dice,IoU,Acc,Sen,Spe\n"
    same = "{},x,90.00,81.82,96.00,90.00,97.50\n"
    other = "c,x,90.00,81.82,93.00,90.00,97.50\n"
    found = audited(text + same.format("a") + same.format("b") + other, tmp_path)["table"]
    assert any("a and b have the same figures" in text for text in found)
    assert any("cannot be on the same pixels" in text for text in found)
    twice = "method,Dice,IoU\na,90.00,83.50\na,91.00,84.50\n"
    assert any("stands twice" in text for text in audited(twice, tmp_path)["table"])
    grid = "method,Dice,IoU,Acc\na,90.12,83.51,96.11\nb,90.1,83.5,96.1\n"
    assert any("fewer decimals" in text for text in audited(grid, tmp_path)["table"])


def real_table(seed: int, pooled: bool, cases: int | None = None, decimals: int = 2) -> str:
    """What our own tool would print for predictions of many qualities."""
    generator = np.random.default_rng(seed)
    qualities = np.random.default_rng(seed // 5)  # the folds of a network are of one quality
    cases = cases or int(generator.choice([10, 50, 200, 600]))
    area = np.rint(np.minimum(generator.gamma(1.5, 6000, cases) + 300, 50_000))
    difficulty = generator.beta(8, 2, cases)
    lines = ["method,dice,iou,acc,sen,spe,pre,mae"]
    for model in range(6):
        skill, slope = qualities.choice([3, 8, 20, 60, 200]), qualities.choice([0.5, 1.3, 3])
        sen, pre = generator.beta(skill, slope, cases), generator.beta(skill, slope, cases)
        sen = sen * np.where(generator.random(cases) < 0.5, difficulty, 1)
        sen = np.where(generator.random(cases) < 0.02, 0.0, sen)
        tp = np.rint(area * sen)
        fp = np.minimum(np.rint(tp * (1 / np.maximum(pre, 1e-3) - 1)), 60_000 - area)
        found = Counts(tp, fp, area - tp, 65_536 - area - fp)
        scores = (found.pooled() if pooled else found).scores()
        values = [100 * float(np.mean(scores[n])) for n in lines[0].split(",")[1:]]
        lines.append(f"m{model}," + ",".join(f"{value:.{decimals}f}" for value in values))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("pooled", [True, False])
def test_real_predictions_give_no_finding(pooled: bool, tmp_path: Path) -> None:
    for seed in range(120):
        made = audited(real_table(seed, pooled, decimals=1 + seed % 3), tmp_path)
        assert findings(made) == []
        wrong = "per-image" if pooled else "pooled"
        assert wrong not in {row["verdict"] for row in made["rows"]}


@pytest.mark.parametrize(("cases", "decimals"), [(200, 2), (100, 2), (100, 1)])
def test_folds_of_pooled_scores_give_no_finding(cases: int, decimals: int, tmp_path: Path) -> None:
    for seed in range(20):
        parts = [real_table(5 * seed + fold, True, cases).splitlines() for fold in range(5)]
        rows = [parts[0][0]]
        for lines in zip(*(part[1:] for part in parts), strict=True):
            figures = np.mean([[float(v) for v in line.split(",")[1:]] for line in lines], 0)
            printed = ",".join(f"{v:.{decimals}f}" for v in figures)
            rows.append(f"{lines[0].split(',')[0]},{printed}")
        assert findings(audited("\n".join(rows) + "\n", tmp_path)) == []


def test_wide_and_compound_headers(tmp_path: Path) -> None:
    long = audited("Model,Dataset,Dice (%) ↑,mIoU\n**Ours**,A,**92.01**,85.20\n", tmp_path)
    wide = audited("Model,A Dice,A IoU\nOurs,92.01,85.20\n", tmp_path)
    markdown = "| model | A DSC/IoU |\n|---|---|\n| Ours | 92.01/85.20 |\n"
    compound = audited(markdown, tmp_path)
    bare = "| model | A |\n|---|---|\n| Ours | 92.01/85.20 |\n"
    named = audited(bare, tmp_path, columns="Dice/IoU")
    above = audited("As printed (Dice / IoU):\n\n" + bare, tmp_path)
    for made in (long, wide, compound, named, above):
        (row,) = made["rows"]
        assert (row["name"], row["data"], row["verdict"]) == ("Ours", "A", "pooled")
        assert len(row["columns"]) == 2


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("Method,Dice,IoU\nA,.880,.700\nB,.91,.84\n", ["impossible", "undecided"]),
        ("Method,Dice,IoU\nA,88.0,0.80\nB,88.0,0.70\n", ["per-image", "impossible"]),
        ("Method,Precision,Recall,F1 Score\nA,0.90,0.80,0.95\n", ["impossible"]),
        ("Method,Dice Score,Jaccard Index\nA,88.0,70.0\n", ["impossible"]),
        ("Method,Accuracy,Sens.,Spec.\nA,99.0,90.0,95.0\n", ["per-image"]),
        ("#,Method,Dice,IoU\n1,A,88.0,70.0\n", ["impossible"]),
        ("| Method | Dice | IoU |\n|--|--|--|\n| A | 88.00 | 70.00 |\n", ["impossible"]),
        (
            "| m | Dice | IoU |\n|-|-|-|\n| A | 90.00 | 81.82 |\n\nAnd:\n\n"
            "| m | Dice | IoU |\n|:-:|--|--|\n| B | 0.880 | 0.600 |\n",
            ["pooled", "impossible"],
        ),
    ],
)
def test_tables_as_people_write_them(text: str, verdicts: list[str], tmp_path: Path) -> None:
    assert [row["verdict"] for row in audited(text, tmp_path)["rows"]] == verdicts


def test_how_a_table_was_read_is_said(tmp_path: Path) -> None:
    text = "Method,Params (M),Dice,IoU,Fuzziness\nA,1.2,88.0,0.79,3.1\n"
    assert audited(text, tmp_path)["notes"] == [
        "columns not understood: fuzziness",
        "read as shares of 1 beside percents: iou",
    ]
    with pytest.raises(SegkitError, match="no figure that is understood"):
        audited("Method,Dice,IoU\nA,,\nB,n/a,-\n", tmp_path)
    (tmp_path / "t.csv").write_bytes(b"M\xff\xfe,dice\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        audit.audit(tmp_path / "t.csv")


def test_cells_with_spread_and_gaps(tmp_path: Path) -> None:
    made = audited("method;dice;iou\na;92,01±0,4;85,20±0,5\nb;–;80,00\n", tmp_path)
    assert [row["verdict"] for row in made["rows"]] == ["pooled", "undecided"]


def test_mae_may_be_a_share_beside_percents() -> None:
    (row,) = parse_table("method,dice,mae\na,92.00,0.031\n").rows
    assert row.cells["mae"].value == pytest.approx(0.031)
    assert row.cells["dice"].value == pytest.approx(0.92)


def test_claims_as_a_table_of_values(tmp_path: Path) -> None:
    table = "method,data,dice,iou\nOurs,A,92.01,86.20\n"
    right = audited(table, tmp_path, "method,data,dice\nOurs,A,92.0\n")
    assert right["table"] == []
    wrong = audited(table, tmp_path, "method,data,dice\nOurs,A,92.5\n")
    assert wrong["table"] == ["Ours on A, dice: the text says 92.5, the table 92.01"]


def test_unreadable_input_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        audit.locate("nowhere.csv")
    with pytest.raises(UsageError, match="qtseg"):
        audit.locate("qtsag")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SegkitError, match="no figure that is understood"):
        audit.audit(tmp_path / "t.csv")
    (tmp_path / "c.csv").write_text("name,metric,kind,value\na,dice,bst,1\n")
    (tmp_path / "t.csv").write_text("method,dice\na,90.00\n")
    with pytest.raises(UsageError, match="best"):
        audit.audit(tmp_path / "t.csv", tmp_path / "c.csv")


def test_every_row_states_its_reason_when_impossible() -> None:
    for row in parse_table("method,dice,iou\na,90.0,70.0\n").rows:
        judged = judge(row)
        assert judged.verdict == "impossible"
        assert judged.findings


def test_published_rows() -> None:
    rows = rows_on("isic2016")
    assert [rows[0].name, rows[0].selection, rows[0].params_m] == ["QTSeg", "test", 9.21]
    assert rows[0].scores["dice"] == pytest.approx(0.9245)
    assert {row.name for row in rows if row.aggregation == "pooled"} == {"MALUNet", "VM-UNetV2"}
    assert rows_on("demo") == []
    assert all(row.source for row in all_rows())
