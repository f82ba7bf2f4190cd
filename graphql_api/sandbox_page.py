"""The sandbox provider's page, where a buyer approves or declines a charge that needs an action. Development only."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.domain.act import Act
from merchantry.domain.errors import NotFound
from merchantry.domain.money import format_minor
from merchantry.gateways.payment import ChargeStatus
from merchantry.gateways.sandbox import ACTOR, Sandbox
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
BUTTONS = """<form method="post">
  <button formaction="{url}/approve">Approve</button>
  <button formaction="{url}/decline">Decline</button>
</form>"""


def routes(database: Database, gateway: Sandbox, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """GET shows a charge, POST to its ``/approve`` or ``/decline`` answers it."""

    async def show(request: Request) -> Response:
        try:
            async with database.read(ACTOR) as tx, tx.as_platform() as session:
                found = await payment.find(session, request.path_params["charge_id"])
        except NotFound:
            return HTMLResponse("There is no such payment.", 404)
        return HTMLResponse(_page(found), headers={"cache-control": "no-store"})

    async def answer(request: Request) -> Response:
        charge_id = request.path_params["charge_id"]
        status = ANSWERS.get(request.path_params["answer"])
        if status is None:
            return HTMLResponse("Answer approve or decline.", 404)
        outcome = await gateway.resolve(charge_id, status)
        act = Act(f"system:{ACTOR}", clock(), clock())
        try:
            await database.run(ACTOR, lambda tx: payment.settle(tx, charge_id, outcome, act))
        except NotFound:
            return HTMLResponse("There is no such payment.", 404)
        return RedirectResponse(f"{PATH}/{charge_id}", 303)

    return [
        Route(f"{PATH}/{{charge_id:uuid}}", show),
        Route(f"{PATH}/{{charge_id:uuid}}/{{answer}}", answer, methods=["POST"]),
    ]


def _page(found: Payment) -> str:
    amount = f"{format_minor(found.amount_minor, found.currency)} {found.currency}"
    is_open = found.status == "action_required"
    buttons = BUTTONS.format(url=f"{PATH}/{found.id}") if is_open else ""
    return PAGE.format(amount=escape(amount), status=escape(found.status.replace("_", " ")), buttons=buttons)
