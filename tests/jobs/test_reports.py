"""Saved reports: produced when due, kept for ninety days, downloaded by whose they are, told of when they fail."""

import csv
import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs import reports
from merchantry.services import report_writing
from merchantry.services.saved_report import KEPT_FOR
from tenancy.database import Database
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import PROBLEM, a_line, buy
from tests.graphql_api.mall import Mall, open_mall

FILES = "files { name rows sizeBytes sha256 url from to expiresAt }"
REPORT = f"report {{ id name nextDueAt failure {FILES} }}"
SAVE = f"mutation ($i: ReportSaveInput!) {{ reportSave(input: $i) {{ ... on ReportSaved {{ {REPORT} }} {PROBLEM} }} }}"
SAVE_FOR_ALL = f"""mutation ($i: PlatformReportSaveInput!) {{
  platformReportSave(input: $i) {{ ... on PlatformReportSaved {{ {REPORT} }} {PROBLEM} }}
}}"""
PRODUCE = f"""mutation ($i: ReportProduceInput!) {{
  reportProduce(input: $i) {{ ... on ReportProducing {{ {REPORT} }} {PROBLEM} }}
}}"""
DELETE = f"""mutation ($i: ReportDeleteInput!) {{
  reportDelete(input: $i) {{ ... on ReportDeleted {{ reportId }} {PROBLEM} }}
}}"""
LIST = f"""{{ merchant {{
  reports {{ nodes {{ id name nextDueAt failure {FILES} }} }} notifications {{ nodes {{ kind }} }}
}} }}"""


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Any:
    async with open_mall(database, tmp_path) as mall:
        shop = await a_merchant(database, "shop")
        kite = await a_product(database, shop, prices={"BRL": 10_000})
        await mall.hire("olga", shop, MerchantRole.OWNER)
        await mall.appoint("fin", PlatformRole.FINANCE)
        await buy(mall, "ana", a_line(shop, kite))
        yield mall


def an_input(**more: Any) -> dict[str, Any]:
    return {"name": "Sales", "kind": "SALES", "format": "CSV", "idempotencyKey": str(uuid4()), **more}


async def save(mall: Mall, **more: Any) -> dict[str, Any]:
    answer = await mall.ask(SAVE, {"i": an_input(**more)}, who="olga", merchant="shop")
    saved: dict[str, Any] = answer.data["reportSave"]
    return saved


async def listed(mall: Mall) -> tuple[list[dict[str, Any]], list[str]]:
    found = (await mall.ask(LIST, who="olga", merchant="shop")).data["merchant"]
    return found["reports"]["nodes"], [each["kind"] for each in found["notifications"]["nodes"]]


async def download(mall: Mall, url: str, who: str = "olga", merchant: str | None = "shop") -> httpx.Response:
    headers = {"authorization": f"Bearer {mall.token(who)}", **({"x-merchant": merchant} if merchant else {})}
    return await mall.http.get(url, headers=headers)


async def test_a_daily_report_is_produced_every_day_for_the_day_before(desk: Mall) -> None:
    saved = (await save(desk, schedule="DAILY"))["report"]
    assert (saved["nextDueAt"], saved["files"]) == ("2026-03-03T05:00:00+00:00", [])
    assert (await listed(desk))[0][0]["files"] == []
    desk.clock.advance(days=1)
    await desk.work()
    ((report,), kinds) = await listed(desk)
    (file,) = report["files"]
    assert (report["nextDueAt"], kinds[0]) == ("2026-03-04T05:00:00+00:00", "report.produced")
    assert (file["from"], file["to"], file["rows"]) == ("2026-03-02", "2026-03-03", 1)
    answer = await download(desk, file["url"])
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    assert len(answer.content) == file["sizeBytes"]
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["paid_minor"] == "11000"
    desk.clock.advance(days=1)
    await desk.work()
    ((report,), _) = await listed(desk)
    assert [(each["from"], each["rows"]) for each in report["files"]] == [("2026-03-03", 0), ("2026-03-02", 1)]


async def test_a_report_is_produced_when_somebody_asks_and_once_for_each_key(desk: Mall) -> None:
    saved = (await save(desk, **{"from": "2026-03-01", "to": "2026-04-01"}))["report"]
    given = {"reportId": saved["id"], "idempotencyKey": "once"}
    for _ in range(2):
        answer = await desk.ask(PRODUCE, {"i": given}, who="olga", merchant="shop")
        assert answer.data["reportProduce"]["report"]["id"] == saved["id"]
        await desk.work()
    ((report,), _) = await listed(desk)
    assert len(report["files"]) == 1
    assert report["nextDueAt"] is None


async def test_saving_twice_under_a_key_saves_once(desk: Mall) -> None:
    first, again = await save(desk, schedule="DAILY", idempotencyKey="k"), None
    again = await save(desk, schedule="DAILY", idempotencyKey="k")
    assert first == again
    assert len((await listed(desk))[0]) == 1


async def test_the_platforms_reports_are_its_own_and_a_merchants_the_merchants(desk: Mall) -> None:
    given = an_input(schedule="WEEKLY", merchants=["shop"], format="XLSX")
    saved = (await desk.ask(SAVE_FOR_ALL, {"i": given}, who="fin")).data["platformReportSave"]["report"]
    await save(desk, schedule="DAILY")
    desk.clock.advance(days=7)
    await desk.work()
    shown = await desk.ask(f"{{ platform {{ reports {{ nodes {{ id {FILES} }} }} }} }}", who="fin")
    (mine,) = shown.data["platform"]["reports"]["nodes"]
    assert mine["id"] == saved["id"]
    url = mine["files"][0]["url"]
    assert (await download(desk, url, "fin", None)).content.startswith(b"PK")
    assert (await download(desk, url)).status_code == 404
    ((of_merchant,), _) = await listed(desk)
    assert (await download(desk, of_merchant["files"][0]["url"], "fin", None)).status_code == 404


BAD = [
    ({}, ["input", "from"]),
    ({"schedule": "DAILY", "from": "2026-03-01", "to": "2026-03-02"}, ["input", "from"]),
    ({"from": "2026-03-01"}, ["input", "to"]),
    ({"from": "2026-03-02", "to": "2026-03-02"}, ["input", "to"]),
    ({"schedule": "DAILY", "name": " "}, ["input", "name"]),
    ({"schedule": "DAILY", "columns": ["day", "pay"]}, ["input", "columns", "1"]),
]


@pytest.mark.parametrize(("given", "path"), BAD, ids=[str(number) for number in range(len(BAD))])
async def test_what_can_not_be_saved_is_refused_where_it_is_wrong(
    desk: Mall, given: dict[str, Any], path: list[str]
) -> None:
    refused = await save(desk, **given)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", path)


async def test_a_failure_is_kept_and_told_and_the_next_time_comes(desk: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    await save(desk, schedule="DAILY", format="XLSX")

    async def fails(*_: Any) -> int:
        raise InvalidInput(reason="A sheet holds 1 row; ask for csv.")

    with monkeypatch.context() as patched:
        patched.setattr(report_writing, "write", fails)
        desk.clock.advance(days=1)
        await desk.work()
    ((report,), kinds) = await listed(desk)
    assert (report["failure"], kinds[0]) == ("A sheet holds 1 row; ask for csv.", "report.failed")
    assert report["nextDueAt"] == "2026-03-04T05:00:00+00:00"
    assert list((desk.tools.reports or Path()).iterdir()) == []
    desk.clock.advance(days=1)
    await desk.work()
    ((report,), _) = await listed(desk)
    assert (report["failure"], len(report["files"])) == (None, 1)


async def test_a_fault_is_tried_again_before_it_is_given_up(desk: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    await save(desk, schedule="DAILY")

    async def breaks(*_: Any) -> int:
        raise OSError("secret: the disk is full")

    desk.clock.advance(days=1)
    with monkeypatch.context() as patched:
        patched.setattr(report_writing, "write", breaks)
        for attempt in range(reports.ATTEMPTS):
            await desk.work()
            ((report,), kinds) = await listed(desk)
            assert "secret" not in report["failure"]
            assert ("report.failed" in kinds) is (attempt == reports.ATTEMPTS - 1)
            desk.clock.advance(minutes=5)
    assert report["nextDueAt"] == "2026-03-04T05:00:00+00:00"


async def test_files_are_deleted_when_their_time_is_over(desk: Mall) -> None:
    saved = (await save(desk, **{"from": "2026-03-01", "to": "2026-04-01"}))["report"]
    await desk.ask(PRODUCE, {"i": {"reportId": saved["id"], "idempotencyKey": "k"}}, who="olga", merchant="shop")
    await desk.work()
    ((report,), _) = await listed(desk)
    directory = desk.tools.reports or Path()
    (path,) = directory.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    desk.clock.now += KEPT_FOR
    assert (await download(desk, report["files"][0]["url"])).status_code == 404
    await desk.work()
    assert list(directory.iterdir()) == []
    ((report,), _) = await listed(desk)
    assert report["files"] == []


async def test_a_deleted_report_takes_its_files_with_it_and_is_not_produced_again(desk: Mall) -> None:
    saved = (await save(desk, schedule="DAILY"))["report"]
    desk.clock.advance(days=1)
    await desk.work()
    ((report,), _) = await listed(desk)
    given = {"reportId": saved["id"], "idempotencyKey": "k"}
    for _ in range(2):
        answer = await desk.ask(DELETE, {"i": given}, who="olga", merchant="shop")
        assert answer.data["reportDelete"] == {"reportId": saved["id"]}
    assert (await download(desk, report["files"][0]["url"])).status_code == 404
    desk.clock.advance(days=2)
    await desk.work()
    assert (await listed(desk))[0] == []
    assert list((desk.tools.reports or Path()).iterdir()) == []


async def test_two_workers_that_produce_the_same_report_keep_one_file(desk: Mall) -> None:
    from merchantry.jobs import worker

    await save(desk, schedule="DAILY")
    desk.clock.advance(days=1)
    jobs = await worker.claim(desk.tools, desk.clock(), 20)
    (job,) = [each for each in jobs if each.kind == "report.produce"]
    for _ in range(2):
        await reports.produce(desk.tools, job)
    await desk.notify()
    ((report,), kinds) = await listed(desk)
    assert (len(report["files"]), kinds.count("report.produced")) == (1, 1)
    assert len(list((desk.tools.reports or Path()).iterdir())) == 1
    desk.clock.advance(days=1, seconds=int(timedelta(hours=1).total_seconds()))
    await desk.work()
    assert len((await listed(desk))[0][0]["files"]) == 2
