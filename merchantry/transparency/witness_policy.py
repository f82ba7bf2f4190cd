"""Which witnesses a log asks, and how many of them confirm a head; read from a file, in TOML or JSON."""

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from merchantry.domain.note import COSIGNATURE, NoteError, VerifierKey

_FIELDS: Final = {"quorum", "witnesses", "groups"}
_OF_WITNESS: Final = {"vkey", "url", "group"}
_OF_GROUP: Final = {"name", "quorum"}


class PolicyError(ValueError):
    """A policy can't be used; the message begins with the name of the field."""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its public key, where it is asked, and the group that it counts for.

    One without ``url`` can't be reached: it follows the log, and hands its cosignatures in.
    """

    key: VerifierKey
    url: str | None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """A head is confirmed once ``quorum`` witnesses have cosigned it, and of each group as many as it asks for."""

    witnesses: tuple[PolicyWitness, ...]
    quorum: int
    groups: Mapping[str, int]

    def is_met(self, names: Collection[str]) -> bool:
        """Whether the cosignatures of the witnesses with these names confirm a head."""
        cosigners = [each for each in self.witnesses if each.key.name in names]
        of_group = {group: sum(each.group == group for each in cosigners) for group in self.groups}
        return len(cosigners) >= self.quorum and all(of_group[name] >= least for name, least in self.groups.items())

    @property
    def reachable(self) -> tuple[PolicyWitness, ...]:
        """Those that can be asked."""
        return tuple(each for each in self.witnesses if each.url is not None)

    @property
    def enough_to_know(self) -> int:
        """How many must have answered so that at least one of them has cosigned every head that was confirmed.

        No more than can be asked; a policy that is read sees to that.
        """
        return len(self.witnesses) - self.quorum + 1

    @classmethod
    def load(cls, path: Path) -> Self:
        """The policy in a file; its name ends with .json or .toml. Raises PolicyError, OSError."""
        try:
            text = path.read_text(encoding="utf-8")
            document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except ValueError as error:
            raise PolicyError(f"{path} is neither TOML nor JSON (by its name): {error}") from error
        return cls.parse(document)

    @classmethod
    def parse(cls, document: object) -> Self:
        """Raises PolicyError."""
        given = _table(document, "the policy", _FIELDS)
        groups = _groups(given.get("groups", []))
        witnesses = tuple(
            _witness(each, at, groups) for at, each in enumerate(_list(given.get("witnesses"), "witnesses"))
        )
        for name, values in {
            "vkey": [str(each.key) for each in witnesses],
            "vkey's name": [each.key.name for each in witnesses],
        }.items():
            if len(set(values)) != len(values):
                raise PolicyError(f"witnesses: two of them have the same {name}")
        quorum = _count(given.get("quorum"), "quorum", len(witnesses))
        for name, least in groups.items():
            members = sum(each.group == name for each in witnesses)
            if least > members:
                raise PolicyError(f"groups: {name} asks for {least} of {members} witnesses")
        policy = cls(witnesses, quorum, groups)
        if policy.enough_to_know > len(policy.reachable):
            following = len(witnesses) - len(policy.reachable)
            raise PolicyError(
                f"quorum: {following} witnesses have no url and can't be asked before the log goes on; give "
                f"{following + 1} or more, so that one that can be asked has seen every head that is confirmed"
            )
        return policy


def _witness(value: object, at: int, groups: Mapping[str, int]) -> PolicyWitness:
    name = f"witnesses[{at}]"
    given = _table(value, name, _OF_WITNESS)
    try:
        key = VerifierKey.parse(_text(given.get("vkey"), f"{name}.vkey"))
    except NoteError as error:
        raise PolicyError(f"{name}.vkey: {error}") from error
    if key.kind != COSIGNATURE:
        raise PolicyError(f"{name}.vkey: this is the key of a log; `merchantry witness init` prints a witness's")
    group = given.get("group")
    if group is not None and group not in groups:
        raise PolicyError(f"{name}.group: {group!r} is none of the groups")
    return PolicyWitness(key, _url(given["url"], f"{name}.url") if "url" in given else None, group)


def _url(value: object, name: str) -> str:
    url = _text(value, name)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PolicyError(f"{name}: give an address such as https://auditor.example/witness")
    return url.rstrip("/")


def _groups(value: object) -> dict[str, int]:
    groups: dict[str, int] = {}
    for at, each in enumerate(_list(value, "groups")):
        given = _table(each, f"groups[{at}]", _OF_GROUP)
        name = _text(given.get("name"), f"groups[{at}].name")
        if name in groups:
            raise PolicyError(f"groups[{at}].name: there are two groups {name}")
        groups[name] = _count(given.get("quorum"), f"groups[{at}].quorum", None)
    return groups


def _table(value: object, name: str, known: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{name}: give a table with {', '.join(sorted(known))}")
    if strange := sorted(set(value) - set(known)):
        raise PolicyError(f"{name}: {strange[0]} is not known here; known are {', '.join(sorted(known))}")
    return value


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise PolicyError(f"{name}: give a list")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(f"{name}: give a text")
    return value


def _count(value: object, name: str, most: int | None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most is not None and value > most):
        raise PolicyError(
            f"{name}: give a whole number from 1" + ("" if most is None else f" to {most}, the witnesses")
        )
    return value
