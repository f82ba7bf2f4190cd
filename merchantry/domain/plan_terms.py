"""The terms of a plan's rules as JSON, read over what the plan says for all of them.

    TERMS = {"rate_bps": 1200  or  "tiers": TIERS,
             "fixed_minor": AMOUNT, "fixed_per": "line" | "unit" | "order", "floor_minor": AMOUNT, "cap_minor": AMOUNT,
             "base": "goods" | "goods_and_shipping", "base_tax": "gross" | "net", "commission_tax_bps": 1900,
             "beneficiaries": [{"name": …, "kind": "supplier" | "affiliate", "of": "merchant" | "commission",
                                "share_bps": 500  or  "fixed_minor": AMOUNT}],
             "payment_fee": {"bps": 290, "fixed_minor": AMOUNT, "borne_by": "platform" | "merchant"},
             "refund_policy": "full" | "proportional" | "keep_fixed" | "minus_administration_fee",
             "administration_fee": {"bps": 2000, "cap_minor": AMOUNT}}
    TIERS = {"mode": "marginal" | "retroactive", "window": "calendar_month" | "settlement_period",
             "time_zone": IANA name for a calendar month, "refunds_lower_volume": true | false,
             "steps": [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": AMOUNT, "rate_bps": 800}]}

An AMOUNT is an integer of minor units in the plan's currency, or an object {currency: integer}.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from merchantry.domain.beneficiary import Beneficiary, BeneficiaryKind, ShareOf
from merchantry.domain.money import BPS
from merchantry.domain.payment_fee import FeeBearer, PaymentFee
from merchantry.domain.plan import BaseTax, CommissionBase, FixedPer, Terms
from merchantry.domain.plan_reader import Reader
from merchantry.domain.refund_policy import RefundPolicy, ReturnKind
from merchantry.domain.tiers import Step, TierMode, Tiers, TierWindow

MAX_STEPS: Final = 20
MAX_BENEFICIARIES: Final = 10

AMOUNTS: Final = ("fixed_minor", "floor_minor", "cap_minor")
SETTINGS: Final = (
    *AMOUNTS,
    "fixed_per",
    "base",
    "base_tax",
    "tiers",
    "commission_tax_bps",
    "beneficiaries",
    "payment_fee",
    "refund_policy",
    "administration_fee",
)
"""What a plan may say for all its rules, and each rule for itself."""

TERMS: Final = ("rate_bps", *SETTINGS)


class TermsReader(Reader):
    """Reads terms. `written_in` is the currency of amounts without one, `common` what holds where nothing is said."""

    def __init__(self) -> None:
        super().__init__()
        self.written_in = "XXX"  # no currency: so that mistakes elsewhere show even where the plan's currency is one

    def terms(self, path: str, value: object, common: Terms) -> Terms:
        """A rule's terms: its own over the common ones."""
        fields = self.members(path, value, TERMS)
        if fields is None:
            return common
        rated = self._rated(path, fields, common)
        if "fixed_per" in fields and "fixed_minor" not in fields:
            self.mend(f"{path}.fixed_per", "give fixed_minor beside it")
        terms = self.settings(path, fields, rated)
        return terms if terms.fixed_minor else replace(terms, fixed_per=FixedPer.LINE)

    def settings(self, path: str, fields: Mapping[str, object], common: Terms) -> Terms:
        """What is said here, but for the rate and its tiers, over the common terms."""
        amounts = self._amounts(path, fields, common)
        per = self.choice(f"{path}.fixed_per", fields["fixed_per"], FixedPer) if "fixed_per" in fields else None
        base = self.choice(f"{path}.base", fields["base"], CommissionBase) if "base" in fields else None
        base_tax = self.choice(f"{path}.base_tax", fields["base_tax"], BaseTax) if "base_tax" in fields else None
        tax_bps: int | None = common.commission_tax_bps
        if "commission_tax_bps" in fields:
            tax_bps = self.integer(f"{path}.commission_tax_bps", fields["commission_tax_bps"], BPS)
        parties, fee = common.beneficiaries, common.payment_fee
        if "beneficiaries" in fields:
            parties = self._beneficiaries(f"{path}.beneficiaries", fields["beneficiaries"])
        if "payment_fee" in fields:
            fee = self._payment_fee(f"{path}.payment_fee", fields["payment_fee"])
        return replace(
            common,
            fixed_minor=amounts["fixed_minor"],
            floor_minor=amounts["floor_minor"],
            cap_minor=amounts["cap_minor"],
            fixed_per=per or common.fixed_per,
            base=base or common.base,
            base_tax=base_tax or common.base_tax,
            commission_tax_bps=tax_bps or 0,
            beneficiaries=parties,
            payment_fee=fee,
            refund_policy=self._refund_policy(path, fields, common.refund_policy),
        )

    def tiers(self, path: str, value: object) -> Tiers | None:
        """Volume tiers; None, without a problem, where they are null: no tiers."""
        known = ("mode", "window", "time_zone", "refunds_lower_volume", "steps")
        fields = None if value is None else self.members(path, value, known)
        if fields is None:
            return None
        mode = self.choice(f"{path}.mode", fields.get("mode"), TierMode)
        window = self.choice(f"{path}.window", fields.get("window"), TierWindow)
        zone = self._time_zone(f"{path}.time_zone", fields.get("time_zone"), window)
        lower = self.flag(f"{path}.refunds_lower_volume", fields.get("refunds_lower_volume"))
        steps = self._steps(f"{path}.steps", fields.get("steps"), mode)
        if mode is None or window is None or lower is None or not steps:
            return None
        return Tiers(mode, window, zone, lower, steps)

    def _rated(self, path: str, fields: Mapping[str, object], common: Terms) -> Terms:
        """The common terms with this rule's rate: its own, else its own tiers', else the plan's tiers'."""
        own = fields.get("tiers")
        if own is not None and "rate_bps" in fields:
            self.mend(f"{path}.rate_bps", "leave it out: the steps of tiers give the rates")
        if own is not None:
            tiers = self.tiers(f"{path}.tiers", own)
        elif "tiers" in fields or "rate_bps" in fields or common.tiers is None:
            rate_bps = self.integer(f"{path}.rate_bps", fields.get("rate_bps"), BPS)
            return replace(common, rate_bps=rate_bps or 0, tiers=None)
        else:
            tiers = common.tiers
        return replace(common, rate_bps=tiers.steps[0].rate_bps if tiers else 0, tiers=tiers)

    def _amounts(self, path: str, fields: Mapping[str, object], common: Terms) -> dict[str, dict[str, int]]:
        own = {
            name: self.amount(f"{path}.{name}", fields[name], self.written_in) if name in fields else {}
            for name in AMOUNTS
        }
        amounts = {name: {**getattr(common, name), **own[name]} for name in AMOUNTS}
        floors, caps = amounts["floor_minor"], amounts["cap_minor"]
        for code in sorted(own["floor_minor"].keys() | own["cap_minor"].keys()):
            if code in floors and code in caps and floors[code] > caps[code]:
                self.mend(path, f"lower floor_minor ({floors[code]} {code}) or raise cap_minor ({caps[code]} {code})")
        return amounts

    def _time_zone(self, path: str, value: object, window: TierWindow | None) -> str | None:
        if window is TierWindow.SETTLEMENT_PERIOD:
            if value is not None:
                self.mend(path, "leave it out: a settlement period is in its merchant's zone")
            return None
        try:
            if isinstance(value, str):
                return ZoneInfo(value).key
        except (ValueError, OSError, LookupError):
            pass  # whatever the name is, it is no zone
        self.mend(path, "give the IANA name of the months' time zone, such as America/Sao_Paulo")
        return None

    def _steps(self, path: str, value: object, mode: TierMode | None) -> tuple[Step, ...]:
        items = self.objects(path, value, ("from_minor", "rate_bps"), MAX_STEPS) or []
        steps: list[Step] = []
        reached: dict[str, int] = {}
        for number, (item_path, item) in enumerate(items):
            start = self.amount(f"{item_path}.from_minor", item.get("from_minor"), self.written_in)
            rate_bps = self.integer(f"{item_path}.rate_bps", item.get("rate_bps"), BPS)
            if number == 0 and any(start.values()):
                self.mend(f"{item_path}.from_minor", "give 0: the first step starts at nothing")
            if number and item.get("from_minor") == {}:
                self.mend(f"{item_path}.from_minor", "give an amount in at least one currency")
            for code, amount in start.items() if number else ():
                if amount <= reached.get(code, 0):
                    self.mend(
                        f"{item_path}.from_minor", f"raise it above {reached.get(code, 0)} {code}, the step before"
                    )
            if mode is TierMode.RETROACTIVE and steps and rate_bps is not None and rate_bps > steps[-1].rate_bps:
                self.mend(f"{item_path}.rate_bps", "lower it: what is sold already is never made dearer")
            reached |= start
            steps.append(Step(start if number else {}, rate_bps or 0))
        if value == []:
            self.mend(path, "give at least the step from 0")
        return tuple(steps)

    def _beneficiaries(self, path: str, value: object) -> tuple[Beneficiary, ...]:
        known = ("name", "kind", "of", "share_bps", "fixed_minor")
        read = [self._beneficiary(*item) for item in self.objects(path, value, known, MAX_BENEFICIARIES) or ()]
        parties = tuple(party for party in read if party is not None)
        if len({party.name for party in parties}) < len(parties):
            self.mend(path, "name each beneficiary once")
        for part in ShareOf:
            if sum(party.share_bps or 0 for party in parties if party.of is part) > BPS:
                self.mend(path, f"give away at most {BPS} basis points of the {part}'s part")
        return parties

    def _beneficiary(self, path: str, fields: Mapping[str, object]) -> Beneficiary | None:
        name = self.name(f"{path}.name", fields.get("name"))
        kind = self.choice(f"{path}.kind", fields.get("kind"), BeneficiaryKind)
        part = self.choice(f"{path}.of", fields.get("of"), ShareOf)
        if ("share_bps" in fields) is ("fixed_minor" in fields):
            self.mend(path, "give either share_bps or fixed_minor")
            return None
        share_bps, fixed_minor = None, {}
        if "share_bps" in fields:
            share_bps = self.integer(f"{path}.share_bps", fields["share_bps"], BPS)
        else:
            fixed_minor = self.amount(f"{path}.fixed_minor", fields["fixed_minor"], self.written_in)
        if name is None or kind is None or part is None:
            return None
        return Beneficiary(name, kind, part, share_bps, fixed_minor)

    def _payment_fee(self, path: str, value: object) -> PaymentFee | None:
        fields = None if value is None else self.members(path, value, ("bps", "fixed_minor", "borne_by"))
        if fields is None:
            return None
        bps = self.integer(f"{path}.bps", fields.get("bps"), BPS)
        bearer = self.choice(f"{path}.borne_by", fields.get("borne_by"), FeeBearer)
        fixed = (
            self.amount(f"{path}.fixed_minor", fields["fixed_minor"], self.written_in)
            if "fixed_minor" in fields
            else {}
        )
        return None if bps is None or bearer is None else PaymentFee(bps, bearer, fixed)

    def _refund_policy(self, path: str, fields: Mapping[str, object], common: RefundPolicy) -> RefundPolicy:
        if "refund_policy" not in fields:
            if "administration_fee" in fields:
                self.mend(f"{path}.administration_fee", "give refund_policy beside it: minus_administration_fee")
            return common
        kind = self.choice(f"{path}.refund_policy", fields["refund_policy"], ReturnKind)
        with_fee = kind is ReturnKind.MINUS_ADMINISTRATION_FEE
        fee_path = f"{path}.administration_fee"
        if not with_fee:
            if "administration_fee" in fields and kind is not None:
                self.mend(fee_path, f"leave it out: {kind} has none")
            return RefundPolicy(kind or ReturnKind.FULL)
        fee = self.members(fee_path, fields.get("administration_fee"), ("bps", "cap_minor"))
        if fee is None:
            return common
        bps = self.integer(f"{fee_path}.bps", fee.get("bps"), BPS)
        cap = self.amount(f"{fee_path}.cap_minor", fee["cap_minor"], self.written_in) if "cap_minor" in fee else {}
        return RefundPolicy(ReturnKind.MINUS_ADMINISTRATION_FEE, bps or 0, cap)
