"""Tables as they are written: ours and others', Markdown, CSV and LaTeX."""

from __future__ import annotations

from typing import Any

import pytest

from segkit.errors import SegkitError
from segkit.metrics.auditing.audit import audit_text
from segkit.metrics.auditing.headers import heading
from segkit.metrics.auditing.tables import parse_table

OURS = """\
| Run | Network | Data | Dice (per image) | Dice (pooled) | IoU (per image) | HD95 (px) | Pictures |
| --- | --- | --- | ---: | ---: | ---: | ---: | --- |
| one | unet | isic2017 | **0.8924 [0.8813, 0.9023]** | 0.9033 [0.8881, 0.9133] | \
0.8250 [0.8113, 0.8372] | 14.10 [12.67, 15.76] | 600 |
| two | unext | isic2017 | 0.8627 [0.8505, 0.8742] | 0.8801 [0.8650, 0.8911] | \
0.7806 [0.7665, 0.7941] | 19.20 [17.01, 21.11] | 600 |

- 95 % confidence intervals in brackets; the best figure of a column is bold.
"""
TEX = r"""
% 95 % confidence intervals in brackets
\begin{table}[t]\centering
\begin{tabular}{lccc@{}} % layout
\toprule
\multirow{2}{*}{Method} & \multicolumn{2}{c}{ISIC 2017} & \multicolumn{2}{c}{PH2~\cite{ph2}} \\
\cmidrule(lr){2-3} \cmidrule(lr){4-5}
 & Dice (\%) $\uparrow$ & IoU (\%) & DSC & mIoU \\
\midrule
U-Net~\cite{unet} & 88.42\,$\pm$\,0.31 & 80.89 & \underline{92.45} & 86.51 \\[2pt]
\textbf{Ours} & \textbf{90.71} & {\bf 83.90} & $\mathbf{95.15}$ & 91.02 \\
\bottomrule
\end{tabular}
\end{table}
"""


def findings(text: str) -> list[str]:
    made = audit_text(text)
    return [*made["table"], *(line for row in made["rows"] for line in row["findings"])]


def rows_of(text: str) -> dict[tuple[str, str, str], dict[str, float]]:
    """(name, data, aggregation) -> metric -> value."""
    return {
        (row.name, row.data, row.aggregation): {k: round(c.value, 9) for k, c in row.cells.items()}
        for row in parse_table(text).rows
    }


def test_our_own_report_is_read_and_gives_no_finding() -> None:
    assert findings(OURS) == []
    rows = rows_of(OURS)
    assert rows["one", "isic2017", "per-image"] == {"dice": 0.8924, "iou": 0.8250}
    assert rows["one", "isic2017", "pooled"] == {"dice": 0.9033}
    assert len(rows) == 4  # all columns of both runs
    (one, *_) = parse_table(OURS).rows
    assert one.pictures == 600
    assert one.cells["dice"].interval == (0.8813, 0.9023)
    assert parse_table(OURS).notes == ()  # distances are known to be none of its business


def test_latex_with_two_header_rows() -> None:
    assert rows_of(TEX) == {
        ("U-Net", "ISIC 2017", ""): {"dice": 0.8842, "iou": 0.8089},
        ("U-Net", "PH2", ""): {"dice": 0.9245, "iou": 0.8651},
        ("Ours", "ISIC 2017", ""): {"dice": 0.9071, "iou": 0.8390},
        ("Ours", "PH2", ""): {"dice": 0.9515, "iou": 0.9102},
    }


@pytest.mark.parametrize(
    "text",
    [
        "Method,ISIC 2017,,PH2,\n,Dice,IoU,Dice,IoU\nA,88.42,80.89,92.45,86.51\n",
        "| Method | ISIC 2017 | | PH2 | |\n|---|---|---|---|---|\n"
        "| | Dice | IoU | Dice | IoU |\n| A | 88.42 | 80.89 | 92.45 | 86.51 |\n",
        "A & B \\\\\n".join([""])
        + "Method & ISIC 2017 Dice & ISIC 2017 IoU & PH2 Dice & PH2 IoU \\\\ \\hline\n"
        "A & 88.42 & 80.89 & 92.45 & 86.51 \\\\\n",
    ],
    ids=["csv", "markdown", "bare rows of LaTeX"],
)
def test_headers_of_several_rows(text: str) -> None:
    assert rows_of(text) == {
        ("A", "ISIC 2017", ""): {"dice": 0.8842, "iou": 0.8089},
        ("A", "PH2", ""): {"dice": 0.9245, "iou": 0.8651},
    }


def test_sections_of_a_table_are_datasets() -> None:
    text = (
        "\\begin{tabular}{lcc}\\hline\nMethod & Dice & IoU \\\\ \\hline\n"
        "\\multicolumn{3}{c}{\\textit{ISIC 2017}} \\\\ \\hline\nA & 88.42 & 80.89 \\\\\n"
        "\\multicolumn{3}{c}{PH2} \\\\ \\hline\nA & 92.45 & 86.51 \\\\\n\\end{tabular}\n"
    )
    assert set(rows_of(text)) == {("A", "ISIC 2017", ""), ("A", "PH2", "")}
    assert findings(text) == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("dice_image", ("dice", "per-image", "", "")),
        ("iou_pooled", ("iou", "pooled", "", "")),
        ("dice_image_low", ("dice", "per-image", "", "low")),
        ("Dice (per image)", ("dice", "per-image", "", "")),
        ("Dice (pooled) ↑", ("dice", "pooled", "", "")),
        ("Per-image mean IoU", ("iou", "per-image", "", "")),
        ("PH2 F1-score", ("dice", "", "PH2", "")),
        ("mean Dice", ("dice", "", "", "")),
    ],
)
def test_what_a_header_says(header: str, expected: tuple[str, ...]) -> None:
    found = heading(header)
    assert found is not None
    assert (found.metrics[0], found.aggregation, found.place, found.part) == expected


@pytest.mark.parametrize("header", ["HD95 (px)", "Time per image (ms)", "Params (M)", "Run"])
def test_what_is_no_score(header: str) -> None:
    assert heading(header) is None


def test_pooled_dice_is_never_held_against_iou_per_image() -> None:
    """Dice (pooled) 0.9033 with IoU (per image) 0.8000 would be impossible in one aggregation."""
    text = "method,Dice (pooled),IoU (per image)\nA,0.9033,0.8000\n"
    made = audit_text(text)
    assert [row["verdict"] for row in made["rows"]] == ["undecided", "undecided"]
    assert [row["aggregation"] for row in made["rows"]] == ["pooled", "per-image"]
    assert findings(text) == []
    assert findings("method,Dice,IoU\nA,0.9033,0.8000\n") != []


def test_no_column_is_left_out() -> None:
    """Four columns: the pair per image is checked beside the pooled one."""
    text = "method,dice_image,iou_image,dice_pooled,iou_pooled\nA,0.89,0.7900,0.9033,0.8237\n"
    made = audit_text(text)
    verdicts = {row["aggregation"]: row["verdict"] for row in made["rows"]}
    assert verdicts == {"per-image": "impossible", "pooled": "pooled"}


def test_a_share_in_a_column_of_percent() -> None:
    text = "Method,Dice,IoU\nA,88.42,80.89\nB,89.10,0.8144\nC,90.05,82.99\n"
    table = parse_table(text)
    assert [row.cells["iou"].value for row in table.rows] == pytest.approx([0.8089, 0.8144, 0.8299])
    assert any("B: IoU 0.8144 is read as a share of 1" in note for note in table.notes)
    shares = "Method,Dice,IoU\nA,0.8842,0.8089\nB,0.8910,81.44\nC,0.9005,0.8299\n"
    assert parse_table(shares).rows[1].cells["iou"].value == pytest.approx(0.8144)


def test_what_holds_no_table_says_what_is_expected() -> None:
    with pytest.raises(SegkitError, match=r"holds no table") as refused:
        parse_table("\\begin{tabular}{ll}\nMethod \\\\\n\\end{tabular}", name="t.tex")
    assert "LaTeX" in refused.value.as_text()


def test_ends_of_intervals_in_columns_of_their_own() -> None:
    text = (
        "run,dice_image,dice_image_low,dice_image_high,iou_image,n\n"
        "a,0.8924,0.8813,0.9023,0.8250,600\nb,0.8924,0.8813,0.8913,0.8250,600\n"
    )
    rows: Any = parse_table(text).rows
    assert rows[0].cells["dice"].interval == pytest.approx((0.8813, 0.9023))
    assert any("outside its own interval" in line for line in findings(text))
