"""`merchantry merchant`: create, list, suspend, activate."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from merchantry.cli.installation import installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import as_platform, now, show
from merchantry.domain.money import format_minor, parse_minor
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import Cycle
from merchantry.services import merchant as merchants
from merchantry.services.merchant import ListedMerchant, NewShop, ShippingOption
from merchantry.services.terms import plans_in_force
from merchantry.tables.blueprint import blueprint
from tenancy.database import PlatformSession
from tenancy.directory import account_of
from tenancy.tokens import DevelopmentIssuer

app = typer.Typer(no_args_is_help=True, help="Merchants of the mall.")
PAGE = 500


@app.command()
def create(
    slug: Annotated[str, typer.Option(help="Its name in addresses: a-z, 0-9 and hyphens.")],
    legal_name: Annotated[str, typer.Option()],
    display_name: Annotated[str, typer.Option(help="What buyers see.")],
    category: Annotated[str, typer.Option(help="The kind of merchant, as commission plans name it.")],
    time_zone: Annotated[str, typer.Option(help="Decides the days of its settlement: America/Sao_Paulo.")],
    currency: Annotated[str, typer.Option(help="ISO 4217: BRL.")],
    shipping: Annotated[str, typer.Option(help="Flat rate per order in its currency: 12.90.")] = "0",
    settlement_cycle: Annotated[Cycle, typer.Option()] = Cycle.WEEKLY,
    commission_plan: Annotated[str, typer.Option()] = "standard",
    accepts_cash: Annotated[bool, typer.Option(help="It may take the buyer's money on delivery.")] = False,
    seller_of_record: Annotated[
        SellerOfRecord, typer.Option(help="principal: the platform sells, and buys from the merchant.")
    ] = SellerOfRecord.AGENT,
    owner_email: Annotated[str | None, typer.Option(help="Whoever signs in with this address owns it.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make a merchant with a schema and a role of its own."""
    rate = ShippingOption("standard", "Standard", {currency: parse_minor(shipping, currency)})
    with installation(database_url, data_dir) as opened:
        shop = NewShop(
            slug=slug,
            legal_name=legal_name,
            display_name=display_name,
            category=category,
            time_zone=time_zone,
            currency=currency,
            shipping_options=(rate,),
            settlement_cycle=settlement_cycle,
            commission_plan=commission_plan,
            accepts_cash=accepts_cash,
            seller_of_record=seller_of_record,
        )
        merchants.check(shop)
        if owner_email:
            shop = replace(shop, owner=as_platform(opened, lambda session: _account(session, owner_email)))
        merchants.create(opened.logins.owner, blueprint(), [shop], now())
        plans = as_platform(opened, lambda session: plans_in_force(session, {commission_plan}, now().at))
    typer.echo(f"{slug} is open. It ships for {format_minor(rate.prices[currency], currency)} {currency}.")
    if not plans:
        typer.echo(
            f"No version of its commission plan {commission_plan} is in force, so its orders can't be paid: "
            f"merchantry plan add FILE --name {commission_plan} --from DATE",
            err=True,
        )


async def _account(session: PlatformSession, email: str) -> UUID:
    """Whoever has a token of the development issuer with this address as its subject."""
    return await account_of(session, DevelopmentIssuer.ISSUER, email, email, at=utc_now())


@app.command("list")
def list_them(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """All merchants, by slug."""
    with installation(database_url, data_dir) as opened:
        found = as_platform(opened, _all)
    table = Table("slug", "name", "number", "category", "time zone", "currency", "cycle", "plan", "status")
    for each in found:
        profile = each.profile
        terms = (profile.time_zone, profile.currency, profile.settlement_cycle, profile.commission_plan)
        shown = (each.merchant.slug, profile.display_name, str(profile.number), profile.category)
        table.add_row(*shown, *terms, each.merchant.status)
    show(table)


async def _all(session: PlatformSession) -> list[ListedMerchant]:
    found: list[ListedMerchant] = []
    after = None
    while True:
        page = await merchants.list_merchants(session, PAGE, after)
        found += page[:PAGE]
        if len(page) <= PAGE:
            return found
        after = found[-1].cursor


@app.command()
def update(
    slug: str,
    accepts_cash: Annotated[bool | None, typer.Option(help="It may take the buyer's money on delivery.")] = None,
    seller_of_record: Annotated[
        SellerOfRecord | None, typer.Option(help="Who sells, in orders that are placed from now on.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Let a merchant take cash on delivery, or no longer; say who sells its goods to buyers."""
    with installation(database_url, data_dir) as opened:
        as_platform(
            opened,
            lambda session: merchants.change(
                session, slug, now(), accepts_cash=accepts_cash, seller_of_record=seller_of_record
            ),
        )
        found = as_platform(opened, lambda session: merchants.by_slug(session, slug))
    if found is not None:
        takes = "takes cash on delivery" if found.profile.accepts_cash else "takes no cash"
        typer.echo(f"{slug} {takes}; seller of record: {found.profile.seller_of_record}.")


@app.command()
def suspend(slug: str, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Refuse requests in this merchant's name and take its goods from the mall; nothing is lost."""
    _set_status(slug, "suspended", database_url, data_dir)


@app.command()
def activate(slug: str, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Let a suspended merchant act and sell again."""
    _set_status(slug, "active", database_url, data_dir)


def _set_status(slug: str, status: str, database_url: DatabaseUrl, data_dir: DataDir) -> None:
    with installation(database_url, data_dir) as opened:
        as_platform(opened, lambda session: merchants.set_status(session, slug, status, now()))
    typer.echo(f"{slug} is {status}.")
