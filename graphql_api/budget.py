"""What each caller may still spend: buckets of cost that refill, one for who asks and one for the merchant asked about.

They are kept in this process alone: with several processes each has its own, so that a caller who is spread evenly over
N of them can spend N times as much. That keeps the database out of it; what is bounded is the work of one process.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

MAX_BUCKETS = 50_000
"""Callers remembered; the one not heard of for the longest is forgotten first, whose bucket is then full again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket: how much it holds, and how much comes back each second."""

    limit: int
    per_second: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of the tightest of a caller's buckets, and how it refills."""

    remaining: int
    limit: int
    per_second: int


class OverBudget(Exception):
    """The caller has spent what there was. ``retry_after_seconds`` is when this much will be there again."""

    def __init__(self, retry_after_seconds: int, standing: Standing) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds
        self.standing = standing


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Budgets:
    """The buckets of all callers. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def spend(self, claims: Sequence[tuple[Hashable, Allowance]], cost: int) -> Standing:
        """Take the cost from every bucket that is claimed, or from none. Raises OverBudget.

        What costs more than a bucket holds takes a full one, and the rest in advance: else it could never be done.
        """
        now = self._clock()
        found = [(self._filled(key, allowance, now), allowance) for key, allowance in claims]
        waits = [(min(cost, each.limit) - bucket.level) / each.per_second for bucket, each in found]
        if max(waits) > 0:
            raise OverBudget(max(1, math.ceil(max(waits))), _tightest(found))
        for bucket, _ in found:
            bucket.level -= cost
        return _tightest(found)

    def charge(self, claims: Sequence[tuple[Hashable, Allowance]], cost: int) -> None:
        """Take the cost even where it is not there: what was done to refuse a request has been done."""
        now = self._clock()
        for key, allowance in claims:
            bucket = self._filled(key, allowance, now)
            bucket.level = max(bucket.level - cost, -allowance.per_second)

    def _filled(self, key: Hashable, allowance: Allowance, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(allowance.limit, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key)
        bucket.level = min(allowance.limit, bucket.level + (now - bucket.at) * allowance.per_second)
        bucket.at = now
        return bucket


def _tightest(found: Sequence[tuple[_Bucket, Allowance]]) -> Standing:
    bucket, allowance = min(found, key=lambda pair: pair[0].level / pair[1].limit)
    return Standing(max(0, math.floor(bucket.level)), allowance.limit, allowance.per_second)
