"""Review rules tried on a slice of the real data: which orders each stops is told again from the files alone."""

import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from benchmarks.olist_rules import RULES, expected
from merchantry.domain import review_trial as trials
from merchantry.domain.plan_document import plan_from_json
from merchantry.domain.review import Outcome
from merchantry.domain.review_document import parse_rules
from merchantry.imports.olist.model import read
from merchantry.imports.olist.run import run
from merchantry.services import replay, review_trial
from tenancy.database import Database
from tests.builders import VAULT
from tests.imports.olist_slice import DATA, Silent

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not in {DATA}")


async def test_rules_over_the_imported_history_flag_what_the_files_say(
    database: Database, slice_of: tuple[Path, set[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "EXAMPLES", sys.maxsize)
    directory, _, _ = slice_of
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    source = read(directory, datetime.now(UTC))
    await run(database, VAULT, source, plan, clock=lambda: datetime.now(UTC), progress=Silent())
    merchants = await replay.merchants_to_replay(database, "test", None)
    rules = parse_rules(RULES)
    async for grown in review_trial.try_rules(database, "test", rules, date(2016, 1, 1), date(2019, 1, 1), merchants):
        trial = grown
    orders = sum(len(sale.orders) for sale in source.sales)
    counted = {name: tally.counts.total() for name, tally in trial.tallies.items()}
    assert counted == {**dict.fromkeys(counted, orders), "refunds": 0}
    stopped = {
        name: Counter((each.merchant, each.at) for each in tally.examples)
        for name, tally in trial.tallies.items()
        if tally.examples
    }
    wanted = expected(source, plan)
    assert stopped == wanted
    assert wanted.keys() >= {"large", "busy", "bounded"}
    assert trial.tallies["large"].counts[Outcome.HOLD] == wanted["large"].total()
