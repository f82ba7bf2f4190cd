"""Review rules tried over the whole history of the real orders: how long it takes, and whether each rule stops exactly
the orders that it must."""

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime

from benchmarks.installation import installed
from benchmarks.measuring import facts, parse_options, show, told
from benchmarks.olist_import import DATA, some_of
from benchmarks.olist_rules import RULES, Stopped, expected
from benchmarks.settlement import imported
from merchantry.domain import review_trial as trials
from merchantry.domain.plan_document import plan_from_json
from merchantry.domain.review import Outcome
from merchantry.domain.review_document import parse_rules
from merchantry.domain.review_trial import Trial
from merchantry.imports.olist.model import read
from merchantry.services import replay, review_trial
from tenancy.database import Database
from tenancy.logins import Logins

ACTOR = "bench"
SPAN = date(2016, 1, 1), date(2019, 1, 1)


async def tried(logins: Logins) -> tuple[Trial, float]:
    """The rules over every captured order of every merchant, and the seconds."""
    database, rules = Database(logins, pool_size=2), parse_rules(RULES)
    trial = Trial.of(rules.rules)
    try:
        merchants = await replay.merchants_to_replay(database, ACTOR, None)
        began = time.perf_counter()
        async for grown in review_trial.try_rules(database, ACTOR, rules, *SPAN, merchants):
            trial = grown
        return trial, time.perf_counter() - began
    finally:
        await database.close()


def wanted(*, quick: bool) -> Stopped:
    """What each rule must stop, counted from the files."""
    source = read(DATA, datetime.now(UTC))
    if quick:
        source, _ = some_of(source, {"by_merchant": {}, "weekly_payable": []})
    return expected(source, plan_from_json((DATA / "reference-plan.json").read_bytes()))


def main() -> int:
    """Measure and print. Returns 1 where a rule stops other orders than it must."""
    options = parse_options()
    if not DATA.is_dir():
        print(f"Review trial: no data in {DATA}, nothing measured.")
        return 0
    trials.EXAMPLES = sys.maxsize  # type: ignore[misc]  # every order that is stopped is compared
    with installed(options) as installation:
        told("Importing the orders …")
        asyncio.run(imported(installation.logins, options.quick))
        told("Trying the rules …")
        trial, took = asyncio.run(tried(installation.logins))
        line = facts(installation.logins.owner, options)
    must, rows, are_equal = wanted(quick=options.quick), [], True
    for name, tally in trial.tallies.items():
        stopped = Counter((each.merchant, each.at) for each in tally.examples)
        is_equal = stopped == must.get(name, Counter())
        are_equal = are_equal and is_equal
        counts = [f"{count:,}" for count in (tally.counts.total(), *(tally.counts[each] for each in Outcome))]
        rows.append([name, tally.rule.kind, *counts, "equal" if is_equal else "DIFFERENT"])
    judged = max(tally.counts.total() for tally in trial.tallies.values())
    note = f"{judged:,} orders by {len(rows)} rules in {took:.1f} s: {took / judged * 1000:.2f} ms an order."
    heads = ("rule", "kind", "looked at", *Outcome, "against the files")
    show("Review rules over the real orders", line, heads, rows, note)
    return int(not are_equal)


if __name__ == "__main__":
    sys.exit(main())
