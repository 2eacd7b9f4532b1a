"""A small U-Net that has learned to find the drawn blobs, and a browser to open pages in."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit import ops
from segkit.engine.exporting.parity import drawing
from segkit.engine.exporting.subject import Subject, find_subject


@pytest.fixture(scope="session")
def subject() -> Subject:
    torch.manual_seed(0)
    found = find_subject("unet", size=(64, 64), settings={"width": 4, "levels": 3})
    learn(found, drawing(np.random.default_rng(1), 8, 64, 64, 3), 80, 0.02)
    return found


@pytest.fixture(scope="session")
def teach():
    return learn


def learn(found: Subject, images: np.ndarray, steps: int, rate: float) -> None:
    """Dark is foreground."""
    inputs = torch.from_numpy(found.inputs(images))
    grey = images.mean(-1)
    truth = torch.from_numpy(grey < (grey.min((1, 2)) + grey.max((1, 2)))[:, None, None] / 2)
    optimizer = torch.optim.Adam(found.network.parameters(), rate)
    found.network.train()
    for _ in range(steps):
        logits = found.network(inputs)
        two = torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits
        loss = torch.nn.functional.cross_entropy(two, truth.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found.network.eval()


class Scanner(nn.Module):
    """Both scan operators on a picture, as a Mamba network has them."""

    def __init__(self, reverse: bool = False, full: bool = True):
        super().__init__()
        self.reverse, self.full = reverse, full
        torch.manual_seed(3)
        shapes = {"w_x": (4, 2 + 8, 3), "w_dt": (4, 3, 2), "bias": (4, 3), "A": (12, 4), "D": (12,)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) / 2))
        self.A.data = -self.A.data.abs() * 4

    def forward(self, image: Tensor) -> Tensor:
        spread = ops.ss2d(image.permute(0, 2, 3, 1), self.w_x, self.w_dt, self.bias, self.A, self.D)
        line = image.flatten(2).repeat(1, 2, 1)  # (B, 6, L)
        matrices = line.unflatten(1, (2, 3)).repeat(1, 1, 2, 1)[:, :, :4]  # (B, G=2, N=4, L)
        extra = {"D": self.D[:6], "delta_bias": self.bias.flatten()[:6]} if self.full else {}
        y = ops.selective_scan(
            line, line, self.A[:6], matrices, matrices + 1, delta_softplus=True,
            reverse=self.reverse, **extra,
        )  # fmt: skip
        return spread.permute(0, 3, 1, 2)[:, :1] + y[:, 5:].unflatten(2, image.shape[2:])


@pytest.fixture(scope="session")
def scanner() -> type[Scanner]:
    return Scanner


SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1280,900",
    "--use-fake-device-for-media-stream",  # a camera that shows a test card, and nobody to be asked
    "--use-fake-ui-for-media-stream",
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def open_page():
    """(folder, switches, query) -> a headless Chromium on its page, from a static server."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    opened, servers = [], []

    def open_(folder, *switches, query=""):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for switch in (*SWITCHES, *switches):
            options.add_argument(switch)
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        opened.append(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))
        opened[-1].set_script_timeout(120)
        opened[-1].get(f"http://127.0.0.1:{servers[-1].server_address[1]}/index.html{query}")
        return opened[-1]

    yield open_
    for browser in opened:
        browser.quit()
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def call():
    """(browser, asynchronous expression) -> its value in the page."""

    def call_(browser, expression):
        answer = browser.execute_async_script(
            f"const done = arguments[0]; (async () => {expression})()"
            ".then((value) => done({value}), (error) => done({error: String(error)}))"
        )
        assert "error" not in answer, answer
        return answer["value"]

    return call_


@pytest.fixture(scope="session")
def segmented(call):
    """(browser, bytes of a picture file) -> the page's mask and milliseconds."""

    def segmented_(browser, content):
        data = base64.b64encode(content).decode()
        height, width, mask, milliseconds = call(
            browser,
            "{ await segkit.ready; "
            f"const bytes = Uint8Array.from(atob('{data}'), (letter) => letter.charCodeAt(0)); "
            "const result = await segkit.segment(new Blob([bytes])); "
            "const { height, width } = result.picture; "
            "return [height, width, Array.from(result.mask), result.ms]; }",
        )
        return np.array(mask, np.uint8).reshape(height, width), milliseconds

    return segmented_
