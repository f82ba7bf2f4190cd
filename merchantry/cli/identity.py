"""Whose tokens a server accepts: the operator's identity providers, or the development issuer."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation
from tenancy.issuers import Issuer, Issuers, discovered, with_keys, with_keys_at
from tenancy.middleware import Verifier
from tenancy.token_keys import read_keys


def verifier_of(
    opened: Installation, discover: Sequence[str], keys: Sequence[str], issuers: Sequence[str], audience: str
) -> Verifier:
    """Of the identity providers that are given, else of the development issuer. Raises CommandRefused."""
    if len(keys) != len(issuers):
        raise CommandRefused("Give one --jwt-issuer for each --jwt-keys, or --oidc-issuer, or none of them.")
    if not discover and not keys:
        return opened.issuer.verifier()
    try:
        found = [*_given(discover, keys, issuers, audience)]
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    if len({issuer.name for issuer in found}) < len(found):
        raise CommandRefused("An issuer is given twice: its keys are in one place.")
    return Issuers(found)


def _given(discover: Sequence[str], keys: Sequence[str], issuers: Sequence[str], audience: str) -> Iterator[Issuer]:
    for address in discover:
        yield discovered(address, audience)
    for where, issuer in zip(keys, issuers, strict=True):
        if "://" in where:
            yield with_keys_at(issuer, audience, where)
        else:
            yield with_keys(issuer, audience, partial(read_keys, Path(where)))
