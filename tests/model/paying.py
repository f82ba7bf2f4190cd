"""What happens to available money: periods are closed; payouts go out, arrive, fail, are lost sight of, come back."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from merchantry.domain.payout import Word
from tests.model.plain import PlainMerchant, PlainPayout
from tests.model.story import WEEK, Story, one_of, picks, some_at_once

WAITING = ("planned", "sending", "sent", "unknown")
OUTCOMES = {Word.PAID: "paid", Word.ACCEPTED: "sent", Word.REJECTED: "failed", Word.NOTHING: "unknown"}
some_words = st.lists(st.sampled_from([*OUTCOMES, Word.NOTHING]), min_size=2, max_size=5)


class Paying(Story):
    """Settlement and payouts."""

    @precondition(lambda self: not self.is_settled and self.boundary <= self.world.now)
    @rule(at_once=st.sampled_from([1, 1, 3]))
    def settle(self, at_once: int) -> None:
        """A run, or three at once."""
        self.run(self.world.settle(at_once))
        closed = sum(merchant.statements for merchant in self.model.values())
        planned = {merchant.id: list[int]() for merchant in self.model.values()}
        while self.boundary <= self.world.now:
            for merchant in self.model.values():
                planned[merchant.id].append(merchant.close(self.boundary))
            self.boundary += WEEK
        for merchant in self.model.values():
            if carried := merchant.pay_what_was_carried(self.boundary - WEEK):
                self.happened["payout of what was carried"] += 1
                planned[merchant.id].append(carried)
        self._take_over(planned)
        self.happened["statement"] += sum(merchant.statements for merchant in self.model.values()) - closed
        self.did("settlement" if at_once == 1 else "settlements at once")
        self.is_settled = True

    def _take_over(self, planned: dict[UUID, list[int]]) -> None:
        """New payouts have ids that only the database knows; their amounts are the model's."""
        for merchant_id, books in self.reader.read().items():
            merchant = self.model[merchant_id]
            rows = [row for key, row in books.payouts().items() if key not in merchant.payouts]
            amounts = [amount for amount in planned[merchant_id] if amount]
            assert sorted(row["amount_minor"] for row in rows) == sorted(amounts), (
                "each period pays what it closed with"
            )
            new = {key: row for key, row in books.payouts().items() if key not in merchant.payouts}
            merchant.payouts |= {key: PlainPayout(row["amount_minor"]) for key, row in new.items()}
            self.happened["payout planned"] += len(new)

    @precondition(lambda self: self.transfers(*WAITING))
    @rule(
        pick=picks,
        word=st.sampled_from([Word.PAID, Word.PAID, Word.ACCEPTED, Word.REJECTED, Word.NOTHING, Word.NOTHING]),
        at_once=st.sampled_from([1, 1, 3]),
    )
    def answer(self, pick: int, word: Word, at_once: int) -> None:
        """The provider says something of a payout, once or three times at once; or nothing at all."""
        merchant, payout_id, chosen = one_of(self.transfers(*WAITING), pick)
        before = chosen.status
        after = "sent" if before == "sent" and word is Word.NOTHING else OUTCOMES[word]
        if before == after:
            return
        self.run(self.world.hear(merchant.id, payout_id, word, at_once))
        if word is Word.PAID:
            merchant.move("in_payout", "paid_out", chosen.amount, self.world.now)
        chosen.status = after
        self.did(f"payout {after}")
        if before == "unknown":
            self.happened["payout unknown, then answered for"] += 1
        if at_once > 1:
            self.happened["payout's answer delivered three times at once"] += 1

    @precondition(lambda self: self.transfers("planned"))
    @rule(pick=picks, words=some_words, at_once=st.sampled_from([1, 2]))
    def follow(self, pick: int, words: list[Word], at_once: int) -> None:
        """One payout through all that is said of it: by the provider, by a person where nobody answered; what fails is
        tried again."""
        _, _, chosen = one_of(self.transfers("planned"), pick)
        for word in words:
            if chosen.status == "failed" and word is Word.REJECTED:
                self.step(self.give_up, pick=self._place(chosen), at_once=2)
            elif chosen.status == "failed":
                self.step(self.retry, pick=self._place(chosen), at_once=at_once)
            elif chosen.status == "unknown" and word in (Word.PAID, Word.REJECTED):
                self.step(self.resolve, pick=self._place(chosen), word=word, at_once=at_once)
            elif chosen.status in WAITING:
                self.step(self.answer, pick=self._place(chosen, *WAITING), word=word, at_once=2 * at_once - 1)

    def _place(self, chosen: PlainPayout, *statuses: str) -> int:
        return [each for _, _, each in self.transfers(*(statuses or (chosen.status,)))].index(chosen)

    @precondition(lambda self: self.transfers("unknown"))
    @rule(pick=picks, word=st.sampled_from([Word.PAID, Word.REJECTED]), at_once=st.sampled_from([1, 2]))
    def resolve(self, pick: int, word: Word, at_once: int) -> None:
        """A person says what became of a payout."""
        merchant, payout_id, chosen = one_of(self.transfers("unknown"), pick)
        self.once(self.run(self.world.resolve(merchant.id, payout_id, word, at_once)), "payout's resolution")
        if word is Word.PAID:
            merchant.move("in_payout", "paid_out", chosen.amount, self.world.now)
        chosen.status = OUTCOMES[word]
        self.did(f"payout unknown, then resolved as {chosen.status}")

    @precondition(lambda self: self.transfers("failed"))
    @rule(pick=picks, at_once=st.sampled_from([1, 2]))
    def retry(self, pick: int, at_once: int) -> None:
        """What failed is tried again, under a new key."""
        merchant, payout_id, chosen = one_of(self.transfers("failed"), pick)
        self.once(self.run(self.world.retry(merchant.id, payout_id, at_once)), "payout's retry")
        chosen.status = "sending"
        self.did("payout retried")

    @precondition(lambda self: self.hopeless())
    @rule(pick=picks, at_once=st.sampled_from([1, 2]))
    def give_up(self, pick: int, at_once: int) -> None:
        """What has not been paid is available again."""
        merchant, payout_id, chosen = one_of(self.hopeless(), pick)
        self.once(self.run(self.world.give_up(merchant.id, payout_id, at_once)), "payout's cancellation")
        merchant.move("in_payout", "merchant_available", chosen.amount, self.world.now)
        chosen.status = "cancelled"
        self.did("payout cancelled")

    @precondition(lambda self: self.transfers("paid"))
    @rule(pick=picks, at_once=some_at_once)
    def bank_return(self, pick: int, at_once: int) -> None:
        """Paid money comes back; nothing more is paid to that account until somebody has looked at it."""
        merchant, payout_id, chosen = one_of(self.transfers("paid"), pick)
        self.run(self.world.hear(merchant.id, payout_id, Word.RETURNED, at_once))
        merchant.move("paid_out", "merchant_available", chosen.amount, self.world.now)
        merchant.can_be_paid = False
        chosen.status = "returned"
        self.did("payout returned")

    @precondition(lambda self: not all(each.can_be_paid for each in self.model.values()))
    @rule(pick=picks)
    def look_at_account(self, pick: int) -> None:
        """The account is as good as before."""
        merchant = one_of([each for each in self.model.values() if not each.can_be_paid], pick)
        self.run(self.world.look_at_account(merchant.id))
        merchant.can_be_paid = True
        self.did("payee account usable again")

    def hopeless(self) -> list[tuple[PlainMerchant, UUID, PlainPayout]]:
        """Payouts to give up: those that failed, and of those that nobody began all but a few."""
        return self.transfers("failed") or self.transfers("planned")[2:]
