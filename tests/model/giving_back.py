"""What goes back to buyers, by refunds and by their banks, and what merchants then owe."""

from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from merchantry.domain.errors import MarketError
from merchantry.domain.refund import Asked
from merchantry.services.chargeback import NewChargeback
from tests.model import plain_chargeback
from tests.model.plain import REFUNDABLE, PlainMerchant, PlainOrder
from tests.model.plain_chargeback import PlainChargeback, PlainClaim
from tests.model.story import Story, one_of, picks, some_at_once

MOST_CLAIMS = 3
"""About one order."""


class GivingBack(Story):
    """Refunds, chargebacks and debts."""

    @precondition(lambda self: self.refundable())
    @rule(
        pick=picks,
        pieces=st.integers(0, 3),
        shipping=st.integers(0, 3_000),
        goodwill=st.one_of(st.just(0), st.integers(1, 2_000), st.integers(1, 20_000)),
        at_once=st.sampled_from([1, 2]),
    )
    def refund(self, pick: int, pieces: int, shipping: int, goodwill: int, at_once: int) -> None:
        """Some pieces, some shipping, something for goodwill; two at once, each as far as it still fits."""
        merchant, chosen = one_of(self.refundable(), pick)
        if at_once > 1:  # mostly so little that both may fit
            pieces, shipping, goodwill = pieces % 2, shipping // 4, goodwill // 4
        asked = self._within(chosen, pieces, shipping, goodwill)
        when = self._when(chosen)
        wanted = Asked({chosen.line_id: asked[0]} if asked[0] else {}, *asked[1:])
        done = self.run(self.world.refund(merchant.id, chosen.id, wanted, at_once))
        fits = sum([merchant.refund_asked(chosen, *asked, self.world.now) for _ in range(at_once)])
        assert sum(isinstance(each, UUID) for each in done) == fits, done
        if at_once > 1:
            self.happened[f"two refunds at once, {('none', 'one', 'both')[fits]} made"] += 1
        if fits:
            self.did(f"refund of {'all' if chosen.status == 'refunded' else 'a part'} {when}")

    @precondition(lambda self: self.refundable())
    @rule(pick=picks, goodwill=st.integers(1, 5_000), at_once=st.sampled_from([1, 2, 3]))
    def refund_with_key(self, pick: int, goodwill: int, at_once: int) -> None:
        """One command under one key, sent several times: it happens once, and all have the same answer."""
        merchant, chosen = one_of(self.refundable(), pick)
        asked = Asked({}, 0, min(goodwill, chosen.left))
        answers = self.run(self.world.refund_with_key(merchant.id, chosen.id, asked, at_once))
        assert len({*answers}) == 1, answers
        assert isinstance(answers[0], UUID), answers
        assert merchant.refund_asked(chosen, 0, 0, asked.goodwill_minor, self.world.now)
        self.did("command repeated with its key", f"refund of a part {self._when(chosen)}")

    @precondition(lambda self: self.with_goods_and_shipping())
    @rule(pick=picks)
    def refund_all_pieces(self, pick: int) -> None:
        """The goods, but not what sending them cost: nothing is left to wait for."""
        merchant, chosen = one_of(self.with_goods_and_shipping(), pick)
        pieces = {chosen.line_id: chosen.pieces_left}
        [done] = self.run(self.world.refund(merchant.id, chosen.id, Asked(pieces)))
        assert isinstance(done, UUID), done
        assert merchant.refund_asked(chosen, chosen.pieces_left, 0, 0, self.world.now)
        self.did("completion by a refund of all pieces")

    @precondition(lambda self: self.refundable())
    @rule(pick=picks, at_once=some_at_once)
    def refund_everything(self, pick: int, at_once: int) -> None:
        """All that is left of an order."""
        merchant, chosen = one_of(self.refundable(), pick)
        when = self._when(chosen)
        self.once(self.run(self.world.refund(merchant.id, chosen.id, None, at_once)), "refund of all")
        merchant.refund_everything(chosen, self.world.now)
        self.did(f"refund of all {when}")

    @precondition(lambda self: self.orders())
    @rule(pick=picks, words=st.lists(st.booleans(), min_size=2, max_size=3), fee=st.sampled_from([0, 900]))
    def argue(self, pick: int, words: list[bool], fee: int) -> None:
        """A bank and the platform go through all rounds."""
        bearer = ("merchant", "platform")[pick % 2]
        self.step(self.open_chargeback, pick=pick, part=(30, 100, 130)[pick % 3], fee=fee, bearer=bearer)
        for number, is_won in enumerate(words):
            if number and self.ended_claims():
                self.step(self.open_next_round, pick=len(self.ended_claims()) - 1, fee=fee, bearer=bearer)
            if self.open_claims():
                self.step(self.end_chargeback, pick=len(self.open_claims()) - 1, is_won=is_won, at_once=1 + pick % 2)

    @precondition(lambda self: self.orders())
    @rule(
        pick=picks,
        part=st.sampled_from([30, 100, 100, 130]),
        fee=st.sampled_from([0, 1_500]),
        bearer=st.sampled_from(["merchant", "platform"]),
    )
    def open_chargeback(self, pick: int, part: int, fee: int, bearer: str) -> None:
        """A bank takes back so many hundredths of what was paid, refunded or not."""
        free = [each for each in self.orders() if sum(c.order is each[1] for c in self.claims) < MOST_CLAIMS]
        if pick % 2:
            free = [each for each in free if not each[1].is_released] or free
        if not free:
            return
        merchant, chosen = one_of(free, pick)
        claim = PlainClaim(merchant, chosen, str(uuid4()), [])
        self._open(claim, max(chosen.paid * part // 100, 1), fee, bearer)
        self.claims.append(claim)
        refunded = "refunded" if chosen.refunded else "unrefunded"
        self.did(f"chargeback opened, {refunded}, {self._when(chosen)}")
        self.happened["chargeback opened, above the capture"] += part > 100

    @precondition(lambda self: self.ended_claims())
    @rule(pick=picks, fee=st.sampled_from([0, 700]), bearer=st.sampled_from(["merchant", "platform"]))
    def open_next_round(self, pick: int, fee: int, bearer: str) -> None:
        """The bank has not had enough, or the platform has not."""
        claim = one_of(self.ended_claims(), pick)
        before = claim.last.status
        self._open(claim, claim.last.amount, fee, bearer)
        self.did(f"chargeback's next round after a {before} one")

    def _open(self, claim: PlainClaim, amount: int, fee: int, bearer: str) -> None:
        new = NewChargeback(claim.order.id, claim.reference, amount, "not received", fee, bearer)
        self.run(self.world.open_chargeback(claim.merchant.id, new))
        made = PlainChargeback(new.id, claim.order, len(claim.rounds) + 1, amount, fee, bearer)
        plain_chargeback.open_round(claim, made, self._others(claim), self.world.now)

    @precondition(lambda self: self.open_claims())
    @rule(pick=picks, is_won=st.booleans(), at_once=some_at_once)
    def end_chargeback(self, pick: int, is_won: bool, at_once: int) -> None:
        """The bank decides."""
        claim = one_of(self.open_claims(), pick)
        word, was_lost = ("won" if is_won else "lost"), claim.is_lost
        ended = self.run(self.world.end_chargeback(claim.merchant.id, claim.last.id, is_won=is_won, at_once=at_once))
        self.once(ended, "chargeback's end")
        if is_won:
            plain_chargeback.win(claim, self.world.now)
        else:
            plain_chargeback.lose(claim, self._others(claim), self.world.now)
        self.did(f"chargeback {word}{' after a lost round' if was_lost else f', borne by {claim.last.bearer}'}")
        if word == "lost" and not was_lost:
            self.happened["chargeback lost, part refunded before"] += claim.last.covered > 0

    def _others(self, claim: PlainClaim) -> list[PlainClaim]:
        return [each for each in self.claims if each is not claim and each.order is claim.order]

    @precondition(lambda self: self.beyond_what_is_available())
    @rule(pick=picks)
    def refund_into_debt(self, pick: int) -> None:
        """The merchant has been paid for it, and owes it now."""
        wanted = self.beyond_what_is_available()[pick % len(self.beyond_what_is_available())]
        self.refund_everything(pick=self.refundable().index(wanted), at_once=1)

    @precondition(lambda self: self.indebted())
    @rule(pick=picks, is_later=st.booleans())
    def propose_write_off(self, pick: int, is_later: bool) -> None:
        """Somebody asks two others to give up what a merchant owes now; they answer at once, or later."""
        merchant = one_of(self.indebted(), pick)
        self.write_offs[merchant.id] = self.run(self.world.propose_write_off(merchant.id))
        merchant.write_off = -merchant.available
        self.did("write-off proposed")
        if not is_later:
            self.everything_agrees()
            self.step(self.approve_write_off, pick=self.written_off().index(merchant))

    @precondition(lambda self: self.written_off())
    @rule(pick=picks)
    def approve_write_off(self, pick: int) -> None:
        """Two people say yes at the same moment; what is still owed of it is the platform's expense."""
        merchant = one_of(self.written_off(), pick)
        votes = self.run(self.world.approve(merchant.id, self.write_offs.pop(merchant.id), "one", "two"))
        assert not any(isinstance(each, MarketError) for each in votes), votes
        amount = min(-merchant.available, merchant.write_off)
        merchant.move("platform_expense", "merchant_available", amount, self.world.now)
        self.did("write-off by two people")

    def refundable(self) -> list[tuple[PlainMerchant, PlainOrder]]:
        """Orders of which something is left."""
        return [(merchant, each) for merchant, each in self.orders(*REFUNDABLE) if each.left]

    def with_goods_and_shipping(self) -> list[tuple[PlainMerchant, PlainOrder]]:
        """Orders on their way of which both are left."""
        return [
            (merchant, each)
            for merchant, each in self.orders("to_ship", "shipped")
            if each.refunded_goods < each.goods and each.refunded_shipping < each.shipping and each.pieces_left
        ]

    def beyond_what_is_available(self) -> list[tuple[PlainMerchant, PlainOrder]]:
        """Released orders of which more is left than their merchant has."""
        return [(m, each) for m, each in self.refundable() if each.is_released and each.left * 7 // 8 > m.available]

    def open_claims(self) -> list[PlainClaim]:
        """Those that a bank has not decided."""
        return [each for each in self.claims if each.last.status == "opened"]

    def ended_claims(self) -> list[PlainClaim]:
        """Those that can have another round."""
        return [each for each in self.claims if each.last.status != "opened" and len(each.rounds) < 4]

    def indebted(self) -> list[PlainMerchant]:
        """Those who owe, and whom nobody has asked to let off."""
        return [each for each in self.model.values() if each.available < 0 and each.id not in self.write_offs]

    def written_off(self) -> list[PlainMerchant]:
        """Those whose debt two people can write off."""
        return [each for each in self.model.values() if each.available < 0 and each.id in self.write_offs]

    def _when(self, chosen: PlainOrder) -> str:
        return "after its release" if chosen.is_released else "before its release"

    def _within(self, chosen: PlainOrder, pieces: int, shipping: int, goodwill: int) -> tuple[int, int, int]:
        """Mostly what fits: an amount that is a little too large asks for all that is left."""
        pieces = min(pieces, chosen.pieces_left)
        shipping = min(shipping, chosen.shipping - chosen.refunded_shipping)
        left = chosen.left - chosen.worth(pieces) - shipping
        return pieces, shipping, min(goodwill, left) or (0 if pieces or shipping else min(1, left))
