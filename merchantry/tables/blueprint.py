"""What a merchant's schema is made of, for provisioning, and the two lines of revisions."""

from functools import cache
from pathlib import Path

import migrations
from merchantry.tables import account as _account
from merchantry.tables import backup as _backup
from merchantry.tables import case as _case
from merchantry.tables import contact as _contact
from merchantry.tables import dispute as _dispute
from merchantry.tables import listing as _listing
from merchantry.tables import log as _log
from merchantry.tables import mail as _mail
from merchantry.tables import merchant as _merchant
from merchantry.tables import merchant_settlement as _merchant_settlement
from merchantry.tables import notification as _notification
from merchantry.tables import outbox as _outbox
from merchantry.tables import payout as _payout
from merchantry.tables import platform as _platform
from merchantry.tables import price_terms as _price_terms
from merchantry.tables import reconciliation as _reconciliation
from merchantry.tables import report as _report
from merchantry.tables import review as _review
from merchantry.tables import settlement as _settlement
from merchantry.tables import verification as _verification
from merchantry.tables import webhook as _webhook
from merchantry.tables import winding_up as _winding_up
from tenancy.migrations import Revisions
from tenancy.provisioning import Blueprint
from tenancy.tables import merchant_metadata, platform_metadata

MERCHANT_TABLES = merchant_metadata
PLATFORM_TABLES = platform_metadata
_defined = (
    _account,
    _backup,
    _case,
    _contact,
    _dispute,
    _listing,
    _log,
    _mail,
    _merchant,
    _merchant_settlement,
    _notification,
    _outbox,
    _payout,
    _platform,
    _price_terms,
    _reconciliation,
    _report,
    _review,
    _settlement,
    _verification,
    _webhook,
    _winding_up,
)
"""Importing them fills the two collections."""

HERE = Path(__file__).parent
REVISIONS = Path(str(migrations.__file__)).parent


@cache
def platform_revisions() -> Revisions:
    """Revisions of schema ``platform``."""
    return Revisions(REVISIONS / "platform")


@cache
def merchant_revisions() -> Revisions:
    """Revisions of every merchant's schema."""
    return Revisions(REVISIONS / "merchant")


@cache
def blueprint() -> Blueprint:
    """A merchant's schema at the newest version."""
    return Blueprint(MERCHANT_TABLES, (HERE / "merchant_extra.sql").read_text(), merchant_revisions().head)
