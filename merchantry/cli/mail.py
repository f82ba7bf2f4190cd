"""Options about mail, of whatever sends it or asks people where to."""

from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.verify_last import time_of_day
from merchantry.domain.errors import InvalidInput
from merchantry.gateways.smtp import SmtpServer, UrlRefused
from merchantry.jobs.tools import Mailing
from merchantry.mail.letters import sender_of

SmtpUrl = Annotated[
    str | None,
    typer.Option(
        "--smtp-url",
        envvar="MERCHANTRY_SMTP_URL",
        show_envvar=True,
        metavar="URL",
        help="The mail server, smtp://user:password@host:port?tls=starttls|tls|none; without one there is no mail.",
    ),
]
MailFrom = Annotated[
    str | None,
    typer.Option(
        "--mail-from",
        envvar="MERCHANTRY_MAIL_FROM",
        metavar="SENDER",
        help="Whose mail it is, 'News <news@mall.example>'; no-reply at the mall's domain if not given.",
    ),
]
StorefrontUrl = Annotated[
    str | None,
    typer.Option(
        "--storefront-url",
        envvar="MERCHANTRY_STOREFRONT_URL",
        metavar="URL",
        help="Where buyers see the mall; mails about an order lead to /orders/<number> below it. Without: no links.",
    ),
]
DigestAt = Annotated[
    str,
    typer.Option(
        "--digest-at",
        envvar="MERCHANTRY_DIGEST_AT",
        metavar="HH:MM",
        help="When a day's news are sent to those who want one mail a day, in the mall's time zone.",
    ),
]


def mailing_of(
    url: str | None, sender: str | None, digest_at: str, domain: str, public_url: str, storefront_url: str | None = None
) -> Mailing | None:
    """How mail is sent, if it is. Raises CommandRefused, which shows nothing of the URL."""
    if not url:
        return None
    at = time_of_day(digest_at, "--digest-at")
    if at is None:
        raise CommandRefused("--digest-at needs a time of day, such as 08:00.")
    try:
        server = SmtpServer.parse(url)
        server.check()
        return Mailing(server, sender_of(sender or f"no-reply@{domain}", domain, public_url, storefront_url), at)
    except UrlRefused as error:
        raise CommandRefused(f"--smtp-url can't be used: {error}.") from None
    except InvalidInput as error:
        raise CommandRefused(f"--mail-from can't be used: {error.reason}") from None
