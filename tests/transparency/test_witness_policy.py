"""Which witnesses are asked, read from a file; what is wrong is named by its field."""

import json
from pathlib import Path
from typing import Any

import pytest

from merchantry.transparency.signing import Signer
from merchantry.transparency.witness_policy import PolicyError, WitnessPolicy

KEYS = [str(Signer.witness(f"w{number}.example/witness", bytes([number]) * 32).verifier) for number in range(4)]
LOG_KEY = str(Signer.log("mall.example/log", bytes(32)).verifier)


def a_document(**changes: Any) -> dict[str, Any]:
    seats = [{"vkey": key, "url": f"https://w{at}.example/witness/"} for at, key in enumerate(KEYS)]
    return {"quorum": 2, "witnesses": seats} | changes


def seat(**changes: Any) -> list[dict[str, Any]]:
    return [{"vkey": KEYS[0], "url": "https://a.example"} | changes]


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml, other = tmp_path / "witnesses.toml", tmp_path / "witnesses.json"
    seats = "".join(
        f'[[witnesses]]\nvkey = "{key}"\nurl = "https://w{at}.example/witness/"\n' for at, key in enumerate(KEYS)
    )
    toml.write_text(f"quorum = 2\n{seats}")
    other.write_text(json.dumps(a_document()))
    assert WitnessPolicy.load(toml) == WitnessPolicy.load(other)
    assert WitnessPolicy.load(toml).witnesses[1].url == "https://w1.example/witness"


def test_a_quorum_counts_its_own_witnesses_and_each_group() -> None:
    seats = a_document()["witnesses"]
    for at, group in enumerate(("auditors", "auditors", "merchants", None)):
        if group:
            seats[at]["group"] = group
    groups = [{"name": "auditors", "quorum": 1}, {"name": "merchants", "quorum": 1}]
    policy = WitnessPolicy.parse({"quorum": 2, "witnesses": seats, "groups": groups})
    names = [each.key.name for each in policy.witnesses]
    assert policy.is_met([names[0], names[2]])
    assert not policy.is_met([names[0], names[1], names[3]])
    assert not policy.is_met([names[2], "stranger.example"])
    assert policy.enough_to_know == 3


def test_a_witness_without_an_address_is_not_asked_and_counts_all_the_same() -> None:
    seats = a_document()["witnesses"]
    del seats[0]["url"]
    policy = WitnessPolicy.parse({"quorum": 2, "witnesses": seats})
    assert [each.key.name for each in policy.reachable] == [each.key.name for each in policy.witnesses[1:]]
    assert policy.is_met([each.key.name for each in policy.witnesses[:2]])
    assert policy.enough_to_know == 3


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "the policy"),
        (a_document(quorum=0), "quorum"),
        (a_document(quorum=5), "quorum"),
        (a_document(quorum=True), "quorum"),
        (a_document(quorum="2"), "quorum"),
        (a_document(quorums=2), "the policy: quorums"),
        (a_document(witnesses=[]), "quorum"),
        (a_document(witnesses={}), "witnesses"),
        ({"quorum": 1, "witnesses": seat(vkey="nonsense")}, r"witnesses\[0\].vkey"),
        ({"quorum": 1, "witnesses": seat(vkey=LOG_KEY)}, r"witnesses\[0\].vkey: this is the key of a log"),
        ({"quorum": 1, "witnesses": seat(url="auditor.example")}, r"witnesses\[0\].url"),
        ({"quorum": 1, "witnesses": seat(url="file:///etc/passwd")}, r"witnesses\[0\].url"),
        ({"quorum": 1, "witnesses": seat(url="")}, r"witnesses\[0\].url"),
        ({"quorum": 1, "witnesses": seat(url=None)}, r"witnesses\[0\].url"),
        ({"quorum": 1, "witnesses": [{"vkey": KEYS[0]}]}, "quorum: 1 witnesses have no url"),
        ({"quorum": 2, "witnesses": [{"vkey": each} for each in KEYS[:3]]}, "quorum: 3 witnesses have no url"),
        ({"quorum": 1, "witnesses": seat(group="none")}, r"witnesses\[0\].group"),
        ({"quorum": 1, "witnesses": seat(port=1)}, r"witnesses\[0\]: port"),
        ({"quorum": 1, "witnesses": seat() * 2}, "witnesses: two of them"),
        ({"quorum": 1, "witnesses": seat(), "groups": [{"name": "a", "quorum": 1}]}, "groups: a asks for 1 of 0"),
        ({"quorum": 1, "witnesses": seat(), "groups": [{"name": "a"}]}, r"groups\[0\].quorum"),
    ],
    ids=range(21),
)
def test_what_is_wrong_is_named_by_its_field(document: object, field: str) -> None:
    with pytest.raises(PolicyError, match=f"^{field}"):
        WitnessPolicy.parse(document)


def test_a_file_that_is_neither_is_refused(tmp_path: Path) -> None:
    for name in ("policy.json", "policy.toml"):
        (tmp_path / name).write_text("{")
        with pytest.raises(PolicyError, match="neither TOML nor JSON"):
            WitnessPolicy.load(tmp_path / name)
