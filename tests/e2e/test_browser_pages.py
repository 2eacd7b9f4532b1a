"""The report and the case browser in a real browser (headless Chromium)."""

import base64
import io
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.report.page import write_report
from segkit.report.view import ViewServer
from segkit.testing.runs import train_demo

selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two small runs; SEGKIT_SHOW_RUNS names others, to look at."""
    if os.environ.get("SEGKIT_SHOW_RUNS"):
        yield [Path(path) for path in os.environ["SEGKIT_SHOW_RUNS"].split(os.pathsep)]
        return
    folder = tmp_path_factory.mktemp("browser")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(folder / "home"))
        yield [
            train_demo(folder / "wide", {"model": {"width": 8}}),
            train_demo(folder / "narrow", {"train": {"select_on": "test"}}),
        ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def in_theme(browser, theme):
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def requests_of(browser):
    """The addresses that the page asked for since the last call."""
    import json

    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [m["params"]["request"]["url"] for m in sent]


def background(browser):
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def keep(browser, name):
    """A screenshot of the whole page, if SEGKIT_SHOTS names a folder for it."""
    folder = os.environ.get("SEGKIT_SHOTS")
    if not folder:
        return
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    settings = {"captureBeyondViewport": True, "clip": clip}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", settings)["data"]
    Path(folder, f"{name}.png").write_bytes(base64.b64decode(shot))


# the report


@pytest.fixture(scope="module")
def report(runs, tmp_path_factory):
    return write_report(runs, tmp_path_factory.mktemp("report"))


@pytest.fixture
def page(browser, report):
    in_theme(browser, "light")
    browser.get_log("browser")
    requests_of(browser)
    browser.get(report.as_uri())
    return browser


def test_the_report_opens_from_disk_without_a_word_in_the_console(page, report):
    assert page.get_log("browser") == []
    asked = [address for address in requests_of(page) if not address.startswith("data:")]
    assert asked == [report.as_uri()]
    broken = "return [...document.images].filter(i => !i.naturalWidth && i.src != 'data:,').length"
    assert page.execute_script(broken) == 0
    wide = "return document.documentElement.scrollWidth - innerWidth"
    assert page.execute_script(wide) <= 0
    keep(page, "report-light")


def test_the_policy_forbids_the_network(page):
    script = """
        const done = arguments[arguments.length - 1];
        fetch('http://127.0.0.1:9/').then(() => done('fetched'), () => done('refused'));
    """
    assert page.execute_async_script(script) == "refused"
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


def column(page, title):
    heads = page.find_elements(By.CSS_SELECTOR, "#runs thead th")
    place = next(i for i, head in enumerate(heads) if head.text.startswith(title))
    rows = page.find_elements(By.CSS_SELECTOR, "#runs tbody tr")
    return heads[place], [row.find_elements(By.CSS_SELECTOR, "th, td")[place].text for row in rows]


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_the_table_sorts(page, how):
    head, _ = column(page, "GFLOPs")
    button = head.find_element(By.TAG_NAME, "button")

    def press():
        button.click() if how == "mouse" else button.send_keys(Keys.ENTER)
        return [float(text) for text in column(page, "GFLOPs")[1]]

    down, up = press(), press()
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert down != up
    assert head.get_attribute("aria-sort") == "ascending"
    assert len(page.find_elements(By.CSS_SELECTOR, "#runs th[aria-sort]")) == 1


def test_words_sort_as_words(page):
    head, before = column(page, "Run")
    head.find_element(By.TAG_NAME, "button").click()
    assert column(page, "Run")[1] == sorted(before)


def test_pictures_enlarge_and_the_keys_go_on(page):
    first, second = page.find_elements(By.CSS_SELECTOR, ".zoom")[:2]
    small = first.find_element(By.TAG_NAME, "img").size["width"]
    first.click()
    dialog = page.find_element(By.ID, "large")
    large = dialog.find_element(By.TAG_NAME, "img")
    WebDriverWait(page, 5).until(lambda _: large.size["width"] > small)
    assert dialog.find_element(By.TAG_NAME, "p").text.endswith(")")
    dialog.send_keys(Keys.ARROW_RIGHT)
    second_source = second.find_element(By.TAG_NAME, "img").get_attribute("src")
    assert large.get_attribute("src") == second_source
    keep(page, "report-enlarged")
    dialog.send_keys(Keys.ESCAPE)
    assert dialog.get_attribute("open") is None


def test_dark_mode_follows_the_system_and_the_button(page):
    light = background(page)
    in_theme(page, "dark")
    dark = background(page)
    assert sum(eval(dark.removeprefix("rgb"))) < 150 < 600 < sum(eval(light.removeprefix("rgb")))
    ink = "return getComputedStyle(document.querySelector('.chart svg .axis text')).fill"
    assert sum(eval(page.execute_script(ink).removeprefix("rgb"))) > 400
    keep(page, "report-dark")
    page.find_element(By.ID, "theme").click()
    assert background(page) == light


def test_hovering_over_a_chart_tells_the_value(page):
    tip = page.find_element(By.ID, "tip")
    assert not tip.is_displayed()
    mark = page.find_element(By.CSS_SELECTOR, ".chart .dots circle, .chart .bar rect")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    webdriver.ActionChains(page).move_to_element(mark).perform()
    WebDriverWait(page, 5).until(lambda _: tip.is_displayed() and any(map(str.isdigit, tip.text)))


def test_it_prints_in_ink_on_paper(page):
    in_theme(page, "dark")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert background(page) == "rgb(255, 255, 255)"
    assert not page.find_element(By.TAG_NAME, "nav").is_displayed()
    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_every_control_can_be_reached_and_named(page):
    unnamed = """
        const named = (e) => e.textContent.trim() || e.ariaLabel || e.querySelector('img[alt]');
        const controls = document.querySelectorAll('button, a, input, [tabindex]');
        return [...controls].filter((e) => !named(e)).length"""
    assert page.execute_script(unnamed) == 0
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the content"


# the case browser


@pytest.fixture(scope="module")
def server(runs):
    with ViewServer(runs[0], device="cpu") as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def view(browser, server):
    in_theme(browser, "light")
    browser.get_log("browser")
    browser.get(server.address)
    wait(browser)
    return browser


def wait(view):
    ready = "return document.getElementById('message').textContent === '' && loaded !== null"
    WebDriverWait(view, 20).until(lambda v: v.execute_script(ready))


def pixels(view):
    data = view.execute_script("return document.getElementById('canvas').toDataURL()")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))


def slide(view, name, value):
    script = """
        const slider = document.getElementById(arguments[0]);
        slider.value = arguments[1];
        slider.dispatchEvent(new Event('input'));"""
    view.execute_script(script, name, value)


def chosen(view):
    return view.find_element(By.CSS_SELECTOR, "[aria-selected=true]").text.split("\n")[0]


def fact(view, name):
    rows = view.find_elements(By.CSS_SELECTOR, "#facts div")
    return next(r.find_element(By.TAG_NAME, "dd").text for r in rows if r.text.startswith(name))


def test_view_shows_the_worst_case_first_and_browses_by_key(view):
    assert view.get_log("browser") == []
    names = [e.text.split("\n")[0] for e in view.find_elements(By.CSS_SELECTOR, "#cases li")]
    scores = [
        float(e.text.split("\n")[1]) for e in view.find_elements(By.CSS_SELECTOR, "#cases li")
    ]
    assert scores == sorted(scores)
    assert chosen(view) == names[0]
    body = view.find_element(By.TAG_NAME, "body")
    for key, expected in (("n", 1), (Keys.ARROW_RIGHT, 2), ("p", 1), ("p", 0), ("p", -1)):
        body.send_keys(key)
        wait(view)
        assert chosen(view) == names[expected]
    keep(view, "view-light")


def test_the_wipe_moves_truth_over_the_prediction(view):
    slide(view, "wipe", 0)
    prediction = pixels(view)
    slide(view, "wipe", 1)
    truth = pixels(view)
    slide(view, "wipe", 0.5)
    half = pixels(view)
    middle = truth.shape[1] // 2
    assert (prediction != truth).any()
    np.testing.assert_array_equal(half[:, : middle - 1], truth[:, : middle - 1])
    np.testing.assert_array_equal(half[:, middle + 1 :], prediction[:, middle + 1 :])


def test_the_threshold_recolours_without_asking_the_server(view):
    wait(view)
    at_half = fact(view, "Dice now")
    assert at_half == fact(view, "Dice scored")
    before = pixels(view)
    requests_of(view)
    slide(view, "threshold", 0.9)
    assert (pixels(view) != before).any()
    assert fact(view, "Dice now") != at_half
    assert requests_of(view) == []
    view.find_element(By.ID, "reset").click()
    np.testing.assert_array_equal(pixels(view), before)


def test_each_way_to_show_a_case_differs(view):
    seen = set()
    for mode in ("wipe", "errors", "probability", "plain"):
        view.find_element(By.CSS_SELECTOR, f"#mode option[value={mode}]").click()
        seen.add(pixels(view).tobytes())
    assert len(seen) == 4


def test_the_list_is_filtered_by_score_and_name(view):
    total = len(view.find_elements(By.CSS_SELECTOR, "#cases li"))
    slide(view, "low", 0.5)
    items = view.find_elements(By.CSS_SELECTOR, "#cases li")
    assert all(float(item.text.split("\n")[1]) >= 0.5 for item in items)
    assert view.find_element(By.ID, "count").text == f"{len(items)} of {total} cases"
    slide(view, "low", 0)
    name = view.find_element(By.CSS_SELECTOR, "#cases li").text.split("\n")[0]
    view.find_element(By.ID, "search").send_keys(name)
    assert len(view.find_elements(By.CSS_SELECTOR, "#cases li")) == 1


def test_view_is_dark_in_a_dark_system(view):
    in_theme(view, "dark")
    assert sum(eval(background(view).removeprefix("rgb"))) < 150
    view.find_element(By.CSS_SELECTOR, "#mode option[value=errors]").click()
    keep(view, "view-dark")


def test_a_wrong_token_shows_nothing(browser, server):
    browser.get(server.address.replace(server.token, "x" * len(server.token)))
    assert browser.find_element(By.TAG_NAME, "body").text == "forbidden"
    browser.get(server.address + "picture/..%2f..%2fetc%2fpasswd")
    assert browser.find_element(By.TAG_NAME, "body").text == "not found"
