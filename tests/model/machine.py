"""Random stories told to the mall and to the model: after each step both say the same, and no law is broken."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from merchantry.domain.payout import Word
from tenancy.database import Database
from tests.cluster import Cluster
from tests.model.giving_back import GivingBack
from tests.model.ground import Ground
from tests.model.paying import Paying, some_words
from tests.model.reading import Reader
from tests.model.selling import LONG, Selling
from tests.model.story import Story, picks
from tests.model.world import a_world


class MallMachine(Selling, GivingBack, Paying):
    """One story of everything."""

    @rule(price=st.integers(1, 40_000), pick=picks, words=some_words, at_once=st.sampled_from([1, 2]))
    def trade_for_a_week(self, price: int, pick: int, words: list[Word], at_once: int) -> None:
        """Orders go all the way, and their week is settled, so that stories get as far as payouts."""
        merchants = ((0,), (1,), (0, 1))[pick % 3]
        self.step(self.buy, quantity=1 + pick % 3, price=price, shipping=pick % 2_000, merchants=merchants)
        is_heard = pick % 4 > 0
        for _ in range(3):
            if self.shippable():
                self.step(self.ship, pick=pick)
        for _ in range(3):
            if is_heard and self.orders("shipped"):
                self.step(self.confirm, pick=pick)
        self.step(self.pass_time, hours=24 * 8 if is_heard else LONG + 24 * 3)
        self.step(self.settle, at_once=at_once)
        if self.transfers("planned"):
            self.follow(pick=pick, words=words, at_once=at_once)

    @precondition(lambda self: any(not each.can_be_paid and each.available > 0 for each in self.model.values()))
    @rule(pick=picks)
    def carry(self, pick: int) -> None:
        """A balance closes while nobody can be paid, and is paid with a later week."""
        self.step(self.pass_time, hours=24 * 8)
        self.step(self.settle, at_once=1)
        self.step(self.look_at_account, pick=pick)
        self.step(self.pass_time, hours=24 * 8)
        self.step(self.settle, at_once=1)

    @precondition(lambda self: self.transfers("paid"))
    @rule(pick=picks)
    def return_and_carry(self, pick: int) -> None:
        """What comes back is paid again once somebody has looked at the account."""
        self.step(self.bank_return, pick=pick, at_once=1 + pick % 2)
        unpaid = [each for each in self.model.values() if not each.can_be_paid]
        if any(each.available > 0 for each in unpaid):
            self.carry(pick=pick)


@contextmanager
def stage(cluster: Cluster) -> Iterator[None]:
    """A mall for all stories of this process, and one event loop."""
    logins, loop = cluster.clone(), asyncio.new_event_loop()
    database = Database(logins, pool_size=6)
    try:
        Story.loop, Story.world = loop, loop.run_until_complete(a_world(database))
        Story.ground = Ground(logins, Story.world)
        Story.reader = Reader(Story.ground.connection, [merchant.id for merchant in Story.world.merchants])
        yield
        Story.ground.close()
    finally:
        loop.run_until_complete(database.close())
        loop.close()
        cluster.drop(logins)
