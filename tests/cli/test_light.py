"""Light to describe: what only describes must not import what computes, and must answer at once."""

import contextlib
import json
import os
import pty
import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "scipy", "albumentations", "cv2", "medpy", "PIL", "safetensors", "pooch")
DEMO = ["train", "unet", "--data", "demo", "--set"]
PROBE = """
import sys, json
from segkit.cli import run
try:
    code = run({words!r})
except SystemExit as error:
    code = error.code
print("\\n@@" + json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]))
"""


def probe(words: list[str]) -> tuple[int, list[str], str, str]:
    """Run a command in a process of its own: exit code, heavy modules, stdout, stderr."""
    program = PROBE.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    printed, mark, result = done.stdout.rpartition("@@")
    assert mark, done.stderr
    code, heavy = json.loads(result)
    return code, heavy, printed, done.stderr


def cpu_seconds(words: list[str]) -> tuple[float, subprocess.CompletedProcess]:
    """CPU time of `python -m segkit …` as the system counts it; the best of three."""
    best, done = float("inf"), None
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "segkit", *words], capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, spent)
    return best, done


def on_a_terminal(words: list[str]) -> str:
    """What `segkit …` shows a person."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "segkit", *words]
    with subprocess.Popen(command, stdout=theirs, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while read := os.read(ours, 4096):
                shown += read
        process.wait()
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["data", "--help"],
        ["evaluate", "--help"],
        ["profile", "--help"],
        ["export", "--help"],
        ["predict", "--help"],
        ["report", "--help"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["plugins", "show", "unet"],
        ["data", "list"],
        ["data", "info", "isic2018"],
        ["data", "splits", "--list"],
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(words):
    code, heavy, out, err = probe(words)
    assert (code, heavy) == (0, []), err
    assert out.strip()


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["profil"], "'profile'"),
        (["train", "qtsg"], "'qtseg'"),
        (["train", "unet", "--data", "demo", "--set", "optim.lrr=1"], "'optim.lr'"),
        (["train", "unet", "--data", "demoo"], "'demo'"),
        (["train", "unet", "--data", "demo", "--set", "model.widht=8"], "'model.width'"),
        (["train", "unet", "--data", "demo", "--set", "loss.name=bce_dise"], "'bce_dice'"),
        (["train", "unet", "--data", "demo", "--set", "optim.name=adamww"], "'adamw'"),
        ([*DEMO, "loss.config.bcee=1"], "'loss.config.bce'"),
        ([*DEMO, 'loss.extra=[{name="focl"}]'], "'focal'"),
        ([*DEMO, 'loss.extra=[{nam="focal"}]'], "{name, weight, config}"),
        ([*DEMO, "loss.name=ce_dice"], "--set model.num_classes=2"),
        ([*DEMO, "train.init=nowhere"], "no such file"),
        ([*DEMO, "evaluate.threshold=2"], "between 0 and 1"),
        (["data", "info", "isic2081"], "'isic2018'"),
        (["plugins", "show", "unett"], "'unet'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_typo_is_answered_by_the_nearest_match_before_torch(words, cure):
    code, heavy, out, err = probe(words)
    assert code == 2
    assert heavy == []
    assert cure in err
    assert len(err.strip().splitlines()) <= 2
    assert not out.strip()


def test_help_is_fast():
    seconds, done = cpu_seconds(["--help"])
    assert done.returncode == 0
    assert "train" in done.stdout
    assert seconds < 0.25


def test_help_is_drawn_on_a_terminal_and_plain_in_a_pipe():
    _, _, piped, _ = probe(["--help"])
    assert "download." in piped  # a summary is not cut
    assert not set("╭│╰") & set(piped)
    assert set("╭│╰") <= set(on_a_terminal(["--help"]))


def test_a_typo_is_answered_fast():
    seconds, done = cpu_seconds(["train", "qtsg"])
    assert done.returncode == 2
    assert seconds < 0.5


def test_no_traceback_without_debug():
    _, plain = cpu_seconds(["plugins", "show", "nothing-like-it"])
    assert "Traceback" not in plain.stderr
    _, debug = cpu_seconds(["plugins", "show", "nothing-like-it", "--debug"])
    assert "Traceback" in debug.stderr


def test_every_command_has_help_with_an_example():
    from segkit import plugins

    for name in plugins.names("stages"):
        code, _, out, err = probe([name, "--help"])
        assert code == 0, err
        if name not in (
            "data",
            "metrics",
            "models",
            "plugins",
            "study",
            "weights",
        ):  # groups: their members carry the examples
            assert "Example" in out, name


def test_completion_knows_the_commands():
    environment = {**os.environ, "_SEGKIT_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    environment["COMP_WORDS"] = "segkit pro"
    done = subprocess.run(
        [sys.executable, "-c", "from segkit.cli import main; main()"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert "profile" in done.stdout
