"""Webhooks over a real database and a real receiver: signed, in order, until they arrive, and only what is true."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from standardwebhooks import WebhookVerificationError

from graphql_api.facts import facts_of, presented
from merchantry.domain.event import EventKind
from merchantry.domain.permission import Permission
from merchantry.domain.webhook import RETRIES, DeliveryStatus, DisabledBy, EndpointStatus
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.webhook import Reach, WebhookSender
from merchantry.jobs import webhooks as jobs
from merchantry.jobs.telling import tell_all
from merchantry.jobs.tools import Tools, Webhooks
from merchantry.services import keys, outbox, webhook, webhook_delivery
from merchantry.services.vault import Vault
from merchantry.services.webhook import Endpoint, Wanted
from merchantry.services.webhook_delivery import Attempt, Delivery, Sought
from merchantry.tables.outbox import outbox as events
from merchantry.tables.platform import NOBODY
from merchantry.tables.webhook import webhook_secret
from tenancy.database import Database, Transaction
from tests.builders import a_merchant, a_vault, an_act
from tests.jobs import receiver as behaviour
from tests.jobs.receiver import Receiver, receiving

STOCK = EventKind.STOCK_ADJUSTED
EVERYTHING = frozenset(Permission)


@dataclass
class Post:
    """A merchant with an endpoint at a receiver, and a worker; ``now`` is what the clock shows, else the real time."""

    database: Database
    receiver: Receiver
    merchant_id: UUID
    vault: Vault = field(default_factory=a_vault)
    ahead: timedelta = timedelta(0)
    reach: Reach = field(default_factory=lambda: Reach(allows_private=True))
    secret: str = ""
    endpoint_id: UUID = NOBODY

    def now(self) -> datetime:
        """The clock."""
        return datetime.now(UTC) + self.ahead

    @property
    def tools(self) -> Tools:
        """The real adapters."""
        return Tools(self.database, Sandbox(self.database, self.now, ""), self.now, self.vault)

    @property
    def webhooks(self) -> Webhooks:
        """To one's own machine."""
        return Webhooks(self.reach, presented)

    async def an_endpoint(self, *kinds: EventKind, url: str | None = None, of: UUID | None = None) -> tuple[UUID, str]:
        """A new endpoint, of the merchant unless told otherwise, and its secret."""
        wanted = Wanted(url or self.receiver.url, "an ERP", frozenset(kinds) or None)
        async with self.database.write("test") as tx, self.session(tx, of) as session:
            made, secret = await webhook.create(session, self.vault, wanted, EVERYTHING, self.act())
        return made.id, secret

    def session(self, tx: Transaction, of: UUID | None = None) -> Any:
        """As the merchant, or, for NOBODY, as the platform."""
        owner = of or self.merchant_id
        return tx.as_platform() if owner == NOBODY else tx.as_merchant(owner)

    def act(self) -> Any:
        """The merchant's owner, now."""
        return an_act("staff:owner", self.now())

    async def happen(self, *numbers: int, of: UUID | None = None) -> None:
        """Events, each of a transaction of its own, and numbered."""
        for number in numbers:
            async with self.database.write("test") as tx, tx.as_merchant(of or self.merchant_id) as session:
                await outbox.publish(session, STOCK, {"variant": uuid4(), "on_hand": number}, self.act())
        await tell_all(self.database)

    async def send(self, **ahead: float) -> int:
        """Time passes, and a worker sends what is due."""
        self.ahead += timedelta(**ahead)
        return await jobs.send_due(self.tools, self.webhooks)

    async def deliveries(self, of: UUID | None = None, **sought: Any) -> list[Delivery]:
        """All of them, the oldest first."""
        async with self.database.read("test") as tx, self.session(tx, of) as session:
            found = await webhook_delivery.deliveries(session, Sought(**sought), 1_000, None)
        return found[::-1]

    async def attempts(self, delivery_id: UUID) -> list[Attempt]:
        """Of one delivery."""
        async with self.database.read("test") as tx, self.session(tx) as session:
            found = await webhook_delivery.attempts_of(session, [delivery_id])
        return found.get(delivery_id, [])

    async def endpoint(self) -> Endpoint:
        """The merchant's."""
        async with self.database.read("test") as tx, self.session(tx) as session:
            return await webhook.find(session, self.endpoint_id)

    @property
    def numbers(self) -> list[int]:
        """Which events came, in the order in which they came."""
        return [each.content["data"]["on_hand"] for each in self.receiver.got]


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    async with receiving() as receiver:
        made = Post(database, receiver, (await a_merchant(database)).id)
        await tell_all(database)
        made.endpoint_id, made.secret = await made.an_endpoint()
        yield made


async def test_an_event_comes_signed_with_its_id_and_says_what_the_api_says(post: Post) -> None:
    await post.happen(1)
    assert await post.send() == 1
    (got,) = post.receiver.got
    content = got.verify(post.secret)
    async with post.database.read("test") as tx, tx.as_platform() as session:
        (event,) = await outbox.read(session, 0, merchant_id=post.merchant_id, kinds=[STOCK])
    assert got.id == str(event.id)
    assert content["type"] == "stock.adjusted"
    assert content["data"] == facts_of(event)
    assert content["version"] == 1
    assert datetime.fromisoformat(content["timestamp"]) - event.occurred_at < timedelta(milliseconds=1)
    assert "merchant" not in content
    assert (got.path, got.headers["host"]) == ("/hook", f"127.0.0.1:{post.receiver.port}")
    (delivery,) = await post.deliveries()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)
    assert await post.send(days=3) == 0


async def test_events_come_in_the_order_in_which_they_are_told(post: Post) -> None:
    await post.happen(*range(60))
    assert await post.send() == 60
    assert post.numbers == list(range(60))


async def test_what_was_rolled_back_is_sent_to_nobody(post: Post) -> None:
    async def change_ones_mind() -> None:
        async with post.database.write("test") as tx, tx.as_merchant(post.merchant_id) as session:
            await outbox.publish(session, STOCK, {"variant": uuid4(), "on_hand": 1}, post.act())
            raise RuntimeError("changed its mind")

    with pytest.raises(RuntimeError):
        await change_ones_mind()
    await tell_all(post.database)
    await post.happen(2)
    await post.send()
    assert post.numbers == [2]


async def test_an_endpoint_gets_its_merchants_events_of_its_kinds_from_its_making_on(post: Post) -> None:
    rival = (await a_merchant(post.database)).id
    await tell_all(post.database)
    await post.happen(1)
    picky, _ = await post.an_endpoint(EventKind.ORDER_PAID)
    late, _ = await post.an_endpoint(STOCK)
    theirs, _ = await post.an_endpoint(of=rival)
    await post.happen(2)
    await post.happen(3, of=rival)
    await post.send()
    by_endpoint = {post.endpoint_id: 2, picky: 0, late: 1}
    for endpoint_id, count in by_endpoint.items():
        assert len(await post.deliveries(endpoint_id=endpoint_id)) == count
    assert len(await post.deliveries(rival, endpoint_id=theirs)) == 1
    assert await post.deliveries(rival, endpoint_id=post.endpoint_id) == []
    assert sorted(post.numbers) == [1, 2, 2, 3]


async def test_the_platforms_endpoint_gets_everybodys_events_and_whose_they_are(post: Post) -> None:
    endpoint_id, secret = await post.an_endpoint(STOCK, of=NOBODY)
    await post.happen(1)
    await post.send()
    (got,) = [each for each in post.receiver.got if "merchant" in each.content]
    assert got.verify(secret)["data"]["on_hand"] == 1
    assert len(await post.deliveries(NOBODY, endpoint_id=endpoint_id)) == 1
    with pytest.raises(WebhookVerificationError):
        got.verify(post.secret)


FAILURES = {
    "500": (behaviour.status(500, b"no"), 500, None, "no"),
    "404": (behaviour.status(404), 404, None, ""),
    "dropped": (behaviour.dropped, None, "connection", None),
    "silent": (behaviour.silent, None, "no answer within", None),
    "gibberish": (behaviour.gibberish, None, "without an answer", None),
    "endless": (behaviour.endless, 500, None, "x" * 1024),
    "binary": (behaviour.status(503, b"\x00\x1b[31m\xff"), 503, None, "�"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_is_written_down_and_tried_again_under_the_same_id(
    post: Post, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _patience(monkeypatch, 0.3)
    behave, status, error, response = FAILURES[name]
    post.receiver.plan = [behave]
    await post.happen(1)
    await post.send()
    (delivery,) = await post.deliveries()
    (attempt,) = await post.attempts(delivery.id)
    assert (delivery.status, attempt.status) == (DeliveryStatus.WAITING, status)
    assert (attempt.error is None) if error is None else (error in (attempt.error or ""))
    if response is not None:
        assert (attempt.response or "").startswith(response)
    assert len(attempt.response or "") <= 1024
    assert await post.send() == 0
    assert await post.send(seconds=7) == 1
    one, two = post.receiver.got
    assert one.id == two.id
    assert one.body == two.body
    (delivery,) = await post.deliveries()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 2)
    assert [each.number for each in await post.attempts(delivery.id)] == [1, 2]


async def test_a_redirect_is_a_failure_and_nobody_goes_where_it_leads(post: Post) -> None:
    async with receiving() as inside:
        post.receiver.plan = [behaviour.status(code, location=inside.url) for code in (301, 302, 303, 307, 308)]
        await post.happen(1, 2, 3, 4, 5)
        await post.send()
        assert inside.got == []
    first = (await post.deliveries())[0]
    assert [(each.status, each.error) for each in await post.attempts(first.id)] == [
        (301, "redirects are not followed")
    ]


async def test_a_success_that_breaks_off_is_a_success(post: Post) -> None:
    post.receiver.plan = [behaviour.broken_off]
    await post.happen(1)
    await post.send()
    (delivery,) = await post.deliveries()
    assert delivery.status is DeliveryStatus.DELIVERED


async def test_one_that_fails_does_not_stop_the_later_ones(post: Post) -> None:
    post.receiver.plan = [behaviour.status(500)]
    await post.happen(1, 2, 3)
    await post.send()
    assert post.numbers == [1, 2, 3]
    await post.send(seconds=7)
    assert post.numbers == [1, 2, 3, 1]


async def test_a_dead_receiver_is_left_alone_more_and_more_and_gets_all_in_order_when_it_is_back(post: Post) -> None:
    post.receiver.usual = behaviour.status(502)
    await post.happen(*range(20))
    await post.send()
    assert post.numbers == [0, 1, 2, 3, 4], "after five failures in a row the endpoint is paused"
    await post.send(seconds=4)
    assert len(post.receiver.got) == 5
    await post.send(seconds=2)
    assert len(post.receiver.got) == 6, "one is tried, and the pause is longer"
    post.receiver.usual = behaviour.status(204)
    post.receiver.got.clear()
    await post.send(seconds=11)
    await post.send(minutes=10)
    firsts = [number for number in post.numbers if number >= 6]
    assert firsts == sorted(firsts)
    assert {each.status for each in await post.deliveries()} == {DeliveryStatus.DELIVERED}


async def test_after_the_last_retry_it_is_given_up_and_can_be_asked_for_again(post: Post) -> None:
    post.receiver.plan = [behaviour.status(500)] * (1 + len(RETRIES))
    await post.happen(1)
    await post.send()
    for wait in RETRIES:
        assert await post.send(seconds=wait.total_seconds() * 1.21 + 600) == 1
    (delivery,) = await post.deliveries()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.FAILED, 10)
    assert await post.send(days=1) == 0
    async with post.database.write("test") as tx, post.session(tx) as session:
        assert await webhook_delivery.replay_failed(session, post.endpoint_id, post.now(), post.act()) == 0
        since = post.now() - timedelta(days=30)
        assert await webhook_delivery.replay_failed(session, post.endpoint_id, since, post.act()) == 1
        assert await webhook_delivery.replay_failed(session, post.endpoint_id, since, post.act()) == 0
    assert await post.send(minutes=20) == 1
    assert len({got.id for got in post.receiver.got}) == 1
    (delivery,) = await post.deliveries()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 11)
    async with post.database.write("test") as tx, post.session(tx) as session:
        await webhook_delivery.replay(session, delivery.id, post.act())
    await post.send()
    assert len(post.receiver.got) == 12


async def test_410_disables_an_endpoint_and_tells_its_merchant(post: Post) -> None:
    post.receiver.plan = [behaviour.status(410)]
    await post.happen(1, 2)
    await post.send()
    assert post.numbers == [1]
    endpoint = await post.endpoint()
    assert (endpoint.status, endpoint.disabled_by) == (EndpointStatus.DISABLED, DisabledBy.GONE)
    async with post.database.read("test") as tx, tx.as_merchant(post.merchant_id) as session:
        kinds = (await session.execute(select(events.c.kind))).scalars().all()
    assert kinds.count("webhook_endpoint.disabled") == 1
    await post.happen(3)
    await post.send(days=1)
    assert post.numbers == [1]
    async with post.database.write("test") as tx, post.session(tx) as session:
        await webhook.enable(session, post.endpoint_id, post.act())
    await post.happen(4)
    await post.send()
    assert sorted(post.numbers) == [1, 1, 2, 4], "what waited is sent, what happened meanwhile is not"


async def test_only_failures_for_five_days_disable_an_endpoint_one_success_in_between_does_not(post: Post) -> None:
    post.receiver.usual = behaviour.status(500)
    await post.happen(1)
    await post.send()
    await post.happen(2)
    await post.send(days=4)
    assert (await post.endpoint()).status is EndpointStatus.ENABLED
    post.receiver.plan = [behaviour.status(200)]
    await post.send(minutes=10)
    await post.send(days=2)
    assert (await post.endpoint()).status is EndpointStatus.ENABLED
    await post.happen(3)
    await post.send(days=3)
    await post.happen(4)
    await post.send(days=3)
    endpoint = await post.endpoint()
    assert (endpoint.status, endpoint.disabled_by) == (EndpointStatus.DISABLED, DisabledBy.FAILING)


async def test_both_secrets_sign_while_they_overlap_and_the_new_one_alone_afterwards(post: Post) -> None:
    async with post.database.write("test") as tx, post.session(tx) as session:
        _, anew = await webhook.rotate_secret(session, post.vault, post.endpoint_id, timedelta(hours=1), post.act())
    await post.happen(1)
    await post.send()
    (got,) = post.receiver.got
    assert got.headers["webhook-signature"].count("v1,") == 2
    assert got.verify(post.secret) == got.verify(anew)
    async with post.database.write("test") as tx, post.session(tx) as session:
        await session.execute(
            update(webhook_secret)
            .where(webhook_secret.c.expires_at.is_not(None))
            .values(expires_at=post.now() - timedelta(seconds=1))
        )
    await post.happen(2)
    await post.send()
    latest = post.receiver.got[-1]
    latest.verify(anew)
    with pytest.raises(WebhookVerificationError):
        latest.verify(post.secret)


async def test_secrets_are_kept_sealed_and_are_sealed_anew_with_a_new_key(post: Post) -> None:
    async def stored() -> list[bytes]:
        async with post.database.read("test") as tx, tx.as_platform() as session:
            return [bytes(row.sealed) for row in await session.execute(select(webhook_secret.c.sealed))]

    (before,) = await stored()
    assert post.secret.removeprefix("whsec_").encode() not in before
    async with post.database.write("test") as tx, post.session(tx) as session:
        await keys.renew(session, post.vault, post.now() + timedelta(seconds=1), post.act())
        await keys.re_encrypt_webhooks(session, post.vault)
    (after,) = await stored()
    assert after != before
    await post.happen(1)
    await post.send()
    post.receiver.got[0].verify(post.secret)


async def test_a_test_is_sent_once_and_does_not_count_against_the_endpoint(post: Post) -> None:
    post.receiver.plan = [behaviour.status(500)]
    async with post.database.write("test") as tx, post.session(tx) as session:
        first = await webhook_delivery.test(session, post.endpoint_id, "the name", post.act())
        again = await webhook_delivery.test(session, post.endpoint_id, "the name", post.act())
    assert first == again
    await post.send()
    await post.send(days=1)
    (got,) = post.receiver.got
    assert got.content["type"] == "webhook.test"
    assert got.content["data"] == {"webhook_endpoint": "the name"}
    (delivery,) = await post.deliveries()
    assert delivery.status is DeliveryStatus.FAILED
    assert (await post.endpoint()).failing_since is None


async def test_many_workers_at_once_send_each_event_once_and_in_order(post: Post) -> None:
    await post.happen(*range(40))
    stop = asyncio.Event()
    others = [
        asyncio.ensure_future(jobs.send_forever(post.tools, post.webhooks, stop, poll_seconds=0.01)) for _ in range(4)
    ]
    async with asyncio.timeout(30):
        while len(post.receiver.got) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*others)
    assert post.numbers == list(range(40))
    assert {each.status for each in await post.deliveries()} == {DeliveryStatus.DELIVERED}


async def test_a_worker_whose_lease_was_taken_over_writes_nothing_down(post: Post) -> None:
    await post.happen(1)
    started, answered = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        started.set()
        await answered.wait()
        await behaviour.status(500)(writer)

    post.receiver.plan = [slow]
    first = asyncio.ensure_future(jobs.send_due(post.tools, post.webhooks))
    await started.wait()
    assert await post.send(seconds=61) == 1
    answered.set()
    await first
    (delivery,) = await post.deliveries()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)
    assert len({got.id for got in post.receiver.got}) == 1


async def test_old_deliveries_are_forgotten_with_their_attempts(post: Post) -> None:
    await post.happen(1)
    await post.send()
    post.ahead += timedelta(days=29)
    assert await jobs.prune(post.tools, post.webhooks) == 0
    await post.happen(2)
    await post.send()
    post.ahead += timedelta(days=2)
    assert await jobs.prune(post.tools, post.webhooks) == 1
    (delivery,) = await post.deliveries()
    assert len(await post.attempts(delivery.id)) == 1


async def test_a_deleted_or_disabled_endpoint_is_sent_nothing_even_of_what_waits(post: Post) -> None:
    await post.happen(1)
    await jobs.divide(post.tools, post.webhooks)
    async with post.database.write("test") as tx, post.session(tx) as session:
        await webhook.disable(session, post.endpoint_id, "for a while", post.act())
    assert await post.send() == 0
    async with post.database.write("test") as tx, post.session(tx) as session:
        await webhook.remove(session, post.endpoint_id, post.act())
    await post.happen(2)
    assert await post.send() == 0
    assert await post.deliveries() == []


async def test_a_name_that_turns_inward_after_it_was_given_is_not_connected_to(post: Post) -> None:
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    reach = Reach(resolve=rebinding)
    url = f"https://rebind.example.com:{post.receiver.port}/hook"
    await reach.check(url)
    post.reach = reach
    async with WebhookSender.opened(reach) as sender:
        answer = await sender.send(url, b"{}", {})
    assert answers == []
    assert "not one of the public internet" in (answer.error or "")
    assert post.receiver.got == []


def _patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """As little as a test has."""
    opened = WebhookSender.opened
    monkeypatch.setattr(WebhookSender, "opened", lambda reach: opened(reach, total_seconds=seconds))
