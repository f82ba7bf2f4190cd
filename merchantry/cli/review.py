"""`merchantry review`: the rules that say what people must look at."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, as_platform, now, progress_bar, show, with_database
from merchantry.domain.review import Outcome
from merchantry.domain.review_document import rules_from_json
from merchantry.domain.review_trial import Trial
from merchantry.services import replay, review_rules, review_trial
from merchantry.services.mall import mall_zone
from merchantry.services.review_rules import RuleSetVersion
from tenancy.database import Database, PlatformSession

app = typer.Typer(no_args_is_help=True, help="Review rules: what people must look at.")
MOST_VERSIONS = 10_000

Rules = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The rules as JSON.")]


@app.command("try")
def try_them(
    file: Rules,
    date_from: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day that counts, in the mall's zone.")
    ],
    date_to: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The first day that no longer counts.")
    ],
    merchant: Annotated[list[str] | None, typer.Option("--merchant", metavar="SLUG", help="May repeat.")] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Name some acts for each rule.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """What rules would have made of past orders, refunds, payouts and accounts. Changes nothing."""
    rules = rules_from_json(file.read_bytes())

    async def run(database: Database) -> Trial:
        merchants = await replay.merchants_to_replay(database, ACTOR, None)
        chosen = [each for each in merchants if not merchant or each.slug in merchant]
        unknown = set(merchant or ()) - {each.slug for each in chosen}
        if unknown:
            raise CommandRefused(f"There is no merchant {', '.join(sorted(unknown))}.")
        trial = Trial.of(rules.rules)
        with progress_bar() as progress:
            task = progress.add_task("Merchants", total=len(chosen))
            span = date_from.date(), date_to.date()
            async for grown in review_trial.try_rules(database, ACTOR, rules, *span, chosen):
                trial = grown
                progress.advance(task)
        return trial

    with installation(database_url, data_dir) as opened:
        trial = with_database(opened, run)
    show(_counts(trial))
    if examples:
        show(_examples(trial))


@app.command()
def add(
    file: Rules,
    starts_on: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Their first day, in the mall's time zone.")
    ],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Put a version of the rules into force from a day on. An operator here stands outside the four eyes."""
    rules = rules_from_json(file.read_bytes())

    async def install(session: PlatformSession) -> RuleSetVersion:
        effective_from = starts_on.replace(tzinfo=await mall_zone(session)).astimezone(UTC)
        return await review_rules.install(session, rules, effective_from, now())

    with installation(database_url, data_dir) as opened:
        made = as_platform(opened, install)
    typer.echo(f"Version {made.version} of the rules is in force from {made.effective_from.isoformat()}.")


@app.command("list")
def list_them(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """All versions of the rules."""

    async def read(session: PlatformSession) -> list[RuleSetVersion]:
        return list(await review_rules.versions(session, limit=MOST_VERSIONS))

    with installation(database_url, data_dir) as opened:
        found = as_platform(opened, read)
    table = Table("version", "name", "rules", "in force from", "status")
    for each in found:
        texts = (str(each.version), each.rules.name, str(len(each.rules.rules)))
        table.add_row(*texts, each.effective_from.isoformat(), each.status)
    show(table)


def _counts(trial: Trial) -> Table:
    table = Table("rule", "subject", "kind", *Outcome)
    for name, tally in trial.tallies.items():
        table.add_row(name, tally.rule.subject, tally.rule.kind, *(str(tally.counts[each]) for each in Outcome))
    return table


def _examples(trial: Trial) -> Table:
    table = Table("rule", "merchant", "when", "outcome", "why")
    for name, tally in trial.tallies.items():
        for each in tally.examples:
            table.add_row(name, each.merchant, each.at.isoformat(), each.outcome, each.reason)
    return table
