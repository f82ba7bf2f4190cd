"""A merchant's saved reports in the isolation tests' world: one for each mutation about one, and a produced file."""

from datetime import date
from typing import TYPE_CHECKING

from graphql_api.relay import encode_id
from merchantry.domain.report_kind import ReportFormat, ReportKind
from merchantry.domain.report_request import Span, choose
from merchantry.domain.report_schedule import ReportSchedule
from merchantry.jobs import worker
from merchantry.services import saved_report
from merchantry.services.queue import JobKind
from merchantry.services.saved_report import NewReport
from tests.builders import an_act
from tests.graphql_api.mall import Mall

if TYPE_CHECKING:
    from tests.isolation.world import Sphere

YEAR = Span(date(2026, 1, 1), date(2027, 1, 1))


async def add_reports(mall: Mall, made: "Sphere") -> None:
    """Two saved reports, of which one is produced."""
    merchant_id = made.merchant.id
    for mutation in ("reportProduce", "reportDelete"):
        choice = choose(ReportKind.SALE_LINES)
        new = NewReport(f"{made.slug} {mutation}", choice, ReportFormat.CSV, ReportSchedule.NONE, YEAR)
        async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
            await saved_report.save(session, merchant_id, new, an_act(f"staff:{await mall.account(made.owner)}"))
            if mutation == "reportProduce":
                await saved_report.ask(session, merchant_id, new.id, an_act(at=mall.clock()))
        made.subjects[mutation] = {"reportId": encode_id("SavedReport", merchant_id, new.id)}
    await worker.run_due(mall.tools, mall.clock(), kinds=[JobKind.REPORT_PRODUCE], merchant_id=merchant_id)
