"""What is remembered is bounded by what it weighs."""

from tenancy.remembered import Remembered


def test_what_there_is_no_room_for_is_forgotten_the_longest_unused_first() -> None:
    held = Remembered[str, int](10)
    for number, name in enumerate("abc"):
        held.put(name, number, 4)
    assert [held.get(name) for name in "abc"] == [None, 1, 2]
    held.get("b")
    held.put("d", 3, 4)
    assert [held.get(name) for name in "bcd"] == [1, None, 3]
    held.put("b", 7, 1)
    held.put("e", 4, 5)
    assert [held.get(name) for name in "bde"] == [7, 3, 4]
    held.put("f", 5, 100)
    assert (held.get("f"), len(held)) == (5, 1)
