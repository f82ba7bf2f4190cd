"""A commission plan as JSON: read with every mistake named by its path and remedy, and written back canonically.

    {"name": …, "currency": "BRL", "base": "goods" | "goods_and_shipping", "hold_days": 7,
     "default": TERMS,
     "product_categories": {code: TERMS}, "merchant_categories": {code: TERMS},
     "merchants": {slug: TERMS with "product_categories": {code: TERMS}},
     "fixed_minor": AMOUNT, "floor_minor": AMOUNT, "cap_minor": AMOUNT}

TERMS are {"rate_bps", "fixed_minor", "floor_minor", "cap_minor"}, an AMOUNT is an integer in the plan's currency or an
object {currency: integer}. The plan's own amounts hold in every rule, for each currency in which the rule does not say
its own. A merchant may have product categories without a rate of its own.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from merchantry.domain.errors import PlanInvalid
from merchantry.domain.money import BPS, CURRENCY_DIGITS, MAX_AMOUNT_MINOR
from merchantry.domain.plan import CommissionBase, Plan, Rule, Terms

MAX_HOLD_DAYS: Final = 365
MAX_NAME: Final = 100

_AMOUNTS: Final = ("fixed_minor", "floor_minor", "cap_minor")
_TERMS: Final = ("rate_bps", *_AMOUNTS)
_TABLES: Final = ("product_categories", "merchant_categories", "merchants")
_PLAN: Final = ("name", "currency", "base", "hold_days", "default", *_TABLES, *_AMOUNTS)
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BARE_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Amounts = dict[str, dict[str, int]]


class _Object(dict[str, object]):
    """A JSON object that remembers which of its keys came twice."""

    doubled: tuple[str, ...] = ()


def parse_plan(document: object) -> Plan:
    """The plan that a parsed JSON document describes. Raises PlanInvalid with all its mistakes."""
    reader = _Reader()
    plan = reader.plan(document)
    if plan is None or reader.problems:
        raise PlanInvalid(problems=tuple(reader.problems))
    return plan


def plan_from_json(text: str | bytes) -> Plan:
    """The plan in a JSON text. Raises PlanInvalid for text that is no JSON and for keys that come twice as well."""
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise PlanInvalid(problems=(("$", f"write it as JSON in UTF-8: {error}"),)) from error
    return parse_plan(document)


def plan_document(plan: Plan) -> dict[str, object]:
    """The plan as a JSON document: every rule with all its own amounts by currency, keys in order.

    `parse_plan` makes the same plan of it again; two plans that rate alike by the same rules give the same document.
    """
    document: dict[str, object] = {
        "name": plan.name,
        "currency": plan.currency,
        "base": plan.base.value,
        "hold_days": plan.hold_days,
    }
    product_categories: dict[str, object] = {}
    merchant_categories: dict[str, object] = {}
    merchants: dict[str, dict[str, object]] = {}
    for rule in sorted(plan.rules, key=_order):
        terms = _terms_document(rule.terms)
        if rule.merchant is not None:
            merchant = merchants.setdefault(rule.merchant, {})
            if rule.product_category is None:
                merchant.update(terms)
            else:
                nested = merchant.setdefault("product_categories", {})
                if isinstance(nested, dict):
                    nested[rule.product_category] = terms
        elif rule.product_category is not None:
            product_categories[rule.product_category] = terms
        elif rule.merchant_category is not None:
            merchant_categories[rule.merchant_category] = terms
        else:
            document["default"] = terms
    tables = {
        "product_categories": product_categories,
        "merchant_categories": merchant_categories,
        "merchants": merchants,
    }
    return document | {name: table for name, table in tables.items() if table}


class _Reader:
    """Walks a document, and collects what is wrong instead of stopping at the first mistake."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def plan(self, document: object) -> Plan | None:
        fields = self._object("$", document, _PLAN)
        if fields is None:
            return None
        name = self._name("$.name", fields.get("name"))
        currency = self._currency("$.currency", fields.get("currency"))
        base = self._base("$.base", fields.get("base"))
        hold_days = self._integer("$.hold_days", fields.get("hold_days"), MAX_HOLD_DAYS)
        written_in = currency or "XXX"  # so that mistakes elsewhere show even where the currency is one
        common = self._amounts("$", fields, written_in, {})
        rules = tuple(sorted(self._rules(fields, written_in, common), key=_order))
        if name is None or currency is None or base is None or hold_days is None or self.problems:
            return None
        return Plan(name=name, currency=currency, base=base, hold_days=hold_days, rules=rules)

    def _rules(self, fields: Mapping[str, object], currency: str, common: _Amounts) -> Iterator[Rule]:
        terms = self._terms("$.default", fields.get("default"), currency, common)
        yield Rule(merchant=None, merchant_category=None, product_category=None, terms=terms)
        for path, code, value in self._table("$", "product_categories", fields):
            terms = self._terms(path, value, currency, common)
            yield Rule(merchant=None, merchant_category=None, product_category=code, terms=terms)
        for path, code, value in self._table("$", "merchant_categories", fields):
            terms = self._terms(path, value, currency, common)
            yield Rule(merchant=None, merchant_category=code, product_category=None, terms=terms)
        for path, slug, value in self._table("$", "merchants", fields):
            yield from self._merchant_rules(path, slug, value, currency, common)

    def _merchant_rules(self, path: str, slug: str, value: object, currency: str, common: _Amounts) -> Iterator[Rule]:
        if not _SLUG.fullmatch(slug):
            self._mend(path, "name the merchant by its slug: lower-case letters, digits and hyphens, at most 63")
        fields = self._object(path, value, (*_TERMS, "product_categories"))
        if fields is None:
            return
        own = {key: field for key, field in fields.items() if key != "product_categories"}
        if own or not fields.get("product_categories"):
            terms = self._terms(path, own, currency, common)
            yield Rule(merchant=slug, merchant_category=None, product_category=None, terms=terms)
        for category_path, code, category in self._table(path, "product_categories", fields):
            terms = self._terms(category_path, category, currency, common)
            yield Rule(merchant=slug, merchant_category=None, product_category=code, terms=terms)

    def _table(self, path: str, name: str, fields: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
        """The members of an optional object of names that the plan chooses."""
        if name not in fields:
            return
        members = self._object(_member(path, name), fields[name], None)
        for key, value in (members or {}).items():
            member_path = _member(_member(path, name), key)
            if self._name(member_path, key) is not None:
                yield member_path, key, value

    def _terms(self, path: str, value: object, currency: str, common: _Amounts) -> Terms:
        fields = self._object(path, value, _TERMS)
        if fields is None:
            return Terms(rate_bps=0)
        rate_bps = self._integer(f"{path}.rate_bps", fields.get("rate_bps"), BPS)
        amounts = self._amounts(path, fields, currency, common)
        return Terms(rate_bps=rate_bps or 0, **amounts)

    def _amounts(self, path: str, fields: Mapping[str, object], currency: str, common: _Amounts) -> _Amounts:
        """What is given here, over what the plan gives for every rule."""
        own = {
            name: self._amount(f"{path}.{name}", fields[name], currency) if name in fields else {} for name in _AMOUNTS
        }
        amounts = {name: common.get(name, {}) | own[name] for name in _AMOUNTS}
        floors, caps = amounts["floor_minor"], amounts["cap_minor"]
        for code in sorted(own["floor_minor"].keys() | own["cap_minor"].keys()):
            if code in floors and code in caps and floors[code] > caps[code]:
                self._mend(path, f"lower floor_minor ({floors[code]} {code}) or raise cap_minor ({caps[code]} {code})")
        return amounts

    def _amount(self, path: str, value: object, currency: str) -> dict[str, int]:
        if not isinstance(value, dict):
            amount = self._integer(path, value, MAX_AMOUNT_MINOR, " of minor units, or an object {currency: integer}")
            return {} if amount is None else {currency: amount}
        amounts = {}
        for key, item in (self._object(path, value, None) or {}).items():
            code = self._currency(_member(path, key), key)
            amount = self._integer(_member(path, key), item, MAX_AMOUNT_MINOR, " of minor units")
            if code is not None and amount is not None:
                amounts[code] = amount
        return dict(sorted(amounts.items()))

    def _object(self, path: str, value: object, known: tuple[str, ...] | None) -> dict[str, object] | None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            self._mend(path, "add an object here" if value is None else "write an object here")
            return None
        for key in getattr(value, "doubled", ()):
            self._mend(_member(path, key), "keep only one of the members with this name")
        for key in value:
            if known is not None and key not in known:
                self._mend(_member(path, key), f"remove it, or use one of: {', '.join(known)}")
        return value

    def _integer(self, path: str, value: object, limit: int, what: str = "") -> int | None:
        if type(value) is not int or not 0 <= value <= limit:
            self._mend(path, f"give an integer from 0 to {limit}{what}")
            return None
        return value

    def _name(self, path: str, value: object) -> str | None:
        if (
            not isinstance(value, str)
            or not value.isprintable()
            or value.strip() != value
            or not 0 < len(value) <= MAX_NAME
        ):
            self._mend(path, f"give a text of 1 to {MAX_NAME} printable characters, without spaces at its ends")
            return None
        return value

    def _currency(self, path: str, value: object) -> str | None:
        if not isinstance(value, str) or value not in CURRENCY_DIGITS:
            self._mend(path, "give an ISO 4217 currency code in use, such as BRL")
            return None
        return value

    def _base(self, path: str, value: object) -> CommissionBase | None:
        if not isinstance(value, str) or value not in set(CommissionBase):
            self._mend(path, f"give one of: {', '.join(CommissionBase)}")
            return None
        return CommissionBase(value)

    def _mend(self, path: str, remedy: str) -> None:
        self.problems.append((path, remedy))


def _object(pairs: list[tuple[str, object]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        made.doubled = tuple(key for key in made if counts[key] > 1)
    return made


def _order(rule: Rule) -> tuple[int, str, str]:
    """Where a rule stands in a plan: by precedence, then by name."""
    return rule.rank, rule.merchant or rule.merchant_category or "", rule.product_category or ""


def _terms_document(terms: Terms) -> dict[str, object]:
    amounts = {name: dict(sorted(getattr(terms, name).items())) for name in _AMOUNTS}
    return {"rate_bps": terms.rate_bps} | {name: amount for name, amount in amounts.items() if amount}


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if _BARE_KEY.fullmatch(key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"
