"""The merchantry command."""

import typer

from merchantry.cli import (
    backups,
    contacts,
    import_,
    keys,
    listings,
    log,
    merchant,
    plan,
    report,
    restores,
    review,
    verify,
    winding_up,
    witness,
)
from merchantry.cli.audit import audit
from merchantry.cli.demo import demo
from merchantry.cli.failures import Commands
from merchantry.cli.migrate import migrate
from merchantry.cli.reconcile import reconcile
from merchantry.cli.schema import schema
from merchantry.cli.serve import serve
from merchantry.cli.settle import settle
from merchantry.cli.simulator import simulator
from merchantry.cli.token import token
from merchantry.cli.worker import worker

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="A multi-merchant mall: one checkout, one PostgreSQL schema per merchant.",
)
app.command()(demo)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(token)
app.command()(schema)
app.command()(settle)
app.command()(reconcile)
app.command()(audit)
app.command()(simulator)
for command in (winding_up.close, winding_up.finish, winding_up.reopen, winding_up.export):
    merchant.app.command()(command)
merchant.app.command()(backups.backup)
merchant.app.command("drill")(backups.drills)
merchant.app.command("manifest")(restores.manifest)
merchant.app.command()(restores.restore)
merchant.app.command()(restores.replay)
merchant.app.command()(restores.recheck)
merchant.app.command("undo-restore")(restores.undo_restore)
app.add_typer(merchant.app, name="merchant")
app.add_typer(plan.app, name="plan")
app.add_typer(review.app, name="review")
app.add_typer(keys.app, name="keys")
app.add_typer(listings.app, name="listings")
app.add_typer(contacts.app, name="contacts")
app.add_typer(verify.app, name="verify")
app.add_typer(import_.app, name="import")
app.add_typer(report.app, name="report")
app.add_typer(log.app, name="log")
app.add_typer(witness.app, name="witness")
