"""A mall with a victim, a rival, a merchant that is suspended, and everybody who has no business with any of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import pytest
from sqlalchemy import insert

from graphql_api.relay import encode_id, parse_id
from merchantry.domain import entries
from merchantry.domain.case import CaseKind
from merchantry.domain.payee import PayeeKind
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.permission import Permission as P
from merchantry.domain.review_document import parse_rules
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.jobs.sequencing import sequence_all
from merchantry.services import (
    case,
    chargeback,
    ledger,
    machine_token,
    payee,
    queue,
    refund_sending,
    return_request,
    review_rules,
    staff,
)
from merchantry.services import merchant as merchants
from merchantry.services.case import Fact, NewCase
from merchantry.services.chargeback import NewChargeback
from merchantry.services.machine_token import NewMachineToken
from merchantry.services.payee_details import NewAccount
from merchantry.services.queue import JobKind
from merchantry.services.return_request import NewReturn
from merchantry.services.variant import NewVariant
from merchantry.tables.log import log_queue
from merchantry.tables.outbox import outbox_pruned
from merchantry.transparency.log_keys import LogKeys
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, a_product, an_act
from tests.cluster import Cluster
from tests.graphql_api.documents import ADDRESS, CANCEL, a_cart, a_line, buy, confirm, pay, place, refund, ship
from tests.graphql_api.guests import a_guest
from tests.graphql_api.mall import Mall, open_mall
from tests.graphql_api.price_documents import change_coupon, create_coupon
from tests.isolation.reports import add_reports
from tests.isolation.settled import settle
from tests.isolation.webhooks import add_webhooks

NOTICE_SECONDS = 15.0
QUOTE = "mutation ($i: CheckoutQuoteInput!) { checkoutQuote(input: $i) { ... on CheckoutQuoted { quoteId } } }"


@dataclass
class Reply:
    """A whole answer: what a client could compare."""

    status: int
    text: str
    body: dict[str, Any]

    def without(self, *sent: str) -> tuple[int, str]:
        """Status and text, with what the client itself sent taken out."""
        text = self.text
        for each in sent:
            text = text.replace(each, "<sent>")
        return self.status, text


@dataclass
class Sphere:
    """A merchant with its people, and ids of what is its own, by the mutation that they are made for."""

    merchant: Merchant
    owner: str
    buyer: str
    price: str
    subjects: dict[str, dict[str, Any]] = field(default_factory=dict)
    order_number: str = ""
    statement_number: str = ""
    payout_number: str = ""

    @property
    def slug(self) -> str:
        """How host and header name it."""
        return self.merchant.slug


@dataclass(frozen=True)
class Asker:
    """Somebody, and how their request names a merchant."""

    name: str
    who: str | None
    header: str | None = None
    host: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass
class World:
    """The mall of the isolation tests."""

    mall: Mall
    victim: Sphere
    rival: Sphere
    asleep: Sphere
    audited: Sphere
    roles: dict[MerchantRole, str] = field(default_factory=dict)
    platform_roles: dict[PlatformRole, str] = field(default_factory=dict)

    async def send(self, asker: Asker, document: str, variables: Mapping[str, Any] | None = None) -> Reply:
        """Ask as somebody."""
        headers = {}
        if asker.who:
            headers["authorization"] = f"Bearer {self.mall.token(asker.who)}"
        if asker.header:
            headers["x-merchant"] = asker.header
        if asker.host:
            headers["host"] = asker.host
        body = {"query": document, "variables": dict(variables or {})}
        answer = await self.mall.http.post("/graphql", json=body, headers=headers)
        return Reply(answer.status_code, answer.text, answer.json())

    def owner_of(self, sphere: Sphere) -> Asker:
        """The merchant's owner, as they should ask."""
        return Asker("owner", sphere.owner, sphere.slug)

    def strangers(self) -> list[Asker]:
        """Who gets past the door, and has nothing to do with the victim."""
        return [
            Asker("rival's owner", self.rival.owner, self.rival.slug),
            Asker("rival's owner by host", self.rival.owner, host=f"{self.rival.slug}.mall.test"),
            Asker("rival's owner, no merchant", self.rival.owner),
            Asker("another buyer", self.rival.buyer),
            Asker("nobody", None),
            Asker("dismissed manager, no merchant", "dismissed"),
            Asker("suspended merchant's owner, no merchant", self.asleep.owner),
            Asker("analyst, no merchant", self.platform_roles[PlatformRole.ANALYST]),
        ]

    def stopped(self, slug: str) -> list[Asker]:
        """Who names a merchant that they may not act for; the door refuses them all alike."""
        host, rival_host = f"{slug}.mall.test", f"{self.rival.slug}.mall.test"
        return [
            Asker("rival's owner by header", self.rival.owner, slug),
            Asker("rival's owner by host", self.rival.owner, host=host),
            Asker("rival's owner, host against header", self.rival.owner, self.rival.slug, host),
            Asker("rival's owner, header against host", self.rival.owner, slug, rival_host),
            Asker("buyer of another by header", self.rival.buyer, slug),
            Asker("buyer of it by header", self.victim.buyer, slug),
            Asker("buyer of it by host", self.victim.buyer, host=host),
            Asker("nobody by header", None, slug),
            Asker("nobody by host", None, host=host),
            Asker("dismissed manager by header", "dismissed", slug),
            Asker("dismissed manager by host", "dismissed", host=host),
            Asker("suspended merchant's owner by header", self.asleep.owner, slug),
            Asker("admin of the platform by header", self.platform_roles[PlatformRole.ADMIN], slug),
            Asker("auditor of the platform by host", self.platform_roles[PlatformRole.AUDITOR], host=host),
        ]


def elsewhere(text: str) -> str:
    """An id of the same form that stands for nothing; ids that share a part still share one."""
    kind, parts = parse_id(text) or ("Order", (uuid4(), uuid4()))
    return encode_id(kind, *(uuid5(NAMESPACE_OID, part.hex) for part in parts))


def forged(text: str, merchant_id: UUID) -> str:
    """An id with another merchant's part put in the place of its own."""
    kind, parts = parse_id(text) or ("Order", ())
    return encode_id(kind, merchant_id, *parts[1:])


def swapped(value: Any, change: Any) -> Any:
    """An input with every opaque id in it changed."""
    if isinstance(value, dict):
        return {name: swapped(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [swapped(each, change) for each in value]
    return change(value) if isinstance(value, str) and parse_id(value) else value


def ids_in(value: Any) -> list[str]:
    """Every opaque id in an input."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    swapped(value, note)
    return found


def leaves(value: Any) -> set[str]:
    """Every text in an answer."""
    if isinstance(value, dict):
        return set().union(*(leaves(each) for name, each in value.items() if name != "__typename"), set())
    if isinstance(value, list):
        return set().union(*(leaves(each) for each in value), set())
    return {value} if isinstance(value, str) and len(value) > 5 else set()


@asynccontextmanager
async def a_world(cluster: Cluster, homes: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world in a database of its own."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    async with open_world(database, homes.mktemp("world")) as world:
        yield world
    await database.close()
    cluster.drop(logins)


@asynccontextmanager
async def open_world(database: Database, data_dir: Path) -> AsyncIterator[World]:
    """Four merchants in the same state, told apart by names and prices, and one of them suspended at the end."""
    async with open_mall(database, data_dir) as mall:
        await _watch(database)
        victim = await furnished(mall, "victim", "83947.61")
        rival = await furnished(mall, "rival", "51.20")
        asleep = await furnished(mall, "asleep", "60318.97")
        audited = await furnished(mall, "audited", "7712.39")
        world = World(mall, victim, rival, asleep, audited)
        await _people(world)
        async with database.write("test") as tx, tx.as_platform() as session:
            await merchants.set_status(session, "asleep", "suspended", an_act())
        await _noticed(world, Asker("suspended", asleep.owner, "asleep"))
        await _logged(world)
        await _forgotten(world)
        yield world


async def _logged(world: World) -> None:
    """Everything is in the public log, and for each merchant another leaf waits."""
    database = world.mall.database
    await sequence_all(database, LogKeys.from_seeds("mall.example/log", [bytes(32)]), world.mall.clock())
    for sphere in (world.victim, world.rival, world.asleep):
        waiting = {"kind": "audit_event", "event_id": uuid4(), "leaf": bytes(32), "booked_at": world.mall.clock()}
        async with database.write("test") as tx, tx.as_merchant(sphere.merchant.id) as session:
            await session.execute(insert(log_queue), waiting | {"merchant_id": sphere.merchant.id})


async def _forgotten(world: World) -> None:
    """It is known up to where each merchant's events are gone: none of them yet."""
    rows = [{"merchant_id": each.merchant.id, "seq": 0} for each in (world.victim, world.rival, world.asleep)]
    async with world.mall.database.write("test") as tx, tx.as_platform() as session:
        await session.execute(insert(outbox_pruned), rows)


async def _watch(database: Database) -> None:
    """Review rules that each merchant's orders pass, under titles that tell the merchants apart."""
    rules = [
        {
            "name": f"large-{name}",
            "title": f"A large order of the {name}",
            "subject": "order",
            "kind": "amount",
            "outcome": "flag",
            "sla_hours": 24,
            "above_minor": {"BRL": 10**12},
            "merchants": [name],
        }
        for name in ("victim", "rival", "asleep")
    ]
    async with database.write("test") as tx, tx.as_platform() as session:
        found = parse_rules({"name": "Standard", "rules": rules})
        await review_rules.install(session, found, NOON - timedelta(days=1), an_act())


async def _people(world: World) -> None:
    for role in MerchantRole:
        world.roles[role] = await world.mall.hire(f"{role}-person", world.victim.merchant, role)
    for platform_role in PlatformRole:
        world.platform_roles[platform_role] = await world.mall.appoint(f"{platform_role}-person", platform_role)
    await world.mall.hire("dismissed", world.victim.merchant, MerchantRole.MANAGER)
    reply = await world.send(Asker("manager", "dismissed", "victim"), "{ merchant { products { nodes { id } } } }")
    assert reply.body["data"]["merchant"], "the manager could read before being dismissed"
    account = await world.mall.account("dismissed")
    async with world.mall.database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account, world.victim.merchant.id, MerchantRole.MANAGER, an_act())
    await _noticed(world, Asker("dismissed", "dismissed", "victim"))


async def _noticed(world: World, asker: Asker) -> None:
    """Every process hears of a lost right by NOTIFY, a moment after the commit: on a busy machine, seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + NOTICE_SECONDS
    while loop.time() < deadline:
        if (await world.send(asker, "{ merchant { id } }")).status == 403:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{asker} was still let in {NOTICE_SECONDS} seconds after the right was taken away")


async def furnished(mall: Mall, name: str, price: str) -> Sphere:
    """A merchant with people, and things of its own for every mutation."""
    database = mall.database
    merchant = await a_merchant(database, name)
    made = Sphere(merchant, await mall.hire(f"{name}-owner", merchant, MerchantRole.OWNER), f"{name}-buyer", price)
    amount = int(price.replace(".", ""))
    shown = await a_product(
        database,
        merchant,
        title=f"{name} lantern",
        variants=[NewVariant(f"{name}-SKU-1", f"{name} size", {"BRL": amount}, 997)],
    )
    drafts = [
        await a_product(
            database,
            merchant,
            title=f"{name} secret {number}",
            variants=[NewVariant(f"{name}-DRAFT-{number}", f"{name} draft", {"BRL": amount + 11}, 13)],
            is_published=False,
        )
        for number in range(2)
    ]
    line = a_line(merchant, shown, 1, price)
    draft_id = encode_id("Product", merchant.id, drafts[0].id)
    variant_id = encode_id("Variant", merchant.id, drafts[0].variants[0].id)
    shown_id = encode_id("Product", merchant.id, shown.id)
    made.subjects |= {
        "productUpdate": {"productId": draft_id},
        "productPublish": {"productId": draft_id},
        "productUnpublish": {"productId": shown_id},
        "priceSet": {"variantId": variant_id, "price": {"amount": price, "currency": "BRL"}},
        "stockAdjust": {"variantId": variant_id},
        "checkoutQuote": {"cart": a_cart(line)},
        "draft": {"cart": a_cart(a_line(merchant, drafts[1], 1, str(price)))},
    }
    for mutation in ("staffGrant", "staffRevoke", "platformRoleGrant", "platformRoleRevoke"):
        made.subjects[mutation] = {"accountId": encode_id("Account", await mall.account(f"{name}-viewer"))}
    made.subjects["staffGrant"]["role"] = "ACCOUNTANT"
    made.subjects["buyerErase"] = {"accountId": encode_id("Account", await mall.account(made.buyer))}
    await mall.hire(f"{name}-viewer", merchant, MerchantRole.VIEWER)
    await place(mall, await a_guest(mall, f"{name}-guest"), line)
    made.subjects["guestCheckoutClaim"] = {"token": mall.token(f"{name}-guest")}
    await _orders(mall, made, line)
    await _cases(mall, made)
    await _payees(mall, made)
    subjects, made.statement_number, made.payout_number = await settle(mall, merchant, amount)
    made.subjects |= subjects
    await _coupons(mall, made)
    await _machines(mall, made)
    await add_reports(mall, made)
    await mall.notify()
    told = await mall.ask("{ viewer { notifications(first: 1) { nodes { id } } } }", who=made.buyer)
    made.subjects["notificationsMarkRead"] = {"ids": [told.data["viewer"]["notifications"]["nodes"][0]["id"]]}
    await add_webhooks(mall, made)
    return made


async def _cases(mall: Mall, made: Sphere) -> None:
    """One case for each mutation about cases, opened by the merchant's owner about an order."""
    merchant_id = made.merchant.id
    (order_key,) = (parse_id(made.subjects["orderCancel"]["orderId"]) or ("", ()))[1][1:]
    owner = an_act(f"staff:{await mall.account(made.owner)}")
    for mutation in ("caseComment", "caseAssign", "caseDecide"):
        evidence = [Fact("order", str(order_key), "Order"), Fact("said", f"{made.slug} never got {mutation}")]
        title = f"{made.slug} objects: {mutation}"
        new = NewCase(CaseKind.STATEMENT_OBJECTION, merchant_id, "Order", f"{order_key} {mutation}", title, evidence)
        async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
            case_id = await case.open_case(session, new, owner)
        made.subjects[mutation] = {"caseId": encode_id("Case", merchant_id, case_id)}
    made.subjects["caseAssign"]["accountId"] = encode_id("Account", await mall.account("admin-person"))


async def _payees(mall: Mall, made: Sphere) -> None:
    """One account for each mutation about accounts, in a currency of its own."""
    merchant_id, owner = made.merchant.id, an_act(f"staff:{await mall.account(made.owner)}")
    currencies = {"payeeAccountVerify": "EUR", "payeeAccountFlag": "USD", "payeeAccountUnflag": "GBP"}
    for mutation, currency in currencies.items():
        wallet = NewAccount(
            kind=PayeeKind.WALLET, currency=currency, holder=made.slug, wallet_id=f"{made.slug}@{currency}"
        )
        async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
            account = await payee.add_account(session, mall.tools.vault, wallet, uuid4(), owner)
            if mutation == "payeeAccountUnflag":
                reason = f"{made.slug}: the provider asks who this is"
                await payee.flag_account(session, account.id, reason, an_act())
        made.subjects[mutation] = {"payeeAccountId": encode_id("PayeeAccount", merchant_id, account.id)}


async def _coupons(mall: Mall, made: Sphere) -> None:
    """One coupon for each mutation about coupons; the one to resume is paused."""
    for mutation in ("couponPause", "couponResume", "couponEnd"):
        code = f"{made.slug}-{mutation}"
        coupon = (await create_coupon(mall, made.owner, made.merchant, code, percentBps=500))["coupon"]
        made.subjects[mutation] = {"couponId": coupon["id"]}
    await change_coupon(mall, made.owner, "couponPause", made.subjects["couponResume"]["couponId"], made.merchant.slug)
    code = f"{made.slug}-used"
    await create_coupon(mall, made.owner, made.merchant, code, percentBps=500)
    made.subjects["couponCodes"] = {"code": code}


async def _machines(mall: Mall, made: Sphere) -> None:
    """One token for each mutation about tokens: of the merchant, and of the platform."""
    maker = await mall.account(made.owner)
    sides = {"machineToken": (made.merchant.id, P.ORDER_READ), "platformMachineToken": (None, P.PLATFORM_REPORT_READ)}
    for name, (merchant_id, scope) in sides.items():
        for mutation in (f"{name}Rotate", f"{name}Revoke"):
            new = NewMachineToken(merchant_id, f"{made.slug}'s {mutation}", frozenset({scope}), None)
            async with mall.database.write("test") as tx, tx.as_platform() as session:
                token, _ = await machine_token.create(session, new, set(P), maker, an_act())
            made.subjects[mutation] = {"tokenId": encode_id("MachineToken", token.id)}


async def _orders(mall: Mall, made: Sphere, line: Any) -> None:
    """One order for each mutation about orders, and some that only lie there to be read."""
    bought = [(await buy(mall, made.buyer, line))["orders"][0] for _ in range(5)]
    to_ship, to_deliver, to_confirm, to_cancel, done = bought
    carrier = {"carrier": f"{made.slug} carrier", "trackingNumber": f"{made.slug}-track"}
    sent = await ship(mall, made.owner, made.merchant, to_deliver["id"], **carrier)
    for order in (to_confirm, done):
        await ship(mall, made.owner, made.merchant, order["id"], **carrier)
    await confirm(mall, made.buyer, done["id"])
    refunded = (await buy(mall, made.buyer, line))["orders"][0]
    given = {"orderId": refunded["id"], "reason": f"{made.slug} regrets", "idempotencyKey": str(uuid4())}
    cancelled = (await mall.ask(CANCEL, {"input": given}, who=made.buyer)).data["orderCancel"]
    assert cancelled["__typename"] == "OrderCancelled", cancelled
    to_refund = (await buy(mall, made.buyer, line))["orders"][0]
    refused = [await _refused_refund(mall, made, line) for _ in range(2)]
    unpaid = [(await place(mall, made.buyer, line))["checkout"] for _ in range(2)]
    quote = (await mall.ask(QUOTE, {"i": {"cart": a_cart(line, shipTo=ADDRESS)}}, who=made.buyer)).data
    made.order_number = done["number"]
    made.subjects |= {
        "orderAnnotate": {"orderId": to_confirm["id"]},
        "orderShipByExtend": {"orderId": to_ship["id"], "shipBy": "2026-12-24T12:00:00Z", "reason": "The glue dries."},
        "orderShip": {
            "orderId": to_ship["id"],
            "lines": [{"lineId": to_ship["lines"][0]["id"], "quantity": 1}],
        },
        "shipmentDeliver": {"shipmentId": sent["order"]["shipments"][0]["id"]},
        "orderConfirmReceipt": {"orderId": to_confirm["id"]},
        "orderCancel": {"orderId": to_cancel["id"]},
        **await _disputes(mall, made, line),
        "refundCreate": {"orderId": to_refund["id"]},
        "refundRetry": {"refundId": refused[0]},
        "refundMarkOffline": {"refundId": refused[1]},
        "refundResolve": {"refundId": await _unknown_refund(mall, made, line)},
        "checkoutPay": {
            "checkoutId": unpaid[0]["id"],
            "tenders": [{"method": "sandbox_approve", "amount": unpaid[0]["total"]}],
        },
        "checkoutCancel": {"checkoutId": unpaid[1]["id"]},
        "checkoutPlace": {"quoteId": quote["checkoutQuote"]["quoteId"]},
    }


async def _refused_refund(mall: Mall, made: Sphere, line: Any) -> str:
    """The id of a refund that the provider refuses."""
    checkout = (await place(mall, made.buyer, line))["checkout"]
    paid = await pay(mall, made.buyer, checkout, "sandbox_refund_fail")
    assert paid["__typename"] == "CheckoutPaid", paid
    given = {
        "orderId": checkout["orders"][0]["id"],
        "amount": {"amount": "1.00", "currency": "BRL"},
        "reason": f"{made.slug} was late",
    }
    made_refund = await refund(mall, made.owner, made.merchant, **given)
    await mall.work()
    refund_id: str = made_refund["refund"]["id"]
    return refund_id


async def _unknown_refund(mall: Mall, made: Sphere, line: Any) -> str:
    """The id of a refund of which its provider said nothing; nobody asks it again."""
    ordered = (await buy(mall, made.buyer, line))["orders"][0]
    amount = {"amount": "1.00", "currency": "BRL"}
    done = await refund(
        mall, made.owner, made.merchant, orderId=ordered["id"], amount=amount, reason=f"{made.slug} forgot a piece"
    )
    refund_id: str = done["refund"]["id"]
    (key,) = (parse_id(refund_id) or ("", ()))[1][2:]
    merchant_id, silence = made.merchant.id, Outcome(ChargeStatus.UNKNOWN, reason=f"{made.slug} was not answered")
    async with mall.database.write("test") as tx:
        await refund_sending.hear(tx, merchant_id, key, silence, an_act(at=mall.clock()))
        async with tx.as_merchant(merchant_id) as session:
            await queue.dequeue(session, merchant_id, JobKind.REFUND_SEND, key)
    return refund_id


async def _disputes(mall: Mall, made: Sphere, line: Any) -> dict[str, dict[str, Any]]:
    """Orders that arrived: one to be returned, one to be charged back, and returns and chargebacks of others."""
    merchant_id, act = made.merchant.id, an_act(f"buyer:{await mall.account(made.buyer)}", at=mall.clock())
    arrived = [(await buy(mall, made.buyer, line))["orders"][0] for _ in range(9)]
    for order in arrived:
        await ship(mall, made.owner, made.merchant, order["id"], carrier="Correios", trackingNumber="BR1")
        await confirm(mall, made.buyer, order["id"])
    to_return, to_charge_back, *others = arrived
    subjects: dict[str, dict[str, Any]] = {
        "returnRequest": {
            "orderId": to_return["id"],
            "lines": [{"lineId": to_return["lines"][0]["id"], "quantity": 1}],
        },
        "chargebackOpen": {"orderId": to_charge_back["id"]},
        "debtWriteOffPropose": {"merchantId": encode_id("MerchantRecord", merchant_id)},
    }
    for mutation, order in zip(
        ("returnWithdraw", "returnApprove", "returnReject", "returnReceive"), others[:4], strict=True
    ):
        order_id, line_id = (parse_id(text)[1][-1] for text in (order["id"], order["lines"][0]["id"]))  # type: ignore[index]
        new = NewReturn(order_id, {line_id: 1}, f"{made.slug} regrets {mutation}")
        async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
            await return_request.request(session, new, act)
            if mutation == "returnReceive":
                await return_request.approve(session, new.id, None, act)
        subjects[mutation] = {"returnId": encode_id("ReturnRequest", merchant_id, new.id)}
    owed = entries.adjustment(-100, "EUR", occurred_at=mall.clock(), details={"reason": "a debt"})
    async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        await ledger.book(session, owed, act, entries.platform_side(owed, earned=True))
    for mutation, order in zip(("chargebackLose", "chargebackWin", "chargebackRespond"), others[4:], strict=True):
        order_id = parse_id(order["id"])[1][-1]  # type: ignore[index]
        opened = NewChargeback(order_id, f"{made.slug}-{mutation}", 100, f"{made.slug} sent nothing")
        async with mall.database.write("test") as tx:
            await chargeback.open_(tx, merchant_id, opened, act)
        subjects[mutation] = {"chargebackId": encode_id("Chargeback", merchant_id, opened.id)}
    return subjects
