"""Links in mails: whoever has one confirms an address, or ends mail about a group, without signing in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, update

from merchantry.domain.mail import confirm_scope, groups_of, is_confirmation, is_signed, parse_token
from merchantry.domain.notification import BY_MAIL, Channel
from merchantry.languages.language import DEFAULT, Language
from merchantry.services import account_setting, mail_address
from merchantry.services.vault import Vault
from merchantry.tables.notification import notification_preference
from tenancy.database import PlatformSession


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is signed: whose, what for, and what its reader reads."""

    account_id: UUID
    scope: str
    language: Language

    @property
    def confirms(self) -> bool:
        """Whether it confirms an address; else it ends mail."""
        return is_confirmation(self.scope)


async def read(session: PlatformSession, vault: Vault, token: str) -> Link | None:
    """The link of a token; None, alike, for what is none, is forged, or has ended. Raises VaultError."""
    parsed = parse_token(token)
    if parsed is None:
        return None
    account_id, scope, signature = parsed
    secret = await mail_address.secret_of(session, vault, account_id)
    if secret is None or not is_signed(account_id, scope, signature, secret):
        return None
    if is_confirmation(scope):
        address = await mail_address.find(session, vault, account_id)
        if address is None or not address.is_own or confirm_scope(address.email) != scope:
            return None
    chosen = await account_setting.languages(session, [account_id])
    return Link(account_id, scope, chosen.get(account_id, DEFAULT))


async def follow(session: PlatformSession, vault: Vault, token: str, now: datetime) -> Link | None:
    """Do what a link is for; done again, it changes nothing. None for what :func:`read` does not know."""
    link = await read(session, vault, token)
    if link is None:
        return None
    if link.confirms:
        await mail_address.confirm(session, link.account_id, now)
        return link
    table = notification_preference.c
    groups, channels = groups_of(link.scope), BY_MAIL
    if len(groups) > 1:
        channels = frozenset({Channel.DIGEST})
    ended = update(notification_preference).where(
        table.account_id == link.account_id,
        table.kinds == func.any([group.value for group in groups]),
        table.channel == func.any([channel.value for channel in channels]),
    )
    await session.execute(ended.values(channel=Channel.IN_APP.value, set_at=now))
    return link
