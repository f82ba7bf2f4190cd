"""Review rules and their verdicts: what the platform's people write and read, and what a merchant may know of it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import ReviewOutcome, ReviewSubject
from graphql_api.problems import mutation
from graphql_api.relay import Connection, connection_of, decode_id, encode_id, node_id, page, parse_id
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted, OwnAct, RulesInvalid
from merchantry.domain.permission import Permission
from merchantry.domain.review import Outcome, RuleSubject
from merchantry.domain.review_document import parse_rules, rules_document
from merchantry.domain.review_trial import Tally, Trial
from merchantry.services import merchant as merchants
from merchantry.services import replay, review_rules, review_trail, review_trial
from merchantry.services.review_rules import RuleSetVersion
from merchantry.services.review_trail import TrailVerdict
from tenancy.database import Transaction

TRAILS = {"Order": 2, "Payout": 2, "PayeeAccount": 2}
"""The kinds of nodes that have a story of verdicts, and how many keys their ids have."""


@strawberry.type(description="What one rule made of one act; passes are kept as well.")
class ReviewVerdict:
    subject: ReviewSubject
    subject_id: strawberry.ID = strawberry.field(description="The order, refund, payout or account that was judged.")
    title: str = strawberry.field(description="What people call the rule.")
    version: int = strawberry.field(description="The version of the rules that judged.")
    outcome: ReviewOutcome
    decided_at: datetime
    rule: str | None = strawberry.field(description="The rule's name in its version; for the platform's people.")
    reason: str | None = strawberry.field(description="Why, in figures; for the platform's people.")
    figures: JSON | None = strawberry.field(description="What it was decided by; for the platform's people.")

    @staticmethod
    def of(merchant_id: UUID, found: TrailVerdict, *, with_figures: bool) -> "ReviewVerdict":
        """The verdict as it is stored. A merchant is not told the figures: they say how far one may go."""
        return ReviewVerdict(
            subject=found.subject,
            subject_id=subject_id(merchant_id, found.subject, found.trail_id, found.subject_id),
            title=found.title,
            version=found.version,
            outcome=found.outcome,
            decided_at=found.decided_at,
            rule=found.rule if with_figures else None,
            reason=found.reason if with_figures else None,
            figures=JSON(found.figures) if with_figures else None,
        )


def subject_id(merchant_id: UUID, subject: RuleSubject, trail_id: UUID, id: UUID) -> strawberry.ID:
    """The id of what was judged. A refund that waits for approval has one as well; it stands for nothing yet."""
    if subject is RuleSubject.REFUND:
        return encode_id("Refund", merchant_id, trail_id, id)
    kind = {RuleSubject.PAYOUT: "Payout", RuleSubject.PAYEE: "PayeeAccount"}.get(subject, "Order")
    return node_id(kind, merchant_id, id) or encode_id(kind, merchant_id, id)


@strawberry.type(description="One version of the review rules.")
class ReviewRules:
    version: int
    document: JSON = strawberry.field(description="The rules, in the form that reviewRulesPropose takes.")
    effective_from: datetime
    status: str = strawberry.field(description="proposed, approved or rejected.")
    proposed_by: str
    decided_by: str | None
    decided_at: datetime | None

    @staticmethod
    def of(found: RuleSetVersion) -> "ReviewRules":
        """The version as it is stored."""
        return ReviewRules(
            version=found.version,
            document=JSON(rules_document(found.rules)),
            effective_from=found.effective_from,
            status=found.status,
            proposed_by=found.proposed_by,
            decided_by=found.decided_by,
            decided_at=found.decided_at,
        )


@strawberry.type(description="An act of the past that a rule would not have let pass.")
class ReviewExample:
    merchant: str
    subject_id: strawberry.ID
    at: datetime
    outcome: ReviewOutcome
    reason: str


@strawberry.type(description="What one rule would have made of the acts that it is about.")
class ReviewTrialRow:
    rule: str
    title: str
    subject: ReviewSubject
    passed: int
    flagged: int
    held: int
    examples: list[ReviewExample] = strawberry.field(description="Some of those that it would not have let pass.")

    @staticmethod
    def of(tally: Tally) -> "ReviewTrialRow":
        """One rule's."""
        rule, counts = tally.rule, tally.counts
        return ReviewTrialRow(
            rule=rule.name,
            title=rule.title,
            subject=rule.subject,
            passed=counts[Outcome.PASS],
            flagged=counts[Outcome.FLAG],
            held=counts[Outcome.HOLD],
            examples=[
                ReviewExample(
                    merchant=each.merchant,
                    subject_id=subject_id(each.merchant_id, rule.subject, each.trail_id, each.subject_id),
                    at=each.at,
                    outcome=each.outcome,
                    reason=each.reason,
                )
                for each in tally.examples
            ],
        )


@strawberry.input(description="A version of the review rules to be.")
class ReviewRulesProposeInput:
    document: JSON = strawberry.field(description="The rules, as docs/review.md describes them.")
    effective_from: datetime


@strawberry.input(description="A proposed version to put into force.")
class ReviewRulesApproveInput:
    version: int


@strawberry.input(description="A proposed version that will not come into force.")
class ReviewRulesRejectInput:
    version: int
    reason: str


@strawberry.input(description="Rules to try on what has happened.")
class ReviewRulesTryInput:
    document: JSON = strawberry.field(description="The rules, as docs/review.md describes them.")
    from_: Annotated[date, strawberry.argument(name="from")] = strawberry.field(
        name="from", description="The first day that counts, in the platform's time zone."
    )
    to: date = strawberry.field(description="The first day that no longer counts.")
    merchants: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of `platform { merchants }`; all merchants where it is left out."
    )


@strawberry.type(description="The version waits for a second person.")
class ReviewRulesProposed:
    rules: ReviewRules


@strawberry.type(description="The version is in force from its date on.")
class ReviewRulesApproved:
    rules: ReviewRules


@strawberry.type(description="The version will not come into force.")
class ReviewRulesRejected:
    rules: ReviewRules


@strawberry.type(description="What the rules would have made of it, rule by rule; nothing was changed.")
class ReviewRulesTried:
    rows: list[ReviewTrialRow]


async def versions(info: Info, first: int | None, after: str | None) -> Connection[ReviewRules]:
    """``platform { reviewRules }``. Raises NotPermitted."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_REVIEW_READ)
    asked = page("reviewRules", (int,), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        before = asked.after[0] if asked.after else None
        found = await review_rules.versions(session, limit=asked.limit, before=before)
    return connection_of(found, asked, cursor_of=lambda each: (each.version,), node_of=ReviewRules.of)


async def trail(info: Info, id: strawberry.ID) -> list[ReviewVerdict] | None:
    """``platform { reviewTrail }``: None for whatever has no such story. Raises NotPermitted."""
    context = info.context
    allowed = access.of_platform(context, Permission.PLATFORM_REVIEW_READ)
    kind, keys = parse_id(id) or ("", ())
    if TRAILS.get(kind) != len(keys):
        return None
    merchant_id, trail_id = keys
    async with context.database.read(allowed.act.actor) as tx:
        async with tx.as_platform() as platform:
            if not await merchants.by_ids(platform, [merchant_id]):
                return None
        async with tx.as_merchant(merchant_id) as session:
            found = (await review_trail.of(session, [trail_id]))[trail_id]
    return [ReviewVerdict.of(merchant_id, each, with_figures=True) for each in found]


def shown_to_merchant(merchant_id: UUID, found: Sequence[TrailVerdict]) -> list[ReviewVerdict]:
    """An order's story for its merchant's staff: which rules judged it and how, without the figures."""
    return [ReviewVerdict.of(merchant_id, each, with_figures=False) for each in found]


@strawberry.type
class ReviewMutations:
    @mutation(problems=[RulesInvalid, InvalidInput, NotPermitted])
    async def review_rules_propose(self, info: Info, input: ReviewRulesProposeInput) -> ReviewRulesProposed:
        """Propose a version of the rules; it has no effect until somebody else approves it.

        Refused where another version begins at the same moment. Needs platform.review.propose.
        """
        allowed = access.of_platform(info.context, Permission.PLATFORM_REVIEW_PROPOSE)
        rules = parse_rules(input.document)

        async def work(tx: Transaction) -> RuleSetVersion:
            async with tx.as_platform() as session:
                return await review_rules.propose(session, rules, input.effective_from, allowed.act)

        found = await info.context.database.run(allowed.act.actor, work)
        return ReviewRulesProposed(rules=ReviewRules.of(found))

    @mutation(problems=[NotFound, InvalidInput, OwnAct, NotPermitted])
    async def review_rules_approve(self, info: Info, input: ReviewRulesApproveInput) -> ReviewRulesApproved:
        """Put a proposed version into force from its date on; never by the person who proposed it.

        Needs platform.review.approve.
        """
        allowed = access.of_platform(info.context, Permission.PLATFORM_REVIEW_APPROVE)

        async def work(tx: Transaction) -> RuleSetVersion:
            async with tx.as_platform() as session:
                return await review_rules.approve(session, input.version, allowed.act)

        found = await info.context.database.run(allowed.act.actor, work)
        return ReviewRulesApproved(rules=ReviewRules.of(found))

    @mutation(problems=[NotFound, InvalidInput, NotPermitted])
    async def review_rules_reject(self, info: Info, input: ReviewRulesRejectInput) -> ReviewRulesRejected:
        """Refuse a proposed version, or withdraw it. Needs platform.review.approve."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_REVIEW_APPROVE)

        async def work(tx: Transaction) -> RuleSetVersion:
            async with tx.as_platform() as session:
                return await review_rules.reject(session, input.version, input.reason, allowed.act)

        found = await info.context.database.run(allowed.act.actor, work)
        return ReviewRulesRejected(rules=ReviewRules.of(found))

    @mutation(problems=[RulesInvalid, NotFound, InvalidInput, NotPermitted])
    async def review_rules_try(self, info: Info, input: ReviewRulesTryInput) -> ReviewRulesTried:
        """Try rules on past orders, refunds, payouts and accounts, and say what each would have made of them.

        Changes nothing. Needs platform.review.propose.
        """
        allowed = access.of_platform(info.context, Permission.PLATFORM_REVIEW_PROPOSE)
        rules, database, actor = parse_rules(input.document), info.context.database, allowed.act.actor
        chosen = None
        if input.merchants is not None:
            chosen = [
                decode_id(text, "MerchantRecord", 1, ("input", "merchants", position))[0]
                for position, text in enumerate(input.merchants)
            ]
        known = await replay.merchants_to_replay(database, actor, chosen)
        trial = Trial.of(rules.rules)
        async for grown in review_trial.try_rules(database, actor, rules, input.from_, input.to, known):
            trial = grown
        return ReviewRulesTried(rows=[ReviewTrialRow.of(each) for each in trial.tallies.values()])
