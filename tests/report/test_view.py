"""The server of `segkit view`: what it gives, and what it refuses."""

import contextlib
import http.client
import io
import json
import select
import shutil
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image
from processes import until

from segkit.engine.predicting.segmenter import Segmenter
from segkit.errors import SegkitError
from segkit.report import view
from segkit.report.view import ViewServer

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def server(runs, demo_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        with ViewServer(runs["wide"], device="cpu") as made:
            threading.Thread(target=made.serve_forever, daemon=True).start()
            yield made
            made.shutdown()


def ask(server, path, method="GET", host=None):
    """Status, content type and body; the path goes out as it is, dots and all."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def below(server, path, **more):
    return ask(server, f"/{server.token}/{path}", **more)


def test_the_page_and_its_parts_are_there(server):
    for path, kind in (("", "text/html"), ("view.css", "text/css"), ("view.js", "text/javascript")):
        status, headers, body = below(server, path)
        assert status == 200
        assert headers["Content-Type"].startswith(kind)
        assert len(body) > 500
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_listing_has_every_scored_case(server, runs):
    status, _, body = below(server, "cases.json")
    listing = json.loads(body)
    rows = (runs["wide"] / "fold0" / "cases.csv").read_text().splitlines()[1:]
    assert status == 200
    assert [case["id"] for case in listing["cases"]] == [row.split(",")[0] for row in rows]
    assert listing["threshold"] == 0.5
    assert listing["selection"] == "val"


def test_pictures_are_those_of_the_prepared_set_and_the_network(server, runs):
    cases = server.cases
    index = cases.prepared.index(cases.listing["cases"][2]["id"])
    picture, truth, chance = (
        np.array(Image.open(io.BytesIO(below(server, f"{kind}/2")[2])))
        for kind in ("picture", "truth", "probability")
    )
    np.testing.assert_array_equal(picture, cases.prepared.images[index])
    np.testing.assert_array_equal(truth, cases.prepared.masks[index])
    segmenter = Segmenter.from_run(runs["wide"], device="cpu")
    expected = segmenter.probabilities(cases.prepared.images[index][None])[0, 0].numpy()
    stored = (chance[..., 0].astype(int) * 256 + chance[..., 1]) / 65535
    np.testing.assert_allclose(stored, expected, atol=1e-5)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "picture/../../../../etc/passwd",
        "picture//etc/passwd",
        "picture/-1",
        "picture/12",
        "picture/0x1",
        "picture/1e0",
        "picture/%32",
        "picture/999999999999999999999",
        "picture/",
        "recipe.json",
        "view.py",
        "templates/view.html",
        "unknown/0",
        "cases.json/0",
    ],
)
def test_what_is_not_a_picture_of_the_list_is_not_found(server, path):
    status, _, body = below(server, path)
    assert status == 404
    assert body == b"not found"


@pytest.mark.parametrize(
    "path", ["/", "/cases.json", "/wrong/", "/wrong/cases.json", "/../../etc/passwd", "//", "/%2e/"]
)
def test_without_the_token_all_is_forbidden(server, path):
    status, _, body = ask(server, path)
    assert status == 403
    assert body == b"forbidden"


def test_digits_of_other_alphabets_are_not_numbers(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as raw:
        address = f"/{server.token}/picture/\u00b2".encode("latin-1")
        host = f"Host: 127.0.0.1:{server.server_port}".encode()
        raw.sendall(b"GET " + address + b" HTTP/1.0\r\n" + host + b"\r\n\r\n")
        assert raw.recv(100).split()[1] == b"404"


def test_a_cut_or_longer_token_is_forbidden(server):
    assert ask(server, f"/{server.token[:-1]}/")[0] == 403
    assert ask(server, f"/{server.token}x/")[0] == 403
    assert len(server.token) >= 32


def test_another_host_name_is_forbidden(server):
    assert below(server, "", host="evil.example")[0] == 403
    assert below(server, "", host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_there_is_nothing_but_get(server, method):
    assert below(server, "", method=method)[0] == 501


def test_only_the_loopback_interface_is_bound(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", server.server_port))


def test_two_servers_have_two_tokens(server, runs):
    with ViewServer(runs["narrow"], device="cpu") as other:
        assert other.token != server.token


def test_a_port_in_use_is_one_line(server, runs):
    with pytest.raises(SegkitError, match=f"port {server.server_port} cannot be used"):
        ViewServer(runs["wide"], server.server_port)


def test_an_unscored_run_says_what_to_do(runs, tmp_path):
    shutil.copytree(runs["narrow"], tmp_path / "run")
    (tmp_path / "run/fold0/cases.csv").unlink()
    with pytest.raises(SegkitError, match="segkit evaluate"):
        ViewServer(tmp_path / "run")


def test_a_run_without_its_pictures_says_what_to_do(runs, tmp_path, monkeypatch):
    shutil.copytree(runs["narrow"], tmp_path / "run")
    card = json.loads((tmp_path / "run/data.json").read_text())
    (tmp_path / "run/data.json").write_text(json.dumps({**card, "root": "/nowhere"}))
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    with pytest.raises(SegkitError, match="segkit data prepare demo"):
        ViewServer(tmp_path / "run")


def test_margins_are_offered_only_with_a_certificate(server, runs, certificate_file):
    listing = json.loads(ask(server, f"/{server.token}/cases.json")[2])
    assert listing["margins"] == ""
    with ViewServer(certificate_file.parent, device="cpu") as certified:
        found = certified.cases
        assert "0.7" in found.listing["margins"]
        levels = np.asarray(Image.open(io.BytesIO(found.band(0))))
        assert set(np.unique(levels)) <= {0, 85, 170, 255}
        chance = np.asarray(Image.open(io.BytesIO(found.probability(0))))
        inside = chance[..., 0].astype(int) * 256 + chance[..., 1] > 0.5 * 65535
        assert ((levels >= 170) == inside).all()


def raw(server):
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=20)


def request(server, *headers):
    """A whole request for the listing as bytes."""
    lines = [f"GET /{server.token}/cases.json HTTP/1.1", f"Host: 127.0.0.1:{server.server_port}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def test_a_head_without_an_end_is_cut_off(server):
    with raw(server) as connection:
        connection.sendall(request(server, "X: " + "x" * view.HEAD))
        assert connection.recv(100).split()[1] == b"431"
    with raw(server) as connection:
        connection.sendall(request(server, "X: " + "x" * (view.HEAD // 2)))
        assert connection.recv(100).split()[1] == b"200"


def test_who_says_nothing_or_too_little_is_hung_up_on(server, monkeypatch):
    monkeypatch.setattr(view, "WAIT", 0.3)
    with raw(server) as silent, raw(server) as slow:
        slow.sendall(request(server)[:-1])  # all but the last byte
        begun = time.monotonic()
        assert silent.recv(100) == b""
        assert slow.recv(100) == b""
        assert 0.1 < time.monotonic() - begun < 10


def test_a_byte_now_and_then_gains_no_time(server, monkeypatch):
    monkeypatch.setattr(view, "WAIT", 0.5)
    with raw(server) as drip:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 10 and not select.select([drip], [], [], 0.05)[0]:
                drip.sendall(b"x")
        assert time.monotonic() - begun < 8


def test_one_connection_too_many_is_closed_and_places_come_free_again(server):
    with contextlib.ExitStack() as held:
        waiting = [held.enter_context(raw(server)) for _ in range(view.CONNECTIONS)]
        with raw(server) as more:
            assert more.recv(100) == b""
        assert not select.select(waiting, [], [], 0)[0]  # those before wait for an answer still
        waiting[0].sendall(request(server, "Connection: close"))
        assert waiting[0].recv(100).split()[1] == b"200"
    assert until(lambda: answers(server))


def answers(server):
    try:
        return below(server, "cases.json")[0] == 200
    except OSError:
        return False
