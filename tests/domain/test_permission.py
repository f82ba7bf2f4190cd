from pathlib import Path

import pytest

from merchantry.domain import case_permission
from merchantry.domain.case import CaseKind
from merchantry.domain.permission import MATRIX, MerchantRole, Permission, PlatformRole, markdown, may

DOCUMENT = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_every_permission_is_in_the_matrix_and_somebodys() -> None:
    assert set(MATRIX) == set(Permission)
    assert all(MATRIX.values())


def test_every_role_may_do_something() -> None:
    assert set().union(*MATRIX.values()) == {*MerchantRole, *PlatformRole}


@pytest.mark.parametrize("permission", list(Permission))
def test_permissions_of_the_platform_are_for_its_own_roles_only(permission: Permission) -> None:
    roles = PlatformRole if permission.startswith("platform.") else MerchantRole
    assert all(isinstance(role, roles) for role in MATRIX[permission])


def test_roles_of_merchant_and_platform_have_different_names() -> None:
    assert not {role.value for role in MerchantRole} & {role.value for role in PlatformRole}


def test_one_role_of_several_is_enough_and_none_is_not() -> None:
    assert may({MerchantRole.VIEWER, MerchantRole.OWNER}, Permission.STAFF_WRITE)
    assert not may({MerchantRole.VIEWER, MerchantRole.FULFILMENT}, Permission.STAFF_WRITE)
    assert not may((), Permission.PRODUCT_READ)


def test_an_owner_may_do_everything_at_the_merchant_and_a_viewer_may_change_nothing() -> None:
    for permission in Permission:
        if not permission.startswith("platform."):
            assert may([MerchantRole.OWNER], permission)
            assert permission.endswith(".read") or not may([MerchantRole.VIEWER], permission)


def test_analysts_see_sums_and_records_but_can_not_ask_for_a_buyers() -> None:
    assert may([PlatformRole.ANALYST], Permission.PLATFORM_REPORT_READ)
    assert not may([PlatformRole.ANALYST], Permission.PLATFORM_AUDIT_READ)
    assert not may([PlatformRole.ANALYST], Permission.PLATFORM_BUYER_READ)


def test_the_documentation_shows_the_matrix() -> None:
    assert markdown() in DOCUMENT.read_text(encoding="utf-8")
    assert case_permission.markdown() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(CaseKind))
def test_whoever_may_decide_a_kind_of_case_may_look_at_cases_and_somebody_may(kind: CaseKind) -> None:
    needed = MATRIX[case_permission.DECIDED_WITH[kind]] & MATRIX[Permission.PLATFORM_CASE_DECIDE]
    assert needed
    assert needed <= MATRIX[Permission.PLATFORM_CASE_READ]
