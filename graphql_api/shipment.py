"""Parcels: what is in them, what their carriers tell, and the way of an order as one timeline."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from uuid import UUID

import strawberry

from graphql_api.context import Info
from graphql_api.enums import ParcelStatus
from graphql_api.relay import Node, encode_id
from merchantry.domain import parcel as parcel_rules
from merchantry.domain.parcel import ENDS, Update
from merchantry.domain.parcel import ParcelStatus as Told
from merchantry.services import order_view
from merchantry.services.order_view import OrderView

LONGEST_TIMELINE: Final = 200


@strawberry.type(description="Some of a line, in a parcel.")
class ShipmentLine:
    line_id: strawberry.ID
    quantity: int


@strawberry.type(description="What a carrier told of a parcel.")
class ShipmentUpdate:
    status: ParcelStatus
    at: datetime = strawberry.field(description="When it happened, by the carrier.")
    place: str | None = strawberry.field(description="Where, in the carrier's words.")


@strawberry.type(description="A parcel.")
class Shipment(Node):
    id: strawberry.ID
    carrier: str
    tracking_number: str
    shipped_at: datetime
    delivered_at: datetime | None
    status: ParcelStatus | None = strawberry.field(
        description="What its carrier said of it, or DELIVERED where staff did; null while nobody has said anything."
    )
    expected_on: date | None = strawberry.field(description="The day on which its carrier expects it to arrive.")
    updates: list[ShipmentUpdate] = strawberry.field(
        description="What its carrier told, the earliest first; the latest 50."
    )
    lines: list[ShipmentLine]

    @strawberry.field
    def is_late(self, info: Info) -> bool:
        """The expected day is over everywhere, and it has neither arrived nor gone back."""
        return parcel_rules.is_late(self.expected_on, self.status and Told(self.status), info.context.clock())

    @strawberry.field
    def tracking_url(self, info: Info) -> str | None:
        """Its carrier's page of it, for carriers whose pages the mall knows."""
        template = info.context.tracking_pages.get(parcel_rules.carrier_key(self.carrier))
        return template and parcel_rules.tracking_url(template, self.tracking_number)

    @staticmethod
    def of(merchant_id: UUID, parcel: order_view.Shipment) -> "Shipment":
        """The parcel from its row."""
        return Shipment(
            id=encode_id("Shipment", merchant_id, parcel.order_id, parcel.id),
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
            shipped_at=parcel.shipped_at,
            delivered_at=parcel.delivered_at,
            status=_status(parcel),
            expected_on=parcel.expected_on,
            updates=[ShipmentUpdate(status=each.status, at=each.at, place=each.place) for each in _updates(parcel)],
            lines=[
                ShipmentLine(line_id=encode_id("OrderLine", merchant_id, parcel.order_id, line_id), quantity=quantity)
                for line_id, quantity in zip(parcel.line_ids, parcel.quantities, strict=True)
            ],
        )


@strawberry.type(description="A step on an order's way: something that happened to it, or to one of its parcels.")
class TimelineEntry:
    at: datetime
    kind: str = strawberry.field(description="The act, as of events (place, pay, ship, …), or `carrier`.")
    actor: str = strawberry.field(description="Whose act it was: buyer, staff, platform, system or carrier.")
    shipment_id: strawberry.ID | None = strawberry.field(description="The parcel that it is about.")
    status: ParcelStatus | None = strawberry.field(description="What the carrier told of the parcel.")
    place: str | None = strawberry.field(description="Where, in the carrier's words.")


def timeline(view: OrderView) -> list[TimelineEntry]:
    """The latest steps of an order whose events and parcels are loaded, the earliest first."""
    steps = sorted((*_events(view), *_carried(view)), key=lambda each: each.at)
    return steps[-LONGEST_TIMELINE:]


def expected_on(view: OrderView) -> date | None:
    """The day on which the last of an order's parcels that are on their way is expected, of those whose carrier said
    one."""
    return max((each.expected_on for each in view.shipments if each.expected_on and not _has_ended(each)), default=None)


def _status(parcel: order_view.Shipment) -> ParcelStatus | None:
    told = ParcelStatus(parcel.status) if parcel.status else None
    return ParcelStatus.DELIVERED if parcel.delivered_at and told not in ENDS else told


def _has_ended(parcel: order_view.Shipment) -> bool:
    return _status(parcel) in ENDS


def _updates(parcel: order_view.Shipment) -> Iterator[Update]:
    return map(Update.of, parcel.updates)


def _events(view: OrderView) -> Iterator[TimelineEntry]:
    for each in view.events:
        parcel = each.details.get("shipment")
        yield TimelineEntry(
            at=each.occurred_at,
            kind=each.kind,
            actor=each.actor.split(":")[0],
            shipment_id=encode_id("Shipment", view.merchant_id, each.order_id, UUID(parcel)) if parcel else None,
            status=None,
            place=None,
        )


def _carried(view: OrderView) -> Iterator[TimelineEntry]:
    for parcel in view.shipments:
        shipment_id = encode_id("Shipment", view.merchant_id, parcel.order_id, parcel.id)
        for each in _updates(parcel):
            yield TimelineEntry(
                at=each.at,
                kind="carrier",
                actor="carrier",
                shipment_id=shipment_id,
                status=each.status,
                place=each.place,
            )
