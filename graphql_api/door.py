"""What every transport does with a request: find its document, check it, count its cost, charge for it, run it."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, OperationDefinitionNode, OperationType, Visitor, visit
from strawberry.types import ExecutionResult

from graphql_api import metrics
from graphql_api.admission import Admission, Busy
from graphql_api.asking import DocumentRefused, GraphQLRequest, RequestRefused
from graphql_api.budget import Allowance, Budgets, OverBudget, Standing
from graphql_api.context import Context
from graphql_api.cost import Sum, plan_of
from graphql_api.engine import MarketSchema, Prepared
from graphql_api.errors import answered
from graphql_api.leaving import Leaving
from graphql_api.persisted import PersistedDocuments
from tenancy.principals import Caller

REQUEST_SECONDS = 20.0
"""How long an operation may take, its waiting included; then it is called off, in the database too."""
MAX_COST = 25_000
"""Of one operation."""
REFUSED_COST = 20
"""Charged for a document that can't be run: it has been parsed and validated."""
BURST_SECONDS = 5
"""A full bucket holds what comes back in this time."""
HEAVY_COST = 500
"""From here on an operation is heavy: it keeps the process from others for milliseconds at a time."""
HELD_SECONDS = 0.25
MAX_HELD = 2_000
"""So long, and so many at once, are refusals for want of budget or places held back."""
MAX_STREAMS = 5_000
MAX_STREAMS_EACH = 100
"""Subscriptions at once: of this process, and of each caller."""
_INTROSPECTION = re.compile(r"\b__(?:schema|type)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the door is kept.

    ``budget_per_second`` is the cost that comes back to each account; to each merchant twice as much, and half of it to
    each address that nobody is signed in at. 0 is no budget. ``places`` operations run at once and ``queue`` wait; of
    one merchant half of the places, and a quarter with what is heavy.
    """

    development: bool = False
    trusted: Mapping[str, str] | None = None
    allowed_origins: frozenset[str] = frozenset()
    budget_per_second: int = 10_000
    max_cost: int = MAX_COST
    places: int = 16
    queue: int = 128
    request_seconds: float = REQUEST_SECONDS


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that may be run: its text is known, valid and not too expensive."""

    prepared: Prepared
    name: str | None
    kind: OperationType
    variables: dict[str, Any]
    cost: int


@dataclass(frozen=True, slots=True)
class Payer:
    """Who is charged, and by whom places are held."""

    who: Hashable
    merchant: Hashable | None
    anonymous: bool
    group: Hashable = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "group", self.merchant or self.who)

    @classmethod
    def of(cls, caller: Caller, address: str) -> "Payer":
        """The account or machine, or the address where nobody is signed in, and the merchant that is asked about.

        Anybody can make themselves a guest, as often as they like: guests are charged by their address.
        """
        who = None if caller.principal.guest else caller.principal.key
        return cls(who or address, caller.merchant.id if caller.merchant else None, who is None)


class Door:
    """One for the process: what it remembers of documents and callers is shared by all transports."""

    def __init__(self, schema: MarketSchema, rules: Rules, leaving: Leaving | None = None) -> None:
        self.rules = rules
        self._leaving = leaving or Leaving()
        self._schema = schema
        self._documents = PersistedDocuments(rules.trusted)
        self._budgets = Budgets(time.monotonic)
        self._admission = Admission(rules.places, max(1, rules.places // 2), rules.queue)
        self._heavy = Admission(max(1, rules.places * 3 // 4), max(1, rules.places // 4), rules.queue)
        self._held = 0
        self._streams = Admission(MAX_STREAMS, MAX_STREAMS_EACH, 0)

    def read(self, asked: GraphQLRequest, payer: Payer) -> Operation:
        """The operation that is asked for. Raises RequestRefused for what can't or mustn't be run."""
        self.charge(payer, 0)  # who is in debt is refused before anything is parsed for them
        try:
            return self._read(asked)
        except RequestRefused as refused:
            metrics.refused(refused)
            if isinstance(refused, DocumentRefused):
                self._budgets.charge(self._claims(payer), REFUSED_COST)
            raise

    def _read(self, asked: GraphQLRequest) -> Operation:
        text = self._documents.text_of(asked)
        prepared = self._schema.prepare(text, suggesting=self.rules.development)
        if prepared.errors:
            raise DocumentRefused(answered(prepared.errors))
        node = _chosen(prepared.operations(), asked.operation_name)
        if not self.rules.development and _introspects(text, prepared):
            raise _refused("This server does not describe its schema: read schema.graphql.", "INTROSPECTION_DISABLED")
        cost = self._cost(prepared, node, asked.variables)
        if cost > (most := self.rules.max_cost):
            raise _refused(
                f"The operation may cost {cost}, more than {most}. Ask for fewer items (`first`) or fields.",
                "COST_LIMIT_EXCEEDED",
                {"cost": {"requested": cost, "maximum": most}},
            )
        self._documents.remember(asked, text)
        return Operation(prepared, node.name.value if node.name else None, node.operation, asked.variables, cost)

    def _cost(self, prepared: Prepared, node: OperationDefinitionNode, variables: dict[str, Any]) -> int:
        name = node.name.value if node.name else None
        plan = prepared.plans.get(name)
        if plan is None and prepared.document is not None:
            plan = prepared.plans[name] = plan_of(self._schema.graphql_schema, prepared.document, node)
        return Sum(variables).of(plan or [])

    def charge(self, payer: Payer, cost: int) -> Standing | None:
        """Take what an operation costs; what is left, where there are budgets. Raises RequestRefused."""
        if not self.rules.budget_per_second:
            return None
        try:
            return self._budgets.spend(self._claims(payer), cost)
        except OverBudget as over:
            refused = RequestRefused(
                429,
                f"The budget is spent; it refills by {over.standing.per_second} a second. "
                f"Repeat in {over.retry_after_seconds} s, or ask for less.",
                {"retry-after": str(over.retry_after_seconds)},
                code="BUDGET_SPENT",
                extensions={"cost": cost_shown(cost, over.standing)},
            )
            raise metrics.refused(refused) from over

    def _claims(self, payer: Payer) -> list[tuple[Hashable, Allowance]]:
        rate = self.rules.budget_per_second
        if not rate:
            return []
        own = max(1, rate // 2) if payer.anonymous else rate
        claims = [(payer.who, Allowance(own * BURST_SECONDS, own))]
        if payer.merchant is not None:
            claims.append((payer.merchant, Allowance(2 * rate * BURST_SECONDS, 2 * rate)))
        return claims

    @asynccontextmanager
    async def admitted(self, payer: Payer, cost: int) -> AsyncIterator[None]:
        """A place to run in, and the time that it may take. Raises RequestRefused."""
        wanted = (self._heavy, self._admission) if cost >= HEAVY_COST else (self._admission,)
        held: list[Admission] = []
        metrics.WAITING.inc()
        try:
            async with asyncio.timeout(self.rules.request_seconds):
                for each in wanted:
                    await each.enter(payer.group)
                    held.append(each)
                metrics.WAITING.dec()
                metrics.RUNNING.inc()
                yield
        except Busy as busy:
            refused = RequestRefused(
                503, "Too much is being done at once. Repeat in a moment.", {"retry-after": "1"}, code="BUSY"
            )
            raise metrics.refused(refused) from busy
        except TimeoutError as error:
            refused = RequestRefused(
                504,
                f"This took longer than {self.rules.request_seconds:g} seconds and was called off. Ask for less; "
                "repeat mutations with the same idempotency key.",
                code="TIMEOUT",
            )
            raise metrics.refused(refused) from error
        finally:
            (metrics.RUNNING if len(held) == len(wanted) else metrics.WAITING).dec()
            for each in reversed(held):
                each.leave(payer.group)

    async def hold_back(self, refused: RequestRefused) -> None:
        """Let a refusal wait a little that asks to come again later, before it is answered.

        Refusing costs time as well: who asks again at once, on many connections, would keep the process busy with it.
        """
        if refused.status in (429, 503) and self._held < MAX_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HELD_SECONDS)
            finally:
                self._held -= 1

    async def execute(self, operation: Operation, context: Context) -> ExecutionResult:
        """Run a query or a mutation."""
        began, result = time.perf_counter(), None
        try:
            result = await self._schema.run(operation.prepared, operation.name, operation.variables, context)
        finally:  # called off, perhaps
            metrics.operation_ended(operation.kind, operation.cost, time.perf_counter() - began, result)
        return result

    @asynccontextmanager
    async def streaming(self, payer: Payer) -> AsyncIterator[None]:
        """A place for a subscription, for as long as it lasts. Raises RequestRefused."""
        try:
            async with self._streams.admitted(payer.who):
                with metrics.STREAMS.track_inprogress():
                    yield
        except Busy as busy:
            metrics.REFUSALS.labels("TOO_MANY_STREAMS").inc()
            raise RequestRefused(
                429, f"There may be {MAX_STREAMS_EACH} subscriptions at once; end one first.", code="TOO_MANY_STREAMS"
            ) from busy

    def subscribe_until_left(self, operation: Operation, context: Context) -> AsyncGenerator[ExecutionResult, None]:
        """As :meth:`subscribe`; where the process ends, the results end first, and the client comes again."""
        return self._leaving.until(self.subscribe(operation, context))

    async def subscribe(self, operation: Operation, context: Context) -> AsyncGenerator[ExecutionResult, None]:
        """Run a subscription, result by result."""
        results = await self._schema.subscribe(
            operation.prepared.text,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
        )
        async with aclosing(results):
            async for result in results:
                yield result


def cost_shown(cost: int, standing: Standing) -> dict[str, int]:
    """As `extensions.cost` shows it."""
    return {
        "requested": cost,
        "remaining": standing.remaining,
        "limit": standing.limit,
        "restoreRate": standing.per_second,
    }


def _chosen(operations: list[OperationDefinitionNode], name: str | None) -> OperationDefinitionNode:
    if name is None and len(operations) == 1:
        return operations[0]
    if name is None:
        raise _refused("The document holds several operations: say which by operationName.", "BAD_REQUEST")
    found = next((node for node in operations if node.name and node.name.value == name), None)
    if found is None:
        raise _refused("The document has no operation of the name given as operationName.", "BAD_REQUEST")
    return found


def _refused(message: str, code: str, extensions: Mapping[str, Any] | None = None) -> DocumentRefused:
    return DocumentRefused([{"message": message, "extensions": {"code": code, **(extensions or {})}}])


def _introspects(text: str, prepared: Prepared) -> bool:
    """Whether the document asks for the schema. Names can't be written in two ways, so its text tells most often."""
    if prepared.document is None or not _INTROSPECTION.search(text):
        return False
    finder = _IntrospectionFinder()
    visit(prepared.document, finder)
    return finder.found


class _IntrospectionFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.found = self.found or node.name.value in ("__schema", "__type")
