"""The HTML report: what stands in it, that it stands alone, that it tells the truth."""

import json
import math
import re
import shutil
from html.parser import HTMLParser

import pytest

from segkit import paths
from segkit.report import charts
from segkit.report.page import render, write_report
from segkit.report.reading import Score, expand, read_entries
from segkit.report.table import as_latex, as_markdown, build_table, interval
from segkit.report.ties import ties

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)


class Reader(HTMLParser):
    """Collects tags, and checks that what is opened is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.crossed = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(runs["wide"].parent))
        return write_report(list(runs.values()), folder).read_text()


def test_the_page_is_well_formed(page):
    found = Reader(page)
    assert found.crossed == []
    assert found.open == []
    identities = [attrs["id"] for _, attrs in found.tags if attrs.get("id")]
    assert len(identities) == len(set(identities))


def test_nothing_is_fetched(page):
    found = Reader(page)
    for _, attrs in found.tags:
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:")), attrs
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page.split("<script>")[0])
    policy = next(
        a["content"] for a in found.all("meta") if "content" in a and "default" in a["content"]
    )
    assert policy.startswith("default-src 'none'")
    assert len(page.encode()) < 1_000_000


def test_every_picture_and_control_has_words(page):
    found = Reader(page)
    pictures = [attrs for attrs in found.all("img") if attrs["src"] != "data:,"]
    assert len(pictures) == 3 * 9 * 4
    assert all(attrs["alt"] for attrs in pictures)
    charted = [a for a in found.all("figure") if a.get("class") == "chart"]
    assert len(charted) == 6
    assert all(re.search(r"\d", attrs["aria-label"]) for attrs in charted)
    assert found.all("html")[0]["lang"] == "en"


def test_the_figures_are_those_of_the_evaluation(page, runs):
    for run in runs.values():
        summary = paths.read_json(run / "summary.json")
        assert f"{summary['metrics']['dice_image']['mean']:.4f}" in page
        low, high = summary["metrics"]["dice_image"]["ci95"]
        assert f"[{low:.4f}, {high:.4f}]" in page


def test_a_run_selected_on_its_test_part_is_marked(page, runs, tmp_path):
    assert "The checkpoint of peeked was chosen on the test part" in page
    assert page.count("test part!") == 1
    honest = write_report([runs["wide"]], tmp_path / "one.html").read_text()
    assert "The checkpoint of" not in honest
    assert honest.count('class="notice"') == 1  # fewer than 50 pictures
    assert "independent" in honest
    assert "selection: validation" in honest


def test_a_run_whose_settings_were_searched_says_among_how_many(runs, tmp_path):
    searched = tmp_path / "searched"
    shutil.copytree(runs["narrow"], searched)
    recipe = paths.read_json(searched / "recipe.json")
    recipe["train"]["trials"] = 40
    paths.write_json(searched / "recipe.json", recipe)
    badge = "settings: best of 40 trials"
    assert badge in write_report([searched], tmp_path / "one.html").read_text()
    assert badge not in write_report([runs["narrow"]], tmp_path / "two.html").read_text()


def test_a_single_run_has_cards_and_its_command(runs, tmp_path):
    page = write_report([runs["wide"]], tmp_path / "one.html").read_text()
    assert "12 test pictures at 48 × 48 pixels" in page
    assert "segkit train unet --data demo" in page
    assert "CC0" in page
    assert page.count('class="card"') == 4


def test_runs_of_one_network_are_told_apart_by_their_settings(page):
    assert "unet on demo: what differs between the runs" in page
    assert "model.width" in page
    assert "train.select_on" in page


def test_names_cannot_break_out_of_the_page(runs, tmp_path):
    nasty = tmp_path / "<script>alert(1)</script>&\"'"
    nasty = nasty.with_name("<img src=x onerror=alert(1)>&\"'")
    shutil.copytree(runs["narrow"], nasty)
    page = write_report([nasty, runs["wide"]], tmp_path / "out.html").read_text()
    found = Reader(page)
    assert "<img src=x" not in page
    assert found.crossed == []
    assert not any("onerror" in attrs for _, attrs in found.tags)


def test_an_unscored_run_says_what_to_do(runs, tmp_path):
    young = tmp_path / "young"
    shutil.copytree(runs["narrow"], young)
    (young / "summary.json").unlink()
    (young / "fold0" / "cases.csv").unlink()
    page = write_report([young], tmp_path).read_text()
    assert "Not scored yet: young. Run: segkit evaluate RUN" in page
    assert 'id="charts"' in page
    assert 'id="cases"' not in page


def test_without_the_prepared_set_there_are_no_pictures_but_a_reason(runs, tmp_path, monkeypatch):
    far = tmp_path / "far"
    shutil.copytree(runs["narrow"], far)
    card = paths.read_json(far / "data.json")
    paths.write_json(far / "data.json", {**card, "root": str(tmp_path / "nowhere")})
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "empty"))
    page = write_report([far], tmp_path).read_text()
    assert "the prepared set is not on this machine" in page
    assert 'class="zoom"' not in page


def test_the_page_is_the_same_twice(runs, tmp_path):
    one = write_report([runs["wide"]], tmp_path / "1.html").read_text()
    two = write_report([runs["wide"]], tmp_path / "2.html").read_text()
    assert one == two


def test_a_folder_stands_for_the_runs_in_it(runs):
    folder = runs["wide"].parent
    assert expand([folder]) == sorted(runs.values())
    assert expand([runs["wide"], folder])[0] == runs["wide"]
    assert len(expand([runs["wide"], folder])) == 3


def test_alike_folder_names_get_as_much_path_as_they_need(runs, tmp_path):
    for place in ("a", "b"):
        shutil.copytree(runs["narrow"], tmp_path / place / "run")
    labels = [e.label for e in read_entries([tmp_path / "a/run", tmp_path / "b/run"], cost=False)]
    assert labels == ["a/run", "b/run"]


def test_equal_runs_are_tied_and_a_worse_one_is_not(runs, tmp_path):
    twin, bad = tmp_path / "twin", tmp_path / "bad"
    for copy in (twin, bad):
        shutil.copytree(runs["wide"], copy)
    file = bad / "fold0" / "cases.csv"
    head, *rows = file.read_text().splitlines()
    place = head.split(",").index("dice")
    broken = [",".join("0" if i == place else v for i, v in enumerate(r.split(","))) for r in rows]
    file.write_text("\n".join([head, *broken]) + "\n")
    (group,) = ties(read_entries([runs["wide"], twin, bad], cost=False))
    assert group.letters["wide"] == group.letters["twin"]
    assert not set(group.letters["bad"]) & set(group.letters["wide"])


def test_runs_without_shared_pictures_are_not_compared(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs["wide"], other)
    file = other / "fold0" / "cases.csv"
    file.write_text(file.read_text().replace("demo_", "else_"))
    (group,) = ties(read_entries([runs["wide"], other], cost=False))
    assert "share no test pictures" in group.note
    assert group.letters == {}


def test_the_table_is_in_order_and_bold_where_it_is_best(runs):
    table = build_table(read_entries(list(runs.values())), [])
    dice = [c.title for c in table.columns].index("Dice (per image)")
    values = [row[dice].value for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert [row[dice].best for row in table.rows] == [True, False, False]
    costs = [c.key for c in table.columns].index("params")
    cheapest = min(row[costs].value for row in table.rows)
    assert all(row[costs].best == (row[costs].value == cheapest) for row in table.rows)


def test_markdown_and_latex_hold_the_same_rows(runs):
    table = build_table(read_entries(list(runs.values())), [])
    markdown, latex = as_markdown(table), as_latex(table)
    assert len(markdown.splitlines()) == 5
    assert {line.count("|") for line in markdown.splitlines()} == {len(table.columns) + 1}
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {len(table.columns) - 1}
    assert r"\textbf{" in latex
    assert "test part!" in latex


def test_intervals_are_written_only_where_known():
    assert interval(Score(0.5, 0.4, 0.6), 2) == "[0.40, 0.60]"
    assert interval(Score(0.5), 2) == ""


def test_a_score_that_is_missing_is_not_a_number(runs):
    (entry,) = read_entries([runs["wide"]], cost=False)
    assert math.isnan(entry.score("no_such_metric").mean)


def test_shares_of_a_distribution_by_hand():
    values = [0.0, 0.05, 0.95, 1.0, math.nan]
    assert charts.shares(values) == [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]
    assert charts.shares([]) == [0] * 10


def test_published_rows_are_hollow():
    points = [
        charts.Bubble("ours", 1.0, 0.8, 1.0),
        charts.Bubble("theirs", 2.0, 0.9, 4.0, published=True),
    ]
    svg = charts.bubbles(points)
    ours, theirs = re.findall(r'<circle[^>]* style="([^"]*)"', svg)
    assert "fill:none" not in ours
    assert "fill:none" in theirs
    assert "theirs (published)" in svg
    radii = [float(r) for r in re.findall(r'<circle[^>]* r="([\d.]+)"', svg)]
    assert radii[1] > radii[0]


def test_many_published_rows_are_named_by_pointing_only():
    points = [charts.Bubble(f"paper{i}", 1 + i, 0.8, 1.0, published=True) for i in range(6)]
    svg = charts.bubbles([*points, charts.Bubble("ours", 2.0, 0.7, 1.0)])
    assert "ours</text>" in svg
    assert "paper1" not in svg
    assert svg.count("<circle") == 7


def test_several_datasets_are_a_matrix(runs, tmp_path):
    shutil.copytree(runs["narrow"], tmp_path / "abroad")
    card = paths.read_json(tmp_path / "abroad" / "data.json")
    paths.write_json(tmp_path / "abroad" / "data.json", {**card, "name": "elsewhere"})
    page = write_report([runs["wide"], tmp_path / "abroad"], tmp_path).read_text()
    assert "Networks and datasets" in page
    table = page.split("Networks and datasets", 1)[1].split("</table>")[0]
    assert re.findall(r'<th scope="col">(\w+)</th>', table) == ["Network", "demo", "elsewhere"]
    assert len(re.findall(r"0\.\d{4}<br>", table)) == 2
    assert "cannot be told apart" not in page.split('id="words"')[0].split('id="runs"')[1]


def test_a_page_that_would_be_too_large_shows_fewer_cases(runs, tmp_path, monkeypatch):
    full = write_report([runs["wide"]], tmp_path / "full.html").read_text()
    monkeypatch.setattr("segkit.report.page.LIMIT", len(full.encode()) - 1)
    cut = write_report([runs["wide"]], tmp_path / "cut.html").read_text()
    assert full.count('class="zoom"') == 36
    assert 0 < cut.count('class="zoom"') < 36


def test_the_json_form_has_numbers(runs, capsys):
    from segkit.cli import run

    assert run(["report", str(runs["wide"]), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["run"] == "wide"
    assert row["params"] == int(row["params"])
    assert row["dice_image"]["ci95"][0] <= row["dice_image"]["mean"] <= row["dice_image"]["ci95"][1]


def test_a_certified_run_shows_margins_coverage_and_risk(runs, certificate_file):
    page = render(read_entries([certificate_file.parent, runs["narrow"]], cost=False))
    assert "Margins and doubt" in page
    assert "outer margin" in page
    assert "Risk against coverage" in page
    assert "AURC" in page
    plain = render(read_entries([runs["narrow"]], cost=False))
    assert "outer margin" not in plain
    assert "AURC" in plain  # by expected Dice, which every scored run has


def test_a_run_of_several_classes_has_a_table_of_them(runs, tmp_path):
    three = tmp_path / "three"
    shutil.copytree(runs["wide"], three)
    summary = paths.read_json(three / "summary.json")
    score = {"mean": 0.8123, "ci95": [0.75, 0.85], "sd": 0.1}
    figures = dict.fromkeys(("dice_present", "dice_image", "iou_image", "dice_pooled"), score)
    summary["classes"] = {
        "benign": {"pictures": 9, "predicted": 11, **figures},
        "malignant": {"pictures": 0, "predicted": 2},
        "mean": {"dice_image": score, "iou_image": score},
    }
    paths.write_json(three / "summary.json", summary)
    page = write_report([three], tmp_path / "three.html").read_text()
    assert 'href="#classes"' in page
    assert '<th scope="row">benign</th><td class="n">9</td><td class="n">11</td>' in page
    assert page.count("0.812 [0.750, 0.850]") == 6
    assert '<th scope="row">malignant</th><td class="n">0</td><td class="n">2</td>' in page
    assert 'href="#classes"' not in write_report([runs["wide"]], tmp_path / "o.html").read_text()
