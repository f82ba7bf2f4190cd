"""The merchantry command."""

import typer

from merchantry.cli import demo, merchant, plan, verify
from merchantry.cli.failures import Commands
from merchantry.cli.migrate import migrate
from merchantry.cli.schema import schema
from merchantry.cli.serve import serve
from merchantry.cli.token import token
from merchantry.cli.worker import worker

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="A multi-merchant mall: one checkout, one PostgreSQL schema per merchant.",
)
app.command()(demo.demo)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(token)
app.command()(schema)
app.add_typer(merchant.app, name="merchant")
app.add_typer(plan.app, name="plan")
app.add_typer(verify.app, name="verify")
