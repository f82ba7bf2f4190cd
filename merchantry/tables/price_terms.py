"""Tables of ``platform`` about what changes a price at checkout: coupons, their uses, and rates of sales tax."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from merchantry.tables.columns import count, document, flag, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

coupon = Table(
    "coupon",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("merchant_id"),
    words("code", unique=True),
    words("title"),
    words("status"),
    words("kind"),
    count("percent_bps"),
    document("amount_minor"),
    document("minimum_minor"),
    document("most_minor"),
    count("merchant_share_bps"),
    Column("merchants", ARRAY(Uuid), nullable=False),
    Column("categories", ARRAY(Text), nullable=False),
    Column("products", ARRAY(Uuid), nullable=False),
    instant("starts_at"),
    instant("ends_at", nullable=True),
    count("most_uses", nullable=True),
    count("most_uses_per_buyer", nullable=True),
    count("uses"),
    words("created_by"),
    instant("created_at"),
    CheckConstraint("status IN ('active', 'paused', 'ended')", name="status_is_known"),
    CheckConstraint("kind IN ('percent', 'amount')", name="kind_is_known"),
    CheckConstraint(
        "percent_bps BETWEEN 0 AND 10000 AND merchant_share_bps BETWEEN 0 AND 10000", name="rates_are_shares"
    ),
    CheckConstraint("uses >= 0 AND (most_uses IS NULL OR uses <= most_uses)", name="uses_are_within_limit"),
    Index(None, "merchant_id", "created_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE"),
)
"""``merchant_id`` is whose coupon it is: NOBODY's are the platform's. ``merchant_share_bps`` of it is funded by the
merchants whose lines it lowers. Empty lists of merchants, categories, products mean all of them."""

coupon_use = Table(
    "coupon_use",
    platform_metadata,
    id_of("coupon_id"),
    id_of("checkout_id"),
    id_of("buyer_id"),
    words("status"),
    words("currency"),
    minor("discount_minor"),
    instant("used_at"),
    PrimaryKeyConstraint("coupon_id", "checkout_id"),
    ForeignKeyConstraint(["coupon_id"], ["platform.coupon.id"]),
    CheckConstraint("status IN ('used', 'given_back')", name="status_is_known"),
    Index(None, "coupon_id", "buyer_id"),
    Index(None, "checkout_id"),
    info=grants(platform="SELECT, INSERT, UPDATE (status)"),
)
"""One use of a coupon; a checkout that is never paid gives it back."""

tax_rate = Table(
    "tax_rate",
    platform_metadata,
    id_of("id", primary_key=True),
    words("country"),
    words("region"),
    words("category"),
    words("jurisdiction"),
    count("rate_bps"),
    flag("inclusive"),
    flag("covers_shipping"),
    words("remitted_by"),
    instant("effective_from"),
    words("created_by"),
    CheckConstraint("rate_bps BETWEEN 0 AND 10000", name="rate_is_a_share"),
    CheckConstraint("remitted_by IN ('merchant', 'platform')", name="remitter_is_known"),
    Index(None, "country", "region", "category", "effective_from", unique=True),
    info=grants(platform="SELECT, INSERT"),
)
"""Sales tax by where goods go: the narrowest that fits applies (region before country, category before all, which are
empty texts), the latest that is in force."""
