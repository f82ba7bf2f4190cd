"""Random stories told to the mall and to the model: after each step both say the same, and no law is broken."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from merchantry.domain.payout import Word
from merchantry.domain.refund import Asked
from tenancy.database import Database
from tests.builders import NOON
from tests.cluster import Cluster
from tests.model.plain import COMPLETES_AFTER, HOLD, PlainMerchant, PlainOrder, PlainPayout
from tests.model.world import World, a_world

T = TypeVar("T")
picks = st.integers(0, 10**6)
WEEK = timedelta(days=7)
FIRST_BOUNDARY = (NOON + WEEK).replace(hour=0)
"""NOON is a Monday's; periods end on Mondays at midnight in UTC."""


class MallMachine(RuleBasedStateMachine):
    """One story. ``steps`` counts the steps of all stories that changed something, by what they did."""

    cluster: ClassVar[Cluster]
    loop: ClassVar[asyncio.AbstractEventLoop]
    steps: ClassVar[Counter[str]] = Counter()

    @initialize()
    def open(self) -> None:
        """A new mall of two merchants, in a database of its own."""
        self.logins = self.cluster.clone()
        self.world: World = self.run(a_world(Database(self.logins, pool_size=6)))
        self.model = {merchant.id: PlainMerchant(merchant.id) for merchant in self.world.merchants}
        self.boundary = FIRST_BOUNDARY
        self.has_changed, self.time_has_passed, self.is_settled = True, False, False

    def teardown(self) -> None:
        """The story is over."""
        if hasattr(self, "world"):
            self.run(self.world.database.close())
            self.cluster.drop(self.logins)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it happen."""
        return self.loop.run_until_complete(work)

    def did(self, what: str) -> None:
        """A step that changed something."""
        self.steps[what] += 1
        self.has_changed = True
        self.time_has_passed = self.is_settled = False

    def orders(self, *statuses: str) -> list[tuple[PlainMerchant, PlainOrder]]:
        """All orders in one of these statuses."""
        return [
            (merchant, each)
            for merchant in self.model.values()
            for each in merchant.orders.values()
            if each.status in statuses
        ]

    def transfers(self, *statuses: str) -> list[tuple[PlainMerchant, Any, PlainPayout]]:
        """All payouts in one of these statuses."""
        return [
            (merchant, payout_id, each)
            for merchant in self.model.values()
            for payout_id, each in merchant.payouts.items()
            if each.status in statuses
        ]

    @rule(
        quantity=st.integers(1, 3),
        price=st.integers(1, 40_000),
        shipping=st.integers(0, 3_000),
        merchants=st.sampled_from([(0,), (1,), (0, 1)]),
    )
    def buy(self, quantity: int, price: int, shipping: int, merchants: tuple[int, ...]) -> None:
        """A checkout of one or both merchants, captured."""
        wanted = [(self.world.merchants[at].id, quantity, price + at, shipping) for at in merchants]
        given = {merchant_id: rest for merchant_id, *rest in wanted}
        for merchant_id, order_id, line_id in self.run(self.world.buy(wanted)):
            pieces, unit, charge = given[merchant_id]
            made = PlainOrder(order_id, line_id, pieces, pieces * unit, charge)
            self.model[merchant_id].capture(made)
        self.did("capture of several merchants" if len(merchants) > 1 else "capture")

    @precondition(lambda self: self.orders("to_ship"))
    @rule(pick=picks)
    def ship(self, pick: int) -> None:
        """One parcel leaves."""
        merchant, chosen = _one(self.orders("to_ship"), pick)
        self.run(self.world.ship(merchant.id, chosen.id))
        chosen.status, chosen.shipped_at = "shipped", self.world.now
        self.did("ship")

    @precondition(lambda self: self.orders("shipped"))
    @rule(pick=picks)
    def confirm(self, pick: int) -> None:
        """The buyer says that everything has come; the hold begins."""
        merchant, chosen = _one(self.orders("shipped"), pick)
        self.run(self.world.confirm(merchant.id, chosen.id))
        chosen.status, chosen.completed_at = "completed", self.world.now
        self.did("completion")

    @precondition(lambda self: not self.time_has_passed)
    @rule(hours=st.integers(1, 24 * 9))
    def pass_time(self, hours: int) -> None:
        """Time passes, and what falls due is done by workers."""
        self.run(self.world.pass_time(timedelta(hours=hours)))
        self._release_what_is_due()
        self.did("time passing")
        self.time_has_passed = True

    def _release_what_is_due(self) -> None:
        for _, each in self.orders("shipped"):
            if each.shipped_at is not None and each.shipped_at + COMPLETES_AFTER <= self.world.now:
                each.status, each.completed_at = "completed", each.shipped_at + COMPLETES_AFTER
                self.steps["completion by silence"] += 1
        for merchant, each in self.orders("completed"):
            if each.completed_at is not None and not each.is_released and each.completed_at + HOLD <= self.world.now:
                merchant.release(each, each.completed_at + HOLD)
                self.steps["release"] += 1
        for merchant in self.model.values():
            merchant.move("refunds", "buyer_funds", merchant.accounts["refunds"])

    @rule(prices=st.lists(st.integers(1, 40_000), min_size=1, max_size=3), pick=picks)
    def trade_for_a_week(self, prices: list[int], pick: int) -> None:
        """Orders go all the way, and their week is settled, so that stories get as far as payouts."""
        for price in prices:
            merchants = ((0,), (0, 1))[pick % 2]
            self._step(self.buy, quantity=1 + pick % 3, price=price, shipping=pick % 2_000, merchants=merchants)
        while self.orders("to_ship"):
            self._step(self.ship, pick=0)
        while self.orders("shipped"):
            self._step(self.confirm, pick=0)
        self._step(self.pass_time, hours=24 * 8)
        self._step(self.settle, at_once=1)

    def _step(self, step: Callable[..., None], **given: object) -> None:
        step(**given)
        self.everything_agrees()

    @precondition(lambda self: not self.is_settled)
    @rule(at_once=st.sampled_from([1, 1, 3]))
    def settle(self, at_once: int) -> None:
        """A run, or three at once."""
        before = {merchant_id: self.run(self.world.payouts(merchant_id)) for merchant_id in self.model}
        self.run(self.world.settle(at_once))
        expected: dict[Any, list[int]] = {merchant_id: [] for merchant_id in self.model}
        while self.boundary <= self.world.now:
            for merchant in self.model.values():
                if paid := merchant.close(self.boundary):
                    expected[merchant.id].append(paid)
            self.boundary += WEEK
        for merchant in self.model.values():
            after = self.run(self.world.payouts(merchant.id))
            planned = {key: amount for key, amount in after.items() if key not in before[merchant.id]}
            assert list(planned.values()) == expected[merchant.id], "each period pays what it closed with"
            merchant.payouts |= {key: PlainPayout(amount) for key, amount in planned.items()}
            self.steps["payout planned"] += len(planned)
        self.did("settlement" if at_once == 1 else "settlements at once")
        self.is_settled = True

    @precondition(lambda self: self.refundable())
    @rule(
        pick=picks,
        pieces=st.integers(0, 3),
        shipping=st.integers(0, 3_000),
        goodwill=st.one_of(st.just(0), st.integers(1, 20_000)),
        at_once=st.sampled_from([1, 1, 2]),
    )
    def refund(self, pick: int, pieces: int, shipping: int, goodwill: int, at_once: int) -> None:
        """Some pieces, some shipping, something for goodwill; twice at once, each as far as it still fits."""
        merchant, chosen = _one(self.refundable(), pick)
        asked = Asked({chosen.line_id: pieces} if pieces else {}, shipping, goodwill)
        done = self.run(self.world.refund(merchant.id, chosen.id, asked, at_once))
        fits = 0
        for _ in range(at_once):
            fits += merchant.refund_asked(chosen, pieces, shipping, goodwill, self.world.now)
        assert sum(isinstance(each, UUID) for each in done) == fits, done
        if not fits:
            return
        self.did(f"refund of {'all' if not chosen.left else 'a part'} {self._when(chosen)}")
        self.steps["refunds at once"] += at_once - 1

    def _when(self, chosen: PlainOrder) -> str:
        return "after its release" if chosen.is_released else "before its release"

    def refundable(self) -> list[tuple[PlainMerchant, PlainOrder]]:
        """Orders of which something is left."""
        return [(merchant, each) for merchant, each in self.orders("to_ship", "shipped", "completed") if each.left]

    @precondition(lambda self: self.refundable())
    @rule(pick=picks)
    def refund_everything(self, pick: int) -> None:
        """All that is left of an order."""
        merchant, chosen = _one(self.refundable(), pick)
        when = self._when(chosen)
        [done] = self.run(self.world.refund(merchant.id, chosen.id, None))
        assert isinstance(done, UUID), done
        merchant.refund(
            chosen,
            chosen.goods - chosen.refunded_goods,
            chosen.shipping - chosen.refunded_shipping,
            self.world.now,
        )
        chosen.refunded_pieces, chosen.status = chosen.quantity, "refunded"
        self.did(f"refund of all {when}")

    @precondition(lambda self: self.orders("to_ship"))
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """An order that has not shipped is called off."""
        merchant, chosen = _one(self.orders("to_ship"), pick)
        if chosen.refunded_pieces:
            return
        self.run(self.world.cancel(merchant.id, chosen.id))
        merchant.refund(
            chosen,
            chosen.goods - chosen.refunded_goods,
            chosen.shipping - chosen.refunded_shipping,
            self.world.now,
        )
        chosen.refunded_pieces, chosen.status = chosen.quantity, "cancelled"
        self.did("cancellation")

    @precondition(lambda self: self.transfers("planned", "sent", "unknown"))
    @rule(
        pick=picks,
        word=st.sampled_from([Word.PAID, Word.PAID, Word.ACCEPTED, Word.REJECTED, Word.NOTHING]),
        at_once=st.sampled_from([1, 3]),
    )
    def answer(self, pick: int, word: Word, at_once: int) -> None:
        """The provider says something of a payout, once or three times at once; or nothing at all."""
        merchant, payout_id, chosen = _one(self.transfers("planned", "sent", "unknown"), pick)
        self.run(self.world.hear(merchant.id, payout_id, [word], at_once))
        if word is Word.PAID:
            merchant.move("in_payout", "paid_out", chosen.amount)
        outcome = {Word.PAID: "paid", Word.ACCEPTED: "sent", Word.REJECTED: "failed", Word.NOTHING: "unknown"}[word]
        stays = chosen.status == "sent" and word is Word.NOTHING
        chosen.status = "sent" if stays else outcome
        self.did(f"payout {chosen.status}")

    @precondition(lambda self: self.transfers("paid"))
    @rule(pick=picks)
    def bank_return(self, pick: int) -> None:
        """Paid money comes back; nothing more is paid to that account."""
        merchant, payout_id, chosen = _one(self.transfers("paid"), pick)
        self.run(self.world.hear(merchant.id, payout_id, [Word.RETURNED], 2))
        merchant.move("paid_out", "merchant_available", chosen.amount, self.world.now)
        merchant.can_be_paid = False
        chosen.status = "returned"
        self.did("payout returned")

    @invariant()
    def everything_agrees(self) -> None:
        """Balances, statuses and statements are the model's, and no law of the books is broken."""
        if not getattr(self, "has_changed", False):
            return
        self.has_changed = False
        for merchant in self.model.values():
            assert self.run(self.world.balances(merchant.id)) == merchant.balances()
            statuses = {key: each.status for key, each in merchant.payouts.items()}
            assert self.run(self.world.statuses(merchant.id)) == statuses
            assert self.run(self.world.statements(merchant.id)) == merchant.statements
        assert self.run(self.world.broken()) == []


def _one(candidates: list[T], pick: int) -> T:
    return candidates[pick % len(candidates)]
