"""What all stories have: the real mall, the model, and what must hold after each step."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from merchantry.domain.errors import MarketError
from tests.builders import NOON
from tests.model import laws
from tests.model.ground import Ground
from tests.model.plain import PlainMerchant, PlainOrder, PlainPayout
from tests.model.plain_chargeback import PlainClaim
from tests.model.reading import Books, Reader
from tests.model.world import World

T = TypeVar("T")
picks = st.integers(0, 10**6)
some_at_once = st.sampled_from([1, 1, 2])
WEEK = timedelta(days=7)
FIRST_BOUNDARY = (NOON + WEEK).replace(hour=0)
"""NOON is a Monday's; periods end on Mondays at midnight in UTC."""


class Story(RuleBasedStateMachine):
    """One story. ``happened`` counts transitions of all stories, ``steps`` the steps that changed something."""

    ground: ClassVar[Ground]
    reader: ClassVar[Reader]
    world: ClassVar[World]
    loop: ClassVar[asyncio.AbstractEventLoop]
    happened: ClassVar[Counter[str]] = Counter()
    steps: ClassVar[int] = 0

    @initialize()
    def open(self) -> None:
        """A mall of two merchants in which nothing has happened."""
        self.ground.reset()
        self.world.now = NOON
        self.model = {merchant.id: PlainMerchant(merchant.id) for merchant in self.world.merchants}
        self.claims: list[PlainClaim] = []
        self.write_offs: dict[UUID, UUID] = {}
        self.boundary = FIRST_BOUNDARY
        self.found: dict[UUID, Books] = {}
        self.has_changed, self.time_has_passed, self.is_settled = True, False, False

    def teardown(self) -> None:
        """The story is over: the program's own laws hold as well."""
        if hasattr(self, "model"):
            assert self.run(self.world.broken()) == []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it happen."""
        return self.loop.run_until_complete(work)

    def did(self, *what: str) -> None:
        """A step that changed something."""
        Story.steps += 1
        self.happened.update(what)
        self.has_changed = True
        self.time_has_passed = self.is_settled = False

    def once(self, answers: list[Any], what: str) -> None:
        """A command that was sent several times has had one effect, and the others were refused."""
        done = [each for each in answers if not isinstance(each, MarketError)]
        assert len(done) == 1, answers
        if len(answers) > 1:
            self.happened[f"{what} sent twice at once"] += 1

    def step(self, step: Callable[..., None], **given: object) -> None:
        """A step of a longer one, with all that must hold after it."""
        step(**given)
        self.everything_agrees()

    def orders(self, *statuses: str) -> list[tuple[PlainMerchant, PlainOrder]]:
        """All orders in one of these statuses, or in any."""
        return [
            (merchant, each)
            for merchant in self.model.values()
            for each in merchant.orders.values()
            if each.status in statuses or not statuses
        ]

    def transfers(self, *statuses: str) -> list[tuple[PlainMerchant, UUID, PlainPayout]]:
        """All payouts in one of these statuses."""
        return [
            (merchant, payout_id, each)
            for merchant in self.model.values()
            for payout_id, each in merchant.payouts.items()
            if each.status in statuses
        ]

    @invariant()
    def everything_agrees(self) -> None:
        """Balances, statuses and statements are the model's, and no law of the books is broken."""
        if not getattr(self, "has_changed", False):
            return
        self.has_changed = False
        before, self.found = self.found, self.reader.read()
        for merchant in self.model.values():
            found = self.found[merchant.id]
            assert found.balances() == merchant.balances()
            payouts = {key: (row["amount_minor"], row["status"]) for key, row in found.payouts().items()}
            assert payouts == {key: (each.amount, each.status) for key, each in merchant.payouts.items()}
            assert found.statuses() == {key: each.status for key, each in merchant.orders.items()}
            assert len(found["statement"]) == merchant.statements
            assert laws.broken(found, before.get(merchant.id)) == []


def one_of(candidates: list[T], pick: int) -> T:
    """The one that was picked."""
    return candidates[pick % len(candidates)]
