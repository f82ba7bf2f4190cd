"""Review rules as JSON: read with every mistake named by its path and remedy, and written back.

    {"name": …, "rules": [
       {"name": …, "title": …, "subject": "order", "kind": "amount", "outcome": "flag" | "hold", "sla_hours": 24,
        PARAMETERS of the kind, and either of "merchants": [slug], "merchant_categories": [category]}]}

`FORMS` says which subjects a kind can be about, and which parameters it must have. A rule for neither merchants nor
categories is for everybody. A set without rules is one that switches review off.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from merchantry.domain.errors import PlanInvalid, RulesInvalid
from merchantry.domain.plan_reader import Reader, json_document, member
from merchantry.domain.review import Counted, Outcome, Parameters, Rule, RuleKind, RuleSet, RuleSubject

MAX_RULES: Final = 50
MAX_NAMES: Final = 1_000
MAX_HOURS: Final = 24 * 366
MAX_DAYS: Final = 366
MAX_COUNT: Final = 1_000_000
MAX_BPS: Final = 1_000_000

_K, _S = RuleKind, RuleSubject

FORMS: Final[Mapping[RuleKind, tuple[tuple[RuleSubject, ...], tuple[str, ...]]]] = MappingProxyType(
    {
        _K.AMOUNT: ((_S.ORDER, _S.REFUND, _S.PAYOUT), ("above_minor",)),
        _K.VELOCITY: ((_S.ORDER,), ("of", "more_than", "hours")),
        _K.REFUND_RATIO: ((_S.REFUND,), ("above_bps", "least_minor", "days")),
        _K.NEW_PAYEE: ((_S.PAYOUT, _S.PAYEE), ("days",)),
        _K.COMMISSION_FAR_FROM_PLAN: ((_S.SPLIT,), ("above_bps",)),
        _K.PRICE_FAR_FROM_HISTORY: ((_S.PRICE,), ("above_bps", "least_sales")),
        _K.BUYER_IS_STAFF: ((_S.ORDER,), ()),
        _K.SUMS_DIFFER: ((_S.SPLIT,), ()),
    }
)

_LIMITS: Final = MappingProxyType(
    {
        "above_bps": MAX_BPS,
        "more_than": MAX_COUNT,
        "least_sales": MAX_COUNT,
        "hours": MAX_HOURS,
        "days": MAX_DAYS,
    }
)
_ALWAYS: Final = ("name", "title", "subject", "kind", "outcome", "sla_hours")
_SCOPE: Final = ("merchants", "merchant_categories")
_PARAMETERS: Final = ("above_minor", "least_minor", "of", *_LIMITS)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def parse_rules(document: object) -> RuleSet:
    """The rules that a parsed JSON document describes. Raises RulesInvalid with all its mistakes."""
    reader = _RulesReader()
    rules = reader.rule_set(document)
    if rules is None or reader.problems:
        raise RulesInvalid(problems=tuple(reader.problems))
    return rules


def rules_from_json(text: str | bytes) -> RuleSet:
    """The rules in a JSON text. Raises RulesInvalid for text that is no JSON as well."""
    try:
        return parse_rules(json_document(text))
    except PlanInvalid as error:
        raise RulesInvalid(problems=error.problems) from error


def rules_document(rules: RuleSet) -> dict[str, Any]:
    """What `parse_rules` reads."""
    return {"name": rules.name, "rules": [_document(rule) for rule in rules.rules]}


def _document(rule: Rule) -> dict[str, Any]:
    given = {name: getattr(rule.parameters, name) for name in FORMS[rule.kind][1]}
    written = {name: dict(each) if isinstance(each, Mapping) else each for name, each in given.items()}
    scope = {name: list(each) for name in _SCOPE if (each := getattr(rule, name))}
    return {**{name: getattr(rule, name) for name in _ALWAYS}, **written, **scope}


class _RulesReader(Reader):
    def rule_set(self, document: object) -> RuleSet | None:
        fields = self.members("$", document, ("name", "rules"))
        if fields is None:
            return None
        name = self.name("$.name", fields.get("name"))
        known = (*_ALWAYS, *_PARAMETERS, *_SCOPE)
        found = self.objects("$.rules", fields.get("rules"), known, MAX_RULES) or []
        rules = [self._rule(path, item) for path, item in found]
        self._refuse_doubles([(path, item.get("name")) for path, item in found])
        if name is None or self.problems:
            return None
        return RuleSet(name, tuple(rule for rule in rules if rule is not None))

    def _refuse_doubles(self, names: list[tuple[str, object]]) -> None:
        seen = set[str]()
        for path, name in names:
            if isinstance(name, str) and name in seen:
                self.mend(f"{path}.name", "give a name that no other rule has")
            seen.add(str(name))

    def _rule(self, path: str, fields: Mapping[str, object]) -> Rule | None:
        name = fields.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self.mend(f"{path}.name", "give a word of lower-case letters, digits and hyphens, at most 63")
        title = self.name(f"{path}.title", fields.get("title"))
        subject = self.choice(f"{path}.subject", fields.get("subject"), RuleSubject)
        kind = self.choice(f"{path}.kind", fields.get("kind"), RuleKind)
        outcome = self._outcome(path, fields.get("outcome"), subject)
        sla_hours = self.integer(f"{path}.sla_hours", fields.get("sla_hours"), MAX_HOURS)
        scope = {each: self._names(f"{path}.{each}", fields.get(each)) for each in _SCOPE}
        if kind is None or subject is None:
            return None
        if subject not in FORMS[kind][0]:
            self.mend(f"{path}.subject", f"for the kind {kind} give one of: {', '.join(FORMS[kind][0])}")
        parameters = self._parameters(path, fields, kind)
        if title is None or outcome is None or sla_hours is None:
            return None
        return Rule(str(name), title, subject, kind, outcome, sla_hours, parameters, **scope)

    def _outcome(self, path: str, value: object, subject: RuleSubject | None) -> Outcome | None:
        outcome = self.choice(f"{path}.outcome", value, Outcome)
        if outcome is Outcome.PASS:
            self.mend(f"{path}.outcome", "give flag or hold: it passes where nothing is odd")
        if outcome is Outcome.HOLD and subject is RuleSubject.PAYEE:
            self.mend(f"{path}.outcome", "give flag: a new account waits for its verification anyway")
        return outcome

    def _names(self, path: str, value: object) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not 0 < len(value) <= MAX_NAMES:
            self.mend(path, f"give a list of 1 to {MAX_NAMES} names, or leave it out")
            return ()
        read = [self.name(f"{path}[{position}]", each) for position, each in enumerate(value)]
        return tuple(each for each in read if each is not None)

    def _parameters(self, path: str, fields: Mapping[str, object], kind: RuleKind) -> Parameters:
        wanted = FORMS[kind][1]
        for name in _PARAMETERS:
            if name in fields and name not in wanted:
                self.mend(member(path, name), f"remove it: the kind {kind} has {', '.join(wanted) or 'no parameters'}")
        read: dict[str, Any] = {name: self._parameter(f"{path}.{name}", name, fields.get(name)) for name in wanted}
        return Parameters(**{name: value for name, value in read.items() if value is not None})

    def _parameter(self, path: str, name: str, value: object) -> Any:
        if name == "of":
            return self.choice(path, value, Counted)
        if name in _LIMITS:
            return self.integer(path, value, _LIMITS[name])
        if not isinstance(value, dict) or not value:
            self.mend(path, "give an object {currency: integer of minor units}")
            return None
        return self.amount(path, value, "")
