"""The sandbox provider's page, where a buyer approves or declines a charge that needs an action. Development only.

The provider then tells the mall by a signed webhook, over HTTP, as one outside would.
"""

from collections.abc import Sequence
from html import escape
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.domain.errors import NotFound
from merchantry.domain.money import format_minor
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.gateways.sandbox import ACTOR, Sandbox
from merchantry.gateways.sandbox_webhook import SandboxWebhook
from merchantry.services import payment
from merchantry.services.payment import Payment
from tenancy.database import Database

PATH = "/sandbox/pay"
ANSWERS = {"approve": ChargeStatus.CAPTURED, "decline": ChargeStatus.DECLINED}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sandbox payment</title>
<style>
  body {{ font: 1.1rem system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem; }}
  button {{ font: inherit; padding: .5rem 1.5rem; margin-right: .5rem; }}
</style>
<h1>Sandbox payment</h1>
<p>{amount}: {status}.</p>
{buttons}
</html>
"""
LATE = "late"
"""The answer of a buyer who pays what has ended already."""

BUTTONS = """<form method="post">
  <button formaction="{url}/approve">Approve</button>
  <button formaction="{url}/decline">Decline</button>
</form>"""
LATE_BUTTON = """<form method="post">
  <button formaction="{url}/late">Pay all the same</button>
</form>"""


def routes(database: Database, gateway: Sandbox, webhook: SandboxWebhook) -> Sequence[BaseRoute]:
    """GET shows a charge, POST to its ``/approve`` or ``/decline`` answers it; to ``/late`` pays it in any case."""

    async def show(request: Request) -> Response:
        try:
            async with database.read(ACTOR) as tx, tx.as_platform() as session:
                found = await payment.find(session, request.path_params["charge_id"])
        except NotFound:
            return HTMLResponse("There is no such payment.", 404)
        return HTMLResponse(_page(found), headers={"cache-control": "no-store"})

    async def answer(request: Request) -> Response:
        charge_id = request.path_params["charge_id"]
        outcome = await _answered(gateway, charge_id, request.path_params["answer"])
        if outcome is None:
            return HTMLResponse("Answer approve, decline or late.", 404)
        if outcome.status is ChargeStatus.UNKNOWN:
            return HTMLResponse("There is no such payment.", 404)
        await webhook.tell(charge_id, outcome)
        return RedirectResponse(f"{PATH}/{charge_id}", 303)

    return [
        Route(f"{PATH}/{{charge_id:uuid}}", show),
        Route(f"{PATH}/{{charge_id:uuid}}/{{answer}}", answer, methods=["POST"]),
    ]


async def _answered(gateway: Sandbox, charge_id: UUID, answer: str) -> Outcome | None:
    if answer == LATE:
        return await gateway.pay_anyway(charge_id)
    return await gateway.resolve(charge_id, ANSWERS[answer]) if answer in ANSWERS else None


def _page(found: Payment) -> str:
    amount = f"{format_minor(found.amount_minor, found.currency)} {found.currency}"
    buttons = _BUTTONS_OF.get(found.status, "").format(url=f"{PATH}/{found.id}")
    status = found.status.replace("_", " ")
    if found.late_at is not None:
        status, buttons = "given back" if found.given_back_at else "to be given back", ""
    return PAGE.format(amount=escape(amount), status=escape(status), buttons=buttons)


_BUTTONS_OF = {"action_required": BUTTONS, "failed": LATE_BUTTON, "expired": LATE_BUTTON}
