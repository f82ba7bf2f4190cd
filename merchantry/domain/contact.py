"""A buyer's contact data: whom and where an order goes to, and whether whoever asks is shown it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from merchantry.domain.errors import InvalidInput

LONGEST_EMAIL: Final = 254
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")


class ContactStatus(StrEnum):
    """Whether contact data is shown."""

    SHOWN = "shown"
    WITHHELD = "withheld"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Contact:
    """The address is there exactly where it is shown."""

    status: ContactStatus
    address: Mapping[str, Any] | None = field(default=None, repr=False)


def check_email(text: str, path: tuple[str | int, ...]) -> str:
    """An address that mail can be sent to, trimmed. Raises InvalidInput."""
    address = text.strip()
    if len(address) > LONGEST_EMAIL or not address.isprintable() or not _EMAIL.fullmatch(address):
        raise InvalidInput(reason="Give an e-mail address, such as name@example.com.", path=path)
    return address


WITHHELD: Final = Contact(ContactStatus.WITHHELD)
ERASED: Final = Contact(ContactStatus.ERASED)
