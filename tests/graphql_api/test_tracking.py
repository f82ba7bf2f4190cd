"""Carriers tell where parcels are, by signed webhooks that have one effect or none; buyers, guests, staff read it."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from graphql_api.signed_messages import MAX_BODY_BYTES
from merchantry.domain.parcel import ParcelStatus, Update
from merchantry.domain.permission import MerchantRole
from merchantry.gateways.carrier import message
from merchantry.gateways.webhook_signature import Secrets
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything, rows
from tests.graphql_api.a_schema import served
from tests.graphql_api.documents import a_line, buy, confirm, ship
from tests.graphql_api.mall import CARRIER_SECRETS, Mall

PATH = "/webhooks/carriers/correios"
PARCELS = "SELECT status, updates, delivered_at, expected_on FROM {schema}.shipment ORDER BY shipped_at, id"
TOLD = "SELECT facts FROM platform.outbox WHERE kind = 'shipment.updated' ORDER BY xmin::text::bigint"
MOVED = "SELECT count(*) AS n FROM {schema}.order_event WHERE kind = 'deliver'"


@dataclass
class Sent:
    """An order that has left."""

    mall: Mall
    seller: Merchant
    order_id: str
    shipment_id: str

    def parcel(self) -> dict[str, Any]:
        return rows(self.mall.database, PARCELS, self.seller.id)[0]

    def status(self) -> str:
        (found,) = rows(self.mall.database, "SELECT status FROM {schema}.orders", self.seller.id)
        return str(found["status"])


async def a_sent_order(mall: Mall, number: str = "BR123", carrier: str = "Correios", who: str = "bea") -> Sent:
    seller = await a_merchant(mall.database)
    clerk = await mall.hire(f"clerk-{seller.slug}", seller, MerchantRole.OWNER)
    product = await a_product(mall.database, seller, prices={"BRL": 10000})
    placed = await buy(mall, who, a_line(seller, product))
    order_id = placed["orders"][0]["id"]
    sent = await ship(mall, clerk, seller, order_id, carrier=carrier, trackingNumber=number)
    assert sent["__typename"] == "OrderShipped", sent
    return Sent(mall, seller, order_id, sent["order"]["shipments"][0]["id"])


async def tell(
    mall: Mall,
    status: str = "in_transit",
    *,
    number: str = "BR123",
    hours: int = 0,
    place: str | None = None,
    expected_on: date | None = None,
    message_id: str = "",
    minutes_ago: int = 0,
    secrets: Secrets = CARRIER_SECRETS["correios"],
    path: str = PATH,
) -> httpx.Response:
    """What a carrier posts about a parcel, as of some hours from now."""
    now = mall.clock()
    body = message(number, Update(ParcelStatus(status), now + timedelta(hours=hours), place, expected_on))
    headers = secrets.sign(message_id or f"msg_{uuid4()}", now - timedelta(minutes=minutes_ago), body)
    return await mall.http.post(path, content=body, headers=headers)


async def test_updates_are_kept_in_the_order_of_their_moments_and_nothing_undoes_a_delivery(mall: Mall) -> None:
    sent = await a_sent_order(mall, number="br 123-456", carrier=" correios ")
    day = date(2026, 3, 5)
    await tell(mall, "in_transit", number="BR123456", hours=-2, place="Recife", expected_on=day)
    await tell(mall, "picked_up", number="Br-123456", hours=-3)
    assert (sent.parcel()["status"], sent.parcel()["expected_on"]) == ("in_transit", day)
    await tell(mall, "delivered", number="BR123456", hours=-1)
    await tell(mall, "in_transit", number="BR123456", hours=0)
    found = sent.parcel()
    assert [each["status"] for each in found["updates"]] == ["picked_up", "in_transit", "delivered", "in_transit"]
    assert (found["status"], sent.status()) == ("delivered", "delivered")
    assert found["delivered_at"] == mall.clock()
    told = [each["facts"]["status"] for each in rows(mall.database, TOLD)]
    assert told == ["in_transit", "in_transit", "delivered", "delivered"]
    assert rows(mall.database, MOVED, sent.seller.id) == [{"n": 1}]
    await check_everything(mall.database)


async def test_a_message_that_comes_again_has_one_effect(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    for status in ("delivered", "delivered", "exception"):
        assert (await tell(mall, status, message_id="one")).status_code == 202
    await tell(mall, "delivered", message_id="two")
    assert [each["status"] for each in sent.parcel()["updates"]] == ["delivered"]
    assert len(rows(mall.database, TOLD)) == 1
    assert rows(mall.database, MOVED, sent.seller.id) == [{"n": 1}]


async def test_who_is_not_the_carrier_is_refused_alike_whatever_there_is(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    rival = CARRIER_SECRETS["rivals"]
    answers = [
        await tell(mall, "delivered", secrets=rival),
        await tell(mall, "delivered", secrets=rival, number="nobody's"),
        await tell(mall, "delivered", minutes_ago=6),
        await tell(mall, "delivered", minutes_ago=-6),
        await tell(mall, "delivered", path="/webhooks/carriers/nobody"),
        await tell(mall, "delivered", path="/webhooks/carriers/%00"),
        await tell(mall, "delivered", path="/webhooks/payments/correios"),
        await mall.http.post(PATH),
    ]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}
    assert sent.status() == "shipped"


async def test_a_carrier_learns_nothing_of_what_exists_and_moves_no_others_parcels(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    known = await tell(mall, "in_transit")
    unknown = await tell(mall, "in_transit", number="BR999")
    others = await tell(mall, "delivered", secrets=CARRIER_SECRETS["rivals"], path="/webhooks/carriers/rivals")
    assert {(each.status_code, each.text) for each in (known, unknown, others)} == {(202, known.text)}
    assert (sent.status(), len(sent.parcel()["updates"])) == ("shipped", 1)
    kept = rows(mall.database, "SELECT carrier FROM platform.carrier_message")
    assert kept == [{"carrier": "correios"}]


async def test_a_number_that_two_merchants_name_is_his_who_named_it_first(mall: Mall) -> None:
    first = await a_sent_order(mall)
    mall.clock.advance(minutes=1)
    second = await a_sent_order(mall, who="ben")
    await tell(mall, "delivered")
    await tell(mall, "delivered", hours=-1)
    assert (first.status(), second.status()) == ("delivered", "shipped")
    mall.clock.advance(days=90)
    await tell(mall, "in_transit")
    assert (len(first.parcel()["updates"]), len(second.parcel()["updates"])) == (2, 1)


async def test_orders_in_one_parcel_arrive_together(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    product = await a_product(mall.database, sent.seller, prices={"BRL": 10000})
    other = (await buy(mall, "bea", a_line(sent.seller, product)))["orders"][0]["id"]
    await ship(mall, f"clerk-{sent.seller.slug}", sent.seller, other)
    await tell(mall, "delivered")
    assert {each["status"] for each in rows(mall.database, "SELECT status FROM {schema}.orders", sent.seller.id)} == {
        "delivered"
    }


async def test_an_order_that_its_buyer_has_completed_stays_so_and_the_parcel_tells_on(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    await confirm(mall, "bea", sent.order_id)
    assert (await tell(mall, "delivered")).status_code == 202
    assert (sent.status(), sent.parcel()["status"], sent.parcel()["delivered_at"]) == ("completed", "delivered", None)


DELIVER = """
mutation($input: ShipmentDeliverInput!) { shipmentDeliver(input: $input) { __typename ... on Problem { code } } }
"""


async def test_carrier_and_staff_who_tell_of_a_delivery_at_once_move_the_order_once(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    given = {"shipmentId": sent.shipment_id, "idempotencyKey": "k"}
    clerk = f"clerk-{sent.seller.slug}"
    carriers = [tell(mall, "delivered", hours=-hours, message_id=f"m{hours // 2}") for hours in range(8)]
    said, told = await asyncio.gather(
        mall.ask(DELIVER, {"input": given}, who=clerk, merchant=sent.seller.slug), asyncio.gather(*carriers)
    )
    assert said.data["shipmentDeliver"]["__typename"] == "ShipmentDelivered"
    assert {each.status_code for each in told} == {202}
    assert rows(mall.database, MOVED, sent.seller.id) == [{"n": 1}]
    assert len(sent.parcel()["updates"]) == 4
    await check_everything(mall.database)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"trackingNumber": 1, "status": "delivered", "at": "2026-03-01T12:00:00Z"}', 422),
        (b'{"trackingNumber": " - ", "status": "delivered", "at": "2026-03-01T12:00:00Z"}', 422),
        (b'{"trackingNumber": "B\\u0000R", "status": "delivered", "at": "2026-03-01T12:00:00Z"}', 422),
        (b'{"trackingNumber": "%s", "status": "delivered", "at": "2026-03-01T12:00:00Z"}' % (b"9" * 201), 422),
        (b'{"trackingNumber": "BR123", "status": "lost", "at": "2026-03-01T12:00:00Z"}', 422),
        (b'{"trackingNumber": "BR123", "status": "delivered", "at": "2026-03-01T12:00:00"}', 422),
        (b'{"trackingNumber": "BR123", "status": "delivered", "at": "9999-03-01T12:00:00Z"}', 422),
        (b'{"trackingNumber": "BR123", "status": "delivered", "at": "0001-01-01T00:00:00+14:00"}', 422),
        (b'{"trackingNumber": "BR123", "status": "exception", "at": "2026-03-01T12:00:00Z", "place": 1}', 422),
        (b'{"trackingNumber": "BR123", "status": "exception", "at": "2026-03-01T12:00:00Z", "expectedOn": 1}', 422),
        (b'{"trackingNumber": "BR123", "status": "exception", "at": "2026-03-01T12:00:00Z", "place": "%s"}', 202),
        (b"[" * 3000, 422),
        (b"x" * (MAX_BODY_BYTES + 1), 413),
    ],
    ids=range(17),
)
async def test_whatever_a_message_holds_it_is_answered(mall: Mall, body: bytes, status: int) -> None:
    body = body.replace(b"%s", b"\\u0000\xf0\x9f\x98\x80\\u202e" * 300)
    headers = CARRIER_SECRETS["correios"].sign("m", mall.clock(), body)
    answer = await mall.http.post(PATH, content=body, headers=headers)
    assert answer.status_code == status, answer.text


async def test_a_place_is_bounded_and_shown_without_what_can_not_be_shown(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    await tell(mall, "exception", place="\x00\u202eRecife " + "é" * 300)
    place = sent.parcel()["updates"][0]["place"]
    assert (place[:8], len(place)) == ("Recife é", 200)


WAY = """
number expectedOn
timeline { at kind actor shipmentId status place }
shipments { id status expectedOn deliveredAt updates { status at place } }
"""
OF_BUYER = f"{{ viewer {{ orders {{ nodes {{ {WAY} }} }} }} }}"
OF_STAFF = f"{{ merchant {{ orders {{ nodes {{ {WAY} }} }} }} }}"


async def way(mall: Mall, who: str, merchant: Merchant | None = None) -> list[dict[str, Any]]:
    answer = await mall.ask(OF_STAFF if merchant else OF_BUYER, who=who, merchant=merchant.slug if merchant else None)
    found: list[dict[str, Any]] = answer.data["merchant" if merchant else "viewer"]["orders"]["nodes"]
    return found


async def test_buyer_and_staff_see_one_timeline_and_others_nothing_of_it(mall: Mall) -> None:
    sent, others = await a_sent_order(mall), await a_sent_order(mall, number="BR9", who="ben")
    mall.clock.advance(days=1)
    day = mall.clock().date() + timedelta(days=2)
    await tell(mall, "out_for_delivery", hours=-1, place="Recife", expected_on=day)
    await tell(mall, "picked_up", hours=-20, place="São Paulo")
    (found,) = await way(mall, "bea")
    assert found == (await way(mall, f"clerk-{sent.seller.slug}", sent.seller))[0]
    steps = [(each["kind"], each["actor"], each["status"], each["place"]) for each in found["timeline"]]
    assert steps == [
        ("place", "buyer", None, None),
        ("pay", "buyer", None, None),
        ("ship", "staff", None, None),
        ("carrier", "carrier", "PICKED_UP", "São Paulo"),
        ("carrier", "carrier", "OUT_FOR_DELIVERY", "Recife"),
    ]
    (parcel,) = found["shipments"]
    assert [each["shipmentId"] for each in found["timeline"]] == [None, None, *[parcel["id"]] * 3]
    assert (parcel["status"], parcel["expectedOn"], found["expectedOn"]) == ("OUT_FOR_DELIVERY", str(day), str(day))
    for who, merchant in (("ben", None), (f"clerk-{others.seller.slug}", others.seller)):
        (theirs,) = await way(mall, who, merchant)
        assert (theirs["shipments"][0]["updates"], theirs["expectedOn"], len(theirs["timeline"])) == ([], None, 3)


async def test_what_staff_say_is_shown_where_no_carrier_does(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    (before,) = await way(mall, "bea")
    await mall.ask(
        DELIVER,
        {"input": {"shipmentId": sent.shipment_id, "idempotencyKey": "k"}},
        who=f"clerk-{sent.seller.slug}",
        merchant=sent.seller.slug,
    )
    (after,) = await way(mall, "bea")
    assert [each["shipments"][0]["status"] for each in (before, after)] == [None, "DELIVERED"]
    assert after["timeline"][-1]["kind"] == "deliver"


async def test_a_carrier_is_heard_over_a_socket(mall: Mall) -> None:
    sent = await a_sent_order(mall)
    body = message("BR123", Update(ParcelStatus.DELIVERED, mall.clock()))
    headers = CARRIER_SECRETS["correios"].sign("m", mall.clock(), body)
    async with served(mall.app) as host, httpx.AsyncClient(base_url=f"http://{host}") as client:
        assert (await client.post(PATH, content=body, headers=headers)).status_code == 202
        assert (await client.post(PATH, content=body + b" ", headers=headers)).status_code == 401
    assert sent.status() == "delivered"


PAGES = "{ viewer { orders { nodes { shipments { carrier trackingUrl isLate } } } } }"


async def test_a_parcel_is_late_once_its_day_is_over_everywhere_and_until_it_arrives(mall: Mall) -> None:
    await a_sent_order(mall)
    day = mall.clock().date() + timedelta(days=1)

    async def is_late() -> Any:
        (order,) = (await mall.ask(PAGES, who="bea")).data["viewer"]["orders"]["nodes"]
        return order["shipments"][0]["isLate"]

    assert await is_late() is False
    await tell(mall, "in_transit", expected_on=day)
    mall.clock.now += timedelta(days=1)
    assert await is_late() is False
    mall.clock.now += timedelta(days=1)
    assert await is_late() is True
    await tell(mall, "delivered")
    assert await is_late() is False


async def test_a_parcel_has_its_carrier_s_page_where_the_mall_knows_it(mall: Mall) -> None:
    await a_sent_order(mall, number="br 1/2&3", carrier=" CORREIOS ", who="bea")
    await a_sent_order(mall, number="X", carrier="Nobody Knows", who="bea")
    found = (await mall.ask(PAGES, who="bea")).data["viewer"]["orders"]["nodes"]
    parcels = [each["shipments"][0] for each in found]
    pages = {each["carrier"].strip(): each["trackingUrl"] for each in parcels}
    assert pages == {"CORREIOS": "https://track.test/?id=BR1%2F2%263&lang=en", "Nobody Knows": None}
