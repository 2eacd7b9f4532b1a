"""`segkit view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli import _console


def command(
    run: Annotated[Path, typer.Argument(help="A run folder that has been evaluated.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
) -> None:
    """Browse the cases of a run in a local page: slider, threshold, filter, keys.

    Example: segkit view runs/unet-isic2017

    The page is served on 127.0.0.1 only, under an address with a random token, and changes nothing.
    Stop it with Ctrl+C.
    """
    from segkit.report.view import ViewServer

    with ViewServer(run, port, device) as server:
        typer.echo(server.address)
        _console.note("read-only, this machine only; stop with Ctrl+C")
        if open_:
            import webbrowser

            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _console.note("stopped")
