"""The command line: commands are entry points, and only the one that is called is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

from segkit import plugins as registry  # a command of that name lives beside this file
from segkit.api import Stage, resolve
from segkit.errors import SegkitError, UsageError, unknown
from segkit.words import shown

EPILOG = (
    "`--debug` after any command shows tracebacks. Docs: every command has --help with an example."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("SEGKIT_DEBUG"))
    words = [word for word in words if word != "--debug"]
    if not debug:
        sys.excepthook = _one_line
    sys.exit(run(words, debug))


def _one_line(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Show a fault of ours in one line that says how to get the traceback."""
    sys.stderr.write(
        f"error: internal fault, {kind.__name__}: {shown(str(error))}\n"
        "Run it again with --debug for the traceback, and please report it.\n"
    )


def run(words: list[str], debug: bool = False) -> int:
    """Run one command and return its exit code; errors are one or two lines on stderr."""
    import typer

    click_error = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        if words[:1] == ["--version"]:
            return _print_version()
        return _code(build_app(words)(words, prog_name="segkit", standalone_mode=False))
    except SegkitError as error:
        return _fail(error, debug)
    except click_error as error:  # type: ignore[misc]
        return _fail(_usage(error, words), debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from segkit import paths

        if error.errno in paths.NO_SPACE:
            return _fail(_disk_is_full(error), debug)
        if error.filename is None:  # no file that a person could look at: a fault of ours
            raise
        return _fail(SegkitError(f"{error.filename}: {error.strerror or error}"), debug)
    except (MemoryError, RuntimeError) as error:
        return _fail(_of_the_machine(error), debug)
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("Stopped.\n")
        return 130


def _disk_is_full(error: OSError) -> SegkitError:
    """The error line for a write that failed because the disk is full."""
    return SegkitError(
        f"the disk is full ({error.strerror or 'no space left'})",
        error.filename and str(error.filename),
        "Free some space, or set SEGKIT_HOME or --out to another disk, and run the command again.",
    )


TOO_LITTLE = ("could not create a primitive", "not enough memory", "can't allocate memory")


def _of_the_machine(error: Exception) -> SegkitError:
    """The error line for too little memory or a link onto itself; any other error goes on."""
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text for words in TOO_LITTLE):
        cure = "A smaller --size or --batch, fewer --workers, or --max-memory for pictures."
        return SegkitError("there is too little memory", text.splitlines()[0] if text else "", cure)
    if text.startswith("Symlink loop"):
        return SegkitError("a link leads to itself", text.removeprefix("Symlink loop from "))
    raise error


def _code(result: Any) -> int:
    return result if isinstance(result, int) else 0


def build_app(words: Sequence[str]) -> Callable[..., Any]:
    """A Typer app in which only the called command is loaded; the others are summaries."""
    import typer

    # what draws help takes longer to import than all the rest: only where a person looks
    drawn: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=drawn,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Train, compare and ship light-weight 2-D medical image segmentation networks.",
        epilog=EPILOG,
    )
    called = _called(words)
    stages = registry.names("stages")
    if called is not None and called not in stages:
        raise unknown("command", called, stages)
    for name in _in_order(stages):
        _register(app, name, load=name in (called, *_completing()))
    return app


def _called(words: Sequence[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


def _completing() -> tuple[str, ...]:
    """Whether the shell asks for completions: the words then come from it alone."""
    if "_SEGKIT_COMPLETE" not in os.environ:
        return ()
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return tuple(typed.split()[1:2])


def _in_order(names: list[str]) -> list[str]:
    """First-party commands in the order a day with segkit has, strangers' after them."""
    usual = [
        "demo",
        "doctor",
        "data",
        "train",
        "evaluate",
        "certify",
        "profile",
        "sweep",
        "reproduce",
        "runs",
        "report",
        "compare",
        "view",
        "leaderboard",
        "zoo",
        "audit",
        "predict",
        "export",
        "weights",
        "plugins",
    ]
    return [name for name in usual if name in names] + [n for n in names if n not in usual]


def _register(app: Any, name: str, load: bool) -> None:
    if not load:
        stage = _summary(name)
        about: dict[str, Any] = {"help": stage.summary, "short_help": stage.summary}
        app.command(name, rich_help_panel=stage.panel, **about)(_not_loaded)
        return
    import typer

    stage = registry.get("stages", name)
    command = resolve(stage.command)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, help=stage.summary, rich_help_panel=stage.panel)
    else:
        app.command(name, rich_help_panel=stage.panel)(command)


def _summary(name: str) -> Stage:
    """A stage's description, or the reason why there is none."""
    try:
        value: Stage = registry.get("stages", name)
    except SegkitError as error:
        return Stage(name, f"unavailable: {error.why}", _not_loaded, "Unavailable")
    return value


def _not_loaded() -> None:
    """A placeholder for a command that this call does not use: its code is not imported."""


def _usage(error: Any, words: Sequence[str]) -> UsageError:
    called = _called(words)
    help_line = f"See: segkit {called} --help" if called else "See: segkit --help"
    return UsageError(error.format_message().rstrip(), None, help_line)


def _print_version() -> int:
    from segkit import __version__

    print(f"segkit {__version__}")
    return 0


def _fail(error: SegkitError, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    sys.stderr.write(f"error: {shown(error.as_text())}\n")
    return error.exit_code
