import pytest

from merchantry.domain.approval_chain import chain_document, check_chain, parse_chain
from merchantry.domain.case import CHAINS, CaseKind, Chain, Step
from merchantry.domain.errors import InvalidInput


@pytest.mark.parametrize("kind", CaseKind)
def test_the_usual_chains_could_be_set_and_are_kept_as_they_are(kind: CaseKind) -> None:
    check_chain(kind, CHAINS[kind])
    assert parse_chain(chain_document(CHAINS[kind])) == CHAINS[kind]


@pytest.mark.parametrize(
    ("kind", "chain"),
    [
        (CaseKind.OTHER, ()),
        (CaseKind.OTHER, (Step(None, 1),) * 11),
        (CaseKind.OTHER, (Step(None, 0),)),
        (CaseKind.OTHER, (Step(None, 6),)),
        (CaseKind.OTHER, (Step({"EUR": 100}, 2),)),
        (CaseKind.OTHER, (Step(None, 1), Step({"EUR": -1}, 2))),
        (CaseKind.WRITE_OFF, (Step(None, 1), Step({"EUR": 0}, 2))),
    ],
    ids=["none", "many", "nobody", "crowd", "not-every", "negative", "write-off"],
)
def test_a_chain_that_decides_nothing_or_too_little_is_refused(kind: CaseKind, chain: Chain) -> None:
    with pytest.raises(InvalidInput):
        check_chain(kind, chain)
