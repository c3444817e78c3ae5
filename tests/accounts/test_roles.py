"""The one table of who may do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts import roles
from accounts.roles import ALLOWED, BY_ROLE, BY_SCOPE, MEANING, VISITOR_MAY, Action, Role, Scope

DOCS = Path(__file__).resolve().parents[2] / "docs" / "roles.md"


def test_the_docs_say_what_the_table_says() -> None:
    assert roles.as_markdown() in DOCS.read_text(), "Paste accounts.roles.as_markdown() into docs/roles.md."


def test_every_action_has_a_meaning_and_somebody_who_may_do_it() -> None:
    assert set(ALLOWED) == set(MEANING) == set(Action)
    assert all(Role.OWNER in allowed for allowed in ALLOWED.values())


@pytest.mark.parametrize("role", list(Role))
def test_the_owner_may_whatever_others_may(role: Role) -> None:
    assert BY_ROLE[role] <= BY_ROLE[Role.OWNER]


def test_money_and_ownership_stay_with_the_owner_and_billing() -> None:
    assert ALLOWED[Action.PAY] == {Role.OWNER, Role.BILLING}
    assert ALLOWED[Action.TRANSFER] == ALLOWED[Action.CLOSE] == {Role.OWNER}


@pytest.mark.parametrize("scope", list(Scope))
def test_no_key_pays_transfers_or_closes(scope: Scope) -> None:
    assert not BY_SCOPE[scope] & {Action.PAY, Action.TRANSFER, Action.CLOSE}


@pytest.mark.parametrize("role", list(Role))
def test_only_who_manages_members_gives_roles_and_nobody_gives_ownership(role: Role) -> None:
    assert not roles.may_give(role, Role.OWNER)
    assert roles.may_give(role, Role.VIEWER) == (Action.MANAGE_MEMBERS in BY_ROLE[role])


def test_a_visitor_has_no_members_and_no_keys() -> None:
    assert not VISITOR_MAY & {Action.MANAGE_MEMBERS, Action.MANAGE_KEYS, Action.READ_AUDIT, Action.TRANSFER}
