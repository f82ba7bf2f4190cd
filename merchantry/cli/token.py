"""`merchantry token`: bearer tokens of the development issuer."""

from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import home_of, installation, issuer_in, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import as_platform, now
from merchantry.domain.errors import NotFound
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import staff
from tenancy.database import PlatformSession
from tenancy.directory import account_of, merchant_by_slug
from tenancy.tokens import DevelopmentIssuer

MOST_HOURS = 24 * 366


def token(
    email: Annotated[str | None, typer.Option(help="An address; also the subject unless one is given.")] = None,
    subject: Annotated[str | None, typer.Option(help="Who the token is, to the issuer.")] = None,
    merchant: Annotated[str | None, typer.Option(metavar="SLUG", help="Grant --role at this merchant.")] = None,
    role: Annotated[MerchantRole | None, typer.Option(help="A role at --merchant.")] = None,
    platform_role: Annotated[PlatformRole | None, typer.Option(help="Grant a role on the platform.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=MOST_HOURS, help="How long it is valid.")] = 12,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a token for this machine's server, and grant its account a role where one is asked for."""
    who = subject or email
    if not who:
        raise CommandRefused("Say whose token it is: --email or --subject.")
    if (merchant is None) != (role is None):
        raise CommandRefused("--merchant and --role belong together: give both, or neither.")

    async def grant(session: PlatformSession) -> None:
        account_id = await account_of(session, DevelopmentIssuer.ISSUER, who, None, at=utc_now())
        if merchant and role:
            found = await merchant_by_slug(session, merchant)
            if found is None:
                raise NotFound(what=f"merchant {merchant}", path=("merchant",))
            await staff.grant_role(session, account_id, found.id, role, now())
        if platform_role:
            await staff.grant_platform_role(session, account_id, platform_role, now())

    if role or platform_role:
        with installation(database_url, data_dir) as opened:
            as_platform(opened, grant)
    typer.echo(issuer_in(home_of(data_dir)).issue(who, email, hours * 3600))
