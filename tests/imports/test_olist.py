"""The Olist import on a small data set of our own making."""

import asyncio
import csv
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from merchantry.domain.errors import InvalidInput
from merchantry.domain.plan_document import parse_plan
from merchantry.imports.olist.model import read
from merchantry.imports.olist.report import Report
from merchantry.imports.olist.run import Stage, run
from merchantry.imports.olist.setup import plan_name
from merchantry.services.merchant import set_status
from merchantry.services.queue import JobKind
from merchantry.services.report import Dimension, commission_report, settlement_report
from merchantry.tables.log import log_queue
from merchantry.tables.platform import buyer_order, checkout, job, tender
from tenancy.database import Database
from tenancy.logins import Logins
from tests.builders import VAULT, an_act
from tests.cli.running import Shell
from tests.imports.olist_sample import ANA, BIA, FIGURES, SOAP, Books, Bought, books, slug, the_sales, write_files

NOW = datetime.now(UTC)

RATES_BY_CATEGORY = {
    "name": "By category",
    "currency": "BRL",
    "base": "goods",
    "hold_days": 7,
    "default": {"rate_bps": 1200},
    "product_categories": {"computers": {"rate_bps": 800}, "health_beauty": {"rate_bps": 1425}},
    "floor_minor": 50,
    "cap_minor": 6000,
}
RATES_BY_MERCHANT = {
    "name": "By merchant",
    "currency": "BRL",
    "base": "goods_and_shipping",
    "hold_days": 30,
    "default": {"rate_bps": 333, "fixed_minor": 45},
    "merchants": {
        slug(ANA): {"rate_bps": 1111, "cap_minor": 9000},
        slug(BIA): {"rate_bps": 750, "product_categories": {"health_beauty": {"rate_bps": 0, "fixed_minor": 7}}},
    },
    "product_categories": {"pc_gamer": {"rate_bps": 250}},
}


class Silent:
    """Progress that nobody sees; calls ``at`` for each checkout that went in."""

    def __init__(self, at: Callable[[], None] = lambda: None) -> None:
        self.at = at

    def begin(self, stage: Stage, total: int) -> None:
        """Nothing."""

    def advance(self, stage: Stage, done: int) -> None:
        """Counts checkouts."""
        if stage is Stage.CHECKOUTS:
            self.at()


async def bring_in(
    database: Database,
    directory: Path,
    plan: dict[str, Any] = RATES_BY_CATEGORY,
    progress: Silent | None = None,
    at: datetime = NOW,
) -> Report:
    """One run of the import."""
    source = read(directory, NOW)
    return await run(database, VAULT, source, parse_plan(plan), clock=lambda: at, progress=progress or Silent())


async def booked(database: Database) -> Books:
    """What the reports say."""

    async def by(dimension: Dimension) -> dict[str, dict[str, int]]:
        report = await commission_report(database, date_from=date.min, date_to=date.max, group_by=[dimension])
        return {row[dimension]: {name: row[name] for name in FIGURES} for row in report.rows}

    payable = (await settlement_report(database, date_from=date.min, date_to=date.max)).rows
    return Books(
        await by(Dimension.MONTH),
        await by(Dimension.MERCHANT),
        await by(Dimension.CATEGORY),
        {(row["merchant"], row["period_start"].isoformat()): (row["orders"], row["payable_minor"]) for row in payable},
    )


@pytest.fixture
def sales() -> list[Bought]:
    """The checkouts of the sample."""
    return the_sales(NOW)


@pytest.fixture
def files(tmp_path: Path, sales: list[Bought]) -> Path:
    """The sample's files."""
    return write_files(tmp_path / "olist", sales)


@pytest.mark.parametrize("plan", [RATES_BY_CATEGORY, RATES_BY_MERCHANT], ids=lambda plan: plan["name"])
async def test_the_books_say_what_decimals_say(
    database: Database, files: Path, sales: list[Bought], plan: dict[str, Any]
) -> None:
    report = await bring_in(database, files, plan)
    assert report.skipped == ()
    assert await booked(database) == books(sales, plan, NOW)


async def test_what_is_odd_is_counted(database: Database, files: Path, sales: list[Bought]) -> None:
    report = await bring_in(database, files)
    assert (report.now.checkouts, report.now.merchants, report.now.orders, report.now.lines) == (14, 3, 16, 18)
    assert (report.several_merchants, report.several_tenders) == (1, 1)
    assert [(each.checkout, each.orders_minor, each.paid_minor) for each in report.payment_differs] == [
        (sales[4].id, 100_00, 100_01)
    ]
    assert (report.shipped_before_captured, report.delivered_before_captured, report.delivered_before_shipped) == (
        2,
        1,
        1,
    )
    assert set(report.undelivered) == {sales[5].id, sales[13].id}


async def test_orders_stand_where_their_dates_leave_them_with_their_own_times(
    database: Database, files: Path, sales: list[Bought]
) -> None:
    await bring_in(database, files)
    async with database.read("test") as tx, tx.as_platform() as session:
        statuses = Counter((await session.execute(select(buyer_order.c.status))).scalars())
        placed = set((await session.execute(select(checkout.c.placed_at))).scalars())
        methods = Counter((await session.execute(select(tender.c.method))).scalars())
        jobs = Counter((await session.execute(select(job.c.kind))).scalars())
    assert statuses == {"completed": 14, "shipped": 1, "to_ship": 1}
    assert min(placed) == datetime(2018, 2, 18, 1, 45, tzinfo=UTC)
    assert methods == {"credit_card": 14, "voucher": 2}
    left = {JobKind.HOLD_RELEASE: 1, JobKind.ORDER_OVERDUE: 1}
    assert jobs == left, "only the hold that has not ended and the order that waits are left to a worker"


async def test_a_second_run_imports_nothing(database: Database, files: Path, sales: list[Bought]) -> None:
    await bring_in(database, files)
    before = await booked(database)
    again = await bring_in(database, files)
    assert (again.now.checkouts, again.now.merchants, again.now.orders, again.now.lines) == (0, 0, 0, 0)
    assert (again.before.checkouts, again.before.merchants, again.before.orders, again.before.lines) == (14, 3, 16, 18)
    assert await booked(database) == before
    async with database.read("test") as tx, tx.as_platform() as session:
        assert await session.scalar(select(func.count()).where(log_queue.c.kind == "entry")) == 16 + 13


async def test_two_imports_at_once_bring_everything_in_once(
    database: Database, files: Path, sales: list[Bought]
) -> None:
    await bring_in(database, write_files(files.parent / "first", sales[:1]))
    other = Database(database.logins, pool_size=3)
    try:
        reports = await asyncio.gather(bring_in(database, files), bring_in(other, files), return_exceptions=True)
    finally:
        await other.close()
    # Both may make the same merchant or product: one of them is told so, and changed nothing.
    done = [report for report in reports if isinstance(report, Report)]
    assert done
    last = await bring_in(database, files)
    assert last.now.checkouts + last.before.checkouts == 14
    assert await booked(database) == books(sales, RATES_BY_CATEGORY, NOW)


@pytest.mark.parametrize("after", [1, 5, 13])
async def test_an_interrupted_import_resumes(database: Database, files: Path, sales: list[Bought], after: int) -> None:
    done = 0

    def interrupt() -> None:
        nonlocal done
        done += 1
        if done == after:
            task.cancel()

    task = asyncio.create_task(bring_in(database, files, progress=Silent(interrupt)))
    with pytest.raises(asyncio.CancelledError):
        await task
    rest = await bring_in(database, files)
    assert rest.before.checkouts >= after
    assert rest.now.checkouts + rest.before.checkouts == 14
    assert rest.now.orders + rest.before.orders == 16
    assert await booked(database) == books(sales, RATES_BY_CATEGORY, NOW)


async def test_more_checkouts_later_raise_the_stock_that_they_need(
    database: Database, tmp_path: Path, sales: list[Bought]
) -> None:
    await bring_in(database, write_files(tmp_path / "half", sales[:7]))
    report = await bring_in(database, write_files(tmp_path / "all", sales))
    assert (report.before.checkouts, report.now.checkouts, report.skipped) == (7, 7, ())
    assert await booked(database) == books(sales, RATES_BY_CATEGORY, NOW)


async def test_another_plan_is_refused_with_the_remedy(database: Database, files: Path) -> None:
    await bring_in(database, files)
    with pytest.raises(InvalidInput) as refusal:
        await bring_in(database, files, RATES_BY_MERCHANT)
    assert "--data-dir" in refusal.value.message
    assert plan_name(parse_plan(RATES_BY_CATEGORY)) in refusal.value.message


async def test_a_mall_whose_money_moved_in_another_zone_is_refused(database: Database, files: Path) -> None:
    await bring_in(database, files)
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute("UPDATE platform.mall SET time_zone = 'Europe/Lisbon'")
    with pytest.raises(InvalidInput) as refusal:
        await bring_in(database, files)
    assert "Europe/Lisbon" in refusal.value.message
    assert "an empty database" in refusal.value.message


def _edit(path: Path, change: Callable[[list[list[str]]], None]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _set(files: Path, name: str, line: int, column: str, text: str) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[line - 1][rows[0].index(column)] = text

    _edit(files / f"{name}.csv", change)


ORDERS, ITEMS, PAYMENTS = "olist_orders_dataset", "olist_order_items_dataset", "olist_order_payments_dataset"
BROKEN = [
    (ITEMS, "price", "12,30", "price '12,30' is not an amount"),
    (ITEMS, "price", "-1.00", "price -1.00 is negative"),
    (ITEMS, "price", "1.999", "is not an amount"),
    (ITEMS, "freight_value", "", "freight_value '' is not an amount"),
    (ITEMS, "seller_id", "0" * 32, "is not among the sellers"),
    (ITEMS, "product_id", "0" * 32, "is not among the products"),
    (ITEMS, "product_id", "soap", "is not an id of 32 hexadecimal digits"),
    (ITEMS, "order_item_id", "first", "order_item_id 'first' is not a number"),
    (ORDERS, "order_purchase_timestamp", "05/03/2018", "is not a time such as"),
    (ORDERS, "order_purchase_timestamp", "", "order_purchase_timestamp is empty"),
    (ORDERS, "order_approved_at", "2018-02-30 10:00:00", "is not a time such as"),
    (ORDERS, "order_delivered_customer_date", "2999-01-01 10:00:00", "in the future"),
    (ORDERS, "customer_id", "0" * 32, "is not in olist_customers_dataset.csv"),
    (PAYMENTS, "payment_value", "NaN", "payment_value 'NaN' is not an amount"),
]


@pytest.mark.parametrize(("name", "column", "text", "reason"), BROKEN)
async def test_a_broken_row_is_named_and_spoils_its_checkout_only(
    tmp_path: Path, sales: list[Bought], name: str, column: str, text: str, reason: str
) -> None:
    files = write_files(tmp_path / "olist", sales)
    _set(files, name, 2, column, text)
    source = read(files, NOW)
    [skipped] = source.skipped
    assert (skipped.file, skipped.line, skipped.checkout) == (f"{name}.csv", 2, sales[0].id)
    assert reason in skipped.reason
    assert {sale.id for sale in source.sales} == {sale.id for sale in sales[1:]}


async def test_broken_rows_of_all_kinds_leave_the_rest_right(
    database: Database, files: Path, sales: list[Bought]
) -> None:
    _set(files, ITEMS, 2, "price", "x")
    _edit(files / f"{ITEMS}.csv", lambda rows: rows.append([sales[2].id, "9", SOAP]))
    _edit(files / f"{ITEMS}.csv", lambda rows: rows.append(["7" * 32, "1", SOAP, ANA, "", "1", "1"]))
    _edit(files / f"{ORDERS}.csv", lambda rows: rows.append(list(rows[5])))
    _edit(files / f"{PAYMENTS}.csv", lambda rows: rows.append(list(rows[5])))
    report = await bring_in(database, files)
    places = {(skipped.file.removesuffix(".csv"), skipped.line) for skipped in report.skipped}
    assert places == {(ITEMS, 2), (ITEMS, 21), (ITEMS, 22), (ORDERS, 16), (PAYMENTS, 18)}
    spoilt = {skipped.checkout for skipped in report.skipped if skipped.checkout}
    left = [sale for sale in sales if sale.id not in spoilt]
    assert report.now.checkouts == len(left) == 11
    assert await booked(database) == books(left, RATES_BY_CATEGORY, NOW)


async def test_a_checkout_that_a_service_refuses_is_named_and_the_rest_goes_in(
    database: Database, files: Path, sales: list[Bought]
) -> None:
    await bring_in(database, write_files(files.parent / "one", sales[:1]))
    async with database.write("test") as tx, tx.as_platform() as session:
        await set_status(session, slug(ANA), "suspended", an_act())
    report = await bring_in(database, files)
    assert [(skipped.file, skipped.line) for skipped in report.skipped] == [
        ("olist_orders_dataset.csv", number)
        for number, sale in enumerate(sales, 2)
        if number > 2 and any(piece.seller == ANA for piece in sale.pieces)
    ]
    assert report.now.checkouts + len(report.skipped) == 13


@pytest.fixture
def shell(logins: Logins, tmp_path: Path) -> Shell:
    """The command, on the test's own database."""
    return Shell(logins, tmp_path / "home")


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """The plan as a file."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(RATES_BY_CATEGORY))
    return path


def test_the_command_imports_and_reports(shell: Shell, tmp_path: Path, sales: list[Bought], plan_file: Path) -> None:
    files = write_files(tmp_path / "gzipped", sales, gzipped=True)
    imported = json.loads(shell.done("import", "olist", str(files), "--plan", str(plan_file), "--format", "json"))
    assert imported["now"] == {"checkouts": 14, "merchants": 3, "orders": 16, "lines": 18}
    again = shell.done("import", "olist", str(files), "--plan", str(plan_file))
    assert "14" in again
    wanted = books(sales, RATES_BY_CATEGORY, NOW)
    report = json.loads(shell.done("report", "commission", "--by", "month,merchant", "--format", "json"))
    assert report["as_of"]
    assert list(report["rows"][0]) == [
        "month", "merchant", "currency", "orders", "goods_minor", "shipping_minor", "commission_minor",
        "refunds_minor", "net_to_merchants_minor",
    ]  # fmt: skip
    assert sum(row["commission_minor"] for row in report["rows"]) == sum(
        row["commission_minor"] for row in wanted.by_merchant.values()
    )
    lines = shell.done("report", "settlement", "--format", "csv", "--merchant", slug(BIA)).splitlines()
    assert lines[0] == "merchant,period_start,period_end,currency,orders,payable_minor"
    assert {line.split(",")[0] for line in lines[1:]} == {slug(BIA)}
    march = shell.done(
        "report", "commission", "--from", "2018-03-01", "--to", "2018-04-01", "--format", "csv"
    ).splitlines()
    assert march[1].split(",")[1] == str(wanted.by_month["2018-03"]["orders"])
    assert slug(ANA) in shell.done("report", "commission", "--by", "merchant")


def test_broken_rows_make_the_exit_code_one(shell: Shell, files: Path, plan_file: Path) -> None:
    _set(files, ITEMS, 2, "price", "x")
    result = shell.run("import", "olist", str(files), "--plan", str(plan_file), "--format", "json")
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert document["now"]["checkouts"] == 13
    assert [(row["file"], row["line"]) for row in document["skipped"]] == [("olist_order_items_dataset.csv", 2)]


def test_missing_files_and_columns_are_refused_all_at_once(shell: Shell, files: Path, plan_file: Path) -> None:
    (files / "olist_sellers_dataset.csv").unlink()
    _edit(files / f"{ITEMS}.csv", lambda rows: rows[0].__setitem__(rows[0].index("freight_value"), "freight"))
    result = shell.run("import", "olist", str(files), "--plan", str(plan_file))
    assert result.exit_code == 2
    assert "olist_order_items_dataset.csv has no column freight_value" in result.stderr
    assert "olist_sellers_dataset.csv (or .csv.gz) is missing" in result.stderr


def test_a_truncated_file_is_refused(shell: Shell, tmp_path: Path, sales: list[Bought], plan_file: Path) -> None:
    files = write_files(tmp_path / "gzipped", sales, gzipped=True)
    path = files / "olist_orders_dataset.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    result = shell.run("import", "olist", str(files), "--plan", str(plan_file))
    assert result.exit_code == 2
    assert "olist_orders_dataset.csv.gz can't be read to its end" in result.stderr


def test_every_mistake_of_a_plan_is_named_with_its_path(shell: Shell, files: Path, plan_file: Path) -> None:
    wrong = {**RATES_BY_CATEGORY, "hold_days": -1, "default": {"rate_bps": 12.5}, "surprise": 1}
    plan_file.write_text(json.dumps(wrong))
    result = shell.run("import", "olist", str(files), "--plan", str(plan_file))
    assert result.exit_code == 2
    for path in ("$.hold_days", "$.default.rate_bps", "$.surprise"):
        assert f"{path}: " in result.stderr
    missing = shell.run("import", "olist", str(files), "--plan", str(plan_file.with_name("none.json")))
    assert missing.exit_code == 2
    assert "give --plan a JSON file" in missing.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("commission", "--by", "month,colour"), "colour"),
        (("commission", "--from", "1.3.2018"), "1.3.2018"),
        (("commission", "--from", "2018-03-02", "--to", "2018-03-01"), "The span is empty"),
        (("settlement", "--merchant", "nobody"), "There is no merchant nobody"),
        (("settlement", "--by", "category"), "not by category"),
    ],
)
def test_reports_refuse_what_they_do_not_know(shell: Shell, words: tuple[str, ...], told: str) -> None:
    result = shell.run("report", *words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_settle_releases_what_was_still_held_at_the_import(shell: Shell, files: Path, sales: list[Bought]) -> None:
    early = datetime(2018, 3, 15, tzinfo=UTC)

    async def at_work(work: Callable[[Database], Awaitable[object]]) -> object:
        database = Database(shell.logins, pool_size=3)
        try:
            return await work(database)
        finally:
            await database.close()

    asyncio.run(at_work(lambda database: bring_in(database, files, at=early)))
    assert asyncio.run(at_work(booked)) == books(sales, RATES_BY_CATEGORY, early)
    assert ": 10 holds released, " in shell.done("settle", "--until", "2018-04-15T00:00:00-03:00")
    assert ": 3 holds released, " in shell.done("settle")
    assert asyncio.run(at_work(booked)) == books(sales, RATES_BY_CATEGORY, NOW)


def test_settle_refuses_the_future_and_instants_without_a_zone(shell: Shell) -> None:
    for text in ("2999-01-01T00:00:00Z", "2018-01-01T00:00:00", "soon"):
        result = shell.run("settle", "--until", text)
        assert result.exit_code == 2
        assert "--until" in result.stderr
    assert shell.done("settle").startswith("0 merchants")
