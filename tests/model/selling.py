"""What happens until an order's money is available: checkouts, parcels, confirmations, and time."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.plain import COMPLETES_AFTER, PlainMerchant, PlainOrder
from tests.model.story import Story, one_of, picks, some_at_once

LONG = 24 * 31
"""Hours after which an order completes by itself."""


class Selling(Story):
    """Orders, from checkout to release."""

    @rule(
        quantity=st.integers(1, 3),
        price=st.integers(1, 40_000),
        shipping=st.integers(0, 3_000),
        merchants=st.sampled_from([(0,), (1,), (0, 1)]),
        at_once=some_at_once,
    )
    def buy(self, quantity: int, price: int, shipping: int, merchants: tuple[int, ...], at_once: int = 1) -> None:
        """A checkout of one or both merchants, captured; the provider may tell of it twice at once."""
        wanted = [(self.world.merchants[at].id, quantity, price + at, shipping) for at in merchants]
        given = {merchant_id: rest for merchant_id, *rest in wanted}
        made, told = self.run(self.world.buy(wanted, at_once))
        assert told == [None] * at_once
        for merchant_id, order_id, line_id in made:
            pieces, unit, charge = given[merchant_id]
            order = PlainOrder(order_id, line_id, pieces, pieces * unit, charge)
            self.model[merchant_id].capture(order, self.world.now)
        self.did("capture of several merchants" if len(merchants) > 1 else "capture")
        if at_once > 1:
            self.happened["capture told twice at once"] += 1

    @precondition(lambda self: self.shippable())
    @rule(pick=picks)
    def ship(self, pick: int) -> None:
        """One parcel leaves."""
        merchant, chosen = one_of(self.shippable(), pick)
        self.run(self.world.ship(merchant.id, chosen.id))
        chosen.status, chosen.shipped_at = "shipped", self.world.now
        self.did("ship")

    @precondition(lambda self: self.orders("shipped"))
    @rule(pick=picks)
    def confirm(self, pick: int) -> None:
        """The buyer says that everything has come; the hold begins."""
        merchant, chosen = one_of(self.orders("shipped"), pick)
        self.run(self.world.confirm(merchant.id, chosen.id))
        chosen.complete(self.world.now)
        self.did("completion by the buyer")

    @precondition(lambda self: self.shippable())
    @rule(pick=picks, at_once=st.sampled_from([1, 2, 2]))
    def cancel(self, pick: int, at_once: int) -> None:
        """An order that has not shipped is called off."""
        merchant, chosen = one_of(self.shippable(), pick)
        self.once(self.run(self.world.cancel(merchant.id, chosen.id, at_once)), "cancellation")
        merchant.refund_everything(chosen, self.world.now, "cancelled")
        self.did("cancellation")

    @precondition(lambda self: self.is_waiting())
    @rule(hours=st.one_of(st.integers(1, 24 * 3), st.integers(24 * 3, 24 * 9)))
    def pass_time(self, hours: int) -> None:
        """Time passes, and what falls due is done by workers."""
        self.run(self.world.pass_time(timedelta(hours=hours)))
        self._complete_and_release_what_is_due()
        self.did("time passing")
        self.time_has_passed = True

    @precondition(lambda self: not self.time_has_passed and self.orders("shipped"))
    @rule()
    def hear_nothing(self) -> None:
        """Nobody says anything for so long that what has shipped is complete."""
        self.step(self.pass_time, hours=LONG)

    def is_waiting(self) -> bool:
        """Whether time would change anything."""
        return not self.time_has_passed and bool(self.orders("shipped", "completed") or self._owed())

    def _owed(self) -> bool:
        return any(merchant.accounts["refunds"] for merchant in self.model.values())

    def _complete_and_release_what_is_due(self) -> None:
        now = self.world.now
        for _, each in self.orders("shipped"):
            if each.shipped_at is not None and each.shipped_at + COMPLETES_AFTER <= now:
                each.complete(each.shipped_at + COMPLETES_AFTER)
                self.happened["completion by silence"] += 1
        for merchant, each in self.orders("completed"):
            is_due = each.hold_ends_at is not None and each.hold_ends_at <= now
            if each.hold_ends_at is not None and is_due and not each.is_released and not each.open_disputes:
                merchant.release(each, each.hold_ends_at)
                self.happened["release"] += 1
        for merchant in self.model.values():
            if merchant.accounts["refunds"]:
                self.happened["refunds sent"] += 1
            merchant.move("refunds", "buyer_funds", merchant.accounts["refunds"], now)

    def shippable(self) -> list[tuple[PlainMerchant, PlainOrder]]:
        """Orders of which pieces wait to be shipped."""
        return [(merchant, each) for merchant, each in self.orders("to_ship") if each.pieces_left]
