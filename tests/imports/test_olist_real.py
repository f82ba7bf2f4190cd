"""The import on a slice of the real data, which lies beside the repository where there is any."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from merchantry.domain.plan_document import plan_from_json
from merchantry.imports.olist.model import read
from merchantry.imports.olist.run import run
from merchantry.services.report import Dimension, commission_report, settlement_report
from tenancy.database import Database
from tests.builders import VAULT
from tests.imports.olist_slice import DATA, Silent

FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not in {DATA}")


async def test_books_of_real_merchants_are_what_they_must_be(
    database: Database, slice_of: tuple[Path, set[str], int]
) -> None:
    directory, slugs, checkouts = slice_of
    expected: dict[str, Any] = json.loads((DATA / "expected.json").read_text())
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    source = read(directory, datetime.now(UTC))
    report = await run(database, VAULT, source, plan, clock=lambda: datetime.now(UTC), progress=Silent())
    assert report.skipped == ()
    assert report.now.checkouts == checkouts > 100
    assert report.several_merchants >= 4

    commission = await commission_report(database, date_from=date.min, date_to=date.max, group_by=[Dimension.MERCHANT])
    found = {row["merchant"]: {name: row[name] for name in FIGURES} for row in commission.rows}
    assert {slug: found[slug] for slug in slugs} == {slug: expected["by_merchant"][slug] for slug in slugs}

    settlement = await settlement_report(database, date_from=date.min, date_to=date.max)
    weeks = [
        {
            "merchant": row["merchant"],
            "week_starting": row["period_start"].isoformat(),
            "orders": row["orders"],
            "payable_minor": row["payable_minor"],
        }
        for row in settlement.rows
        if row["merchant"] in slugs
    ]
    assert weeks == [row for row in expected["weekly_payable"] if row["merchant"] in slugs]
