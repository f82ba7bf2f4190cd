"""`merchantry simulator`."""

from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.running import ended_by_signals
from merchantry.cli.serving import listen, serve_app


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8100,
    books: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="Its books, a SQLite file; they survive a restart.")
    ] = Path(".merchantry/wallet_simulator.sqlite"),
    token: Annotated[str, typer.Option(help="The bearer token that it asks for.")] = "simulator",
) -> None:
    """Serve a pretended wallet provider until SIGINT or SIGTERM. How it behaves, each wallet's id says."""
    with ended_by_signals(), listen(host, port) as bound:
        from merchantry.wallet_simulator.app import build_app  # here, so that other commands start without it
        from merchantry.wallet_simulator.books import Books, utc_now

        address = f"http://{host}:{bound.getsockname()[1]}"
        app = build_app(Books(books, utc_now), token=token)
        serve_app(app, bound, announce=lambda: typer.echo(f"Serving {address}/transfers", err=True))
