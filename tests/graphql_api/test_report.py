"""Reports as files over HTTP: chosen columns, refusals with a remedy, safe cells, and memory that does not grow."""

import asyncio
import csv
import gc
import io
import tracemalloc
from typing import Any

import httpx
import openpyxl
import pytest
from sqlalchemy import text

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import report_rows
from tenancy.principals import Merchant
from tenancy.schemas import schema_of
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy
from tests.graphql_api.mall import Mall

SPAN = "from=2026-01-01&to=2027-01-01"


async def a_shop(mall: Mall, slug: str = "shop", title: str = "Kite") -> Merchant:
    merchant = await a_merchant(mall.database, slug)
    kite = await a_product(mall.database, merchant, title=title, prices={"BRL": 10_000})
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    await mall.appoint("fin", PlatformRole.FINANCE)
    await buy(mall, "ana", a_line(merchant, kite))
    return merchant


async def get(mall: Mall, path: str, who: str | None = "fin", merchant: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {mall.token(who)}"} if who else {}
    return await mall.http.get(path, headers=headers | ({"x-merchant": merchant} if merchant else {}))


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_the_chosen_columns_come_in_their_order(mall: Mall) -> None:
    await a_shop(mall)
    answer = await get(mall, f"/reports/sales.csv?{SPAN}&columns=paid_minor,currency,merchant")
    assert answer.text == "paid_minor,currency,merchant\r\n11000,BRL,shop\r\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="sales_2026-01-01_2027-01-01.csv"'
    assert answer.headers["x-report-snapshot"] == "page"
    assert answer.headers["cache-control"] == "no-store"
    (own,) = rows(await get(mall, f"/reports/sales.csv?{SPAN}", "olga", "shop"))
    assert (own["day"], own["goods_minor"], own["net_minor"]) == ("2026-03-02", "10000", "9800")
    (group,) = rows(await get(mall, f"/reports/commission.csv?{SPAN}&columns=currency,orders,commission_minor"))
    assert group == {"currency": "BRL", "orders": "1", "commission_minor": own["commission_minor"]}


async def test_a_sheet_has_amounts_in_their_currency(mall: Mall) -> None:
    await a_shop(mall)
    answer = await get(mall, f"/reports/sales.xlsx?{SPAN}&columns=order_number,currency,paid_minor")
    assert answer.status_code == 200
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0]
    heading, (number, currency, paid) = ([cell.value for cell in row] for row in sheet.iter_rows())
    assert heading == ["Order", "Currency", "Paid"]
    assert (currency, paid) == ("BRL", 110)
    assert number


REFUSED = [
    ("sales.csv", "from"),
    ("sales.csv?from=2026-1-1&to=2027-01-01", "from"),
    ("sales.csv?from=2026-02-30&to=2027-01-01", "from"),
    ("sales.csv?from=2026-01-01&to=2026-01-01", "to"),
    ("sales.csv?from=0001-01-01&to=2026-01-01", "from"),
    (f"sales.csv?{SPAN}&from=2026-01-01", "from"),
    (f"sales.csv?{SPAN}&columns=paid", "columns.0"),
    (f"sales.csv?{SPAN}&columns=paid_minor", "columns"),
    (f"sales.csv?{SPAN}&columns=day,day", "columns.1"),
    (f"sales.csv?{SPAN}&merchants=shop,nobody", "merchants.1"),
    (f"sales.csv?{SPAN}&merchants=x'%20OR%201=1", "merchants.0"),
    (f"sales.csv?{SPAN}&currency=EURO", "currency"),
    (f"taxes.csv?{SPAN}&statuses=paid", "statuses"),
    (f"sales.csv?{SPAN}&limit=1", "limit"),
    (f"sails.csv?{SPAN}", "kind"),
    (f"sales.pdf?{SPAN}", "format"),
]


@pytest.mark.parametrize(("path", "where"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
async def test_a_bad_parameter_is_refused_with_its_name_and_a_remedy(mall: Mall, path: str, where: str) -> None:
    await a_shop(mall)
    answer = await get(mall, f"/reports/{path}")
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert ".".join(error["extensions"]["path"]) == where
    assert len(error["message"]) > 20


async def test_whoever_may_not_read_reports_is_refused_as_in_the_api(mall: Mall) -> None:
    shop = await a_shop(mall)
    await mall.hire("fritz", shop, MerchantRole.FULFILMENT)
    path = f"/reports/sales.csv?{SPAN}"
    statuses = {None: 401, "ana": 400, "olga": 400}
    for who, status in statuses.items():
        assert (await get(mall, path, who)).status_code == status
    assert (await get(mall, path, "fritz", "shop")).status_code == 403
    assert (await mall.http.head(path, headers={"authorization": f"Bearer {mall.token('fin')}"})).status_code == 200
    assert (await mall.http.post(path)).status_code == 405


async def test_what_a_spreadsheet_would_take_for_a_formula_is_text(mall: Mall) -> None:
    await a_shop(mall, title="=cmd|'/c calc'!A1")
    (row,) = rows(await get(mall, f"/reports/sale_lines.csv?{SPAN}"))
    assert row["title"] == "'=cmd|'/c calc'!A1, One size"
    answer = await get(mall, f"/reports/sale_lines.xlsx?{SPAN}&columns=title")
    cell = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0]["A2"]
    assert (cell.data_type, cell.value) == ("s", "=cmd|'/c calc'!A1, One size")


COPY = text(
    "INSERT INTO __merchant__.orders SELECT (jsonb_populate_record(o, jsonb_build_object("
    "'id', gen_random_uuid(), 'number', o.number || '-' || n, 'captured_at', o.captured_at + n * interval '1 minute'))"
    ").* FROM __merchant__.orders AS o, generate_series(1, 6000) AS n"
)


async def many_sales(mall: Mall, merchant: Merchant) -> None:
    statement = text(COPY.text.replace("__merchant__", schema_of(merchant.id)))
    async with mall.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await session.execute(statement)


def a_get(mall: Mall, path: str) -> dict[str, Any]:
    """The ASGI scope of a GET by finance."""
    name, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": name,
        "raw_path": name.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"mall.test"), (b"authorization", f"Bearer {mall.token('fin')}".encode())],
        "server": ("mall.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "state": {},
    }


async def peak(mall: Mall, path: str) -> tuple[int, int]:
    """Bytes of Python's memory at most while a report is streamed, and how many lines it has."""
    transport: Any = mall.http._transport
    lines: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            lines.append(message["body"].count(b"\n"))

    async def receive() -> Any:
        await asyncio.sleep(3600)

    gc.collect()
    tracemalloc.start()
    try:
        await transport.app(a_get(mall, path), receive, send)
        return tracemalloc.get_traced_memory()[1], sum(lines)
    finally:
        tracemalloc.stop()


async def test_memory_does_not_grow_with_the_rows(mall: Mall) -> None:
    shop = await a_shop(mall)
    path = f"/reports/sales.csv?{SPAN}"
    assert (await peak(mall, path))[1] == 2
    await many_sales(mall, shop)
    some, lines = await peak(mall, "/reports/sales.csv?from=2026-01-01&to=2026-03-03&columns=day,order_number")
    many, all_lines = await peak(mall, f"{path}&columns=day,order_number")
    assert (lines, all_lines) == (721, 6_002)
    assert many < some + 500_000
    assert many < 8_000_000


async def test_a_client_that_goes_away_stops_the_reading(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await a_shop(mall)
    await many_sales(mall, shop)
    pages: list[int] = []
    original = report_rows._Reading._page

    async def counted(self: Any, *given: Any) -> Any:
        pages.append(1)
        return await original(self, *given)

    monkeypatch.setattr(report_rows._Reading, "_page", counted)
    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            gone.set()
            await asyncio.sleep(0.05)

    transport: Any = mall.http._transport
    await transport.app(a_get(mall, f"/reports/sales.csv?{SPAN}"), receive, send)
    assert 0 < len(pages) < 10
    assert (await get(mall, f"/reports/refunds.csv?{SPAN}")).status_code == 200
