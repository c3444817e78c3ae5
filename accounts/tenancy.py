"""One door: who is asking, in which workspace, and what they may do there.

A caller is known by API key, by session, or by the visitor's cookie, in this order. A key that does not hold never
falls back to a cookie. Finding out takes one query; two where a key's last use is written down, or a visitor is banned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import api_keys, bans, impersonation, members, networks, visitors, workspaces
from accounts.caller import API_PREFIX, Caller, state_of
from accounts.models import Membership, User, Workspace
from accounts.roles import BY_ROLE, BY_SCOPE, MEANING, ONLOOKER_MAY, VISITOR_MAY, WHILE_BANNED, WHILE_CLOSING, Action
from loremotion import row_security
from loremotion.prepared import send
from loremotion.refusals import Conflict, Forbidden, Unauthorized
from loremotion.table_rows import Columns

CHOSEN = "workspace"
"""The session's key for the workspace that a member last switched to."""
_WORKSPACE: Final = Columns(Workspace, "workspace")
_LOCK_WITH_KEY: Final = f"""
SELECT apikey.revoked_at IS NOT NULL, {_WORKSPACE.sql}
FROM accounts_workspace workspace JOIN accounts_apikey apikey ON apikey.workspace_id = workspace.id
WHERE workspace.id = %s AND apikey.id = %s
FOR NO KEY UPDATE OF workspace FOR SHARE OF apikey
"""  # noqa: S608 - made of names of columns


def caller_of(request: HttpRequest) -> Caller:
    """Return who is asking; found out once a request.

    Raises:
        Unauthorized: an API key was sent and it does not hold.
    """
    known = state_of(request).caller
    if known is None:
        known = find_caller(request)
        _recognise(request, known)
    return known


def find_caller(request: HttpRequest) -> Caller:
    """Ask key, session and cookie who is there. ``caller_of`` does it once and keeps the answer with the request."""
    with row_security.across_workspaces("whose request it is decides what it may see"):
        return _from_key(request) or _from_session(request) or _from_cookie(request)


def caller_for(request: HttpRequest, action: Action) -> Caller:
    """Return who is asking, or refuse them if they may not do ``action``. A newcomer, to whom nothing belongs, passes.

    Raises:
        Forbidden: this caller may not do it; says who may, or that the workspace is suspended.
        Unauthorized: an API key was sent and it does not hold; or the API is asked without one, by no browser of ours.
    """
    caller = caller_of(request)
    refuse_nobody(request, caller)
    if caller.workspace is not None and not caller.may(action):
        raise _refusal(caller, caller.workspace, action)
    return caller


def refuse_nobody(request: HttpRequest, caller: Caller) -> None:
    """Refuse a program that forgot its key. Taken for a newcomer, it would see an empty account.

    Raises:
        Unauthorized: the request is to the API, and has neither a key nor a cookie that this site gave.
    """
    if caller.key is not None or not request.path.startswith(API_PREFIX):
        return
    cookies = (visitors.COOKIE, settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    if not any(name in request.COOKIES for name in cookies):
        raise Unauthorized(
            "missing_api_key", "This needs an API key.", next_step="Send Authorization: Bearer lm_live_…"
        )


def workspace_of(request: HttpRequest, action: Action) -> Workspace | None:
    """The workspace in which the request may do ``action``; None for a newcomer. Raises as ``caller_for``."""
    return caller_for(request, action).workspace


def ensure(request: HttpRequest, action: Action) -> tuple[Workspace, Caller]:
    """Return the workspace in which the request may do ``action``, and who is asking, making one for a newcomer: a
    personal one where somebody is signed in, else a visitor's.

    Raises:
        Forbidden, Unauthorized: as above.
        TooMany: too many new visitors came from this network today.
    """
    caller = caller_for(request, action)
    if caller.workspace is not None:
        return caller.workspace, caller
    if request.user.is_authenticated:
        workspace = workspaces.personal_of(request.user)
        forget(request)
        return workspace, caller_of(request)
    workspace = visitors.begin(request).workspace
    forget(request)
    caller = Caller(workspace, VISITOR_MAY, networks=networks.lasting_fingerprints_of(request))
    _recognise(request, caller)
    return workspace, caller


def lock_and_recheck(workspace: Workspace, action: Action, *, caller: Caller | None = None) -> None:
    """Lock the workspace until this transaction ends and check anew that ``action`` may be done there.

    So nobody suspends, closes, bans or takes roles and keys away meanwhile, and whoever did so since the caller was
    recognised is heeded. To be called before anything else is locked: they lock the workspace first, too.

    Args:
        action: what is about to be done there.
        caller: who is about to do it; None for the site itself.

    Raises:
        Forbidden, Unauthorized: as ``caller_for``.
        Conflict: the workspace is erased, or has become part of another.
    """
    if caller is not None and caller.key is not None:
        send_lock_and_recheck(workspace, action, caller=caller)()
    else:
        _refuse_unless_now(_locked(workspace), action, caller=caller)


def send_lock_and_recheck(workspace: Workspace, action: Action, *, caller: Caller) -> Callable[[], None]:
    """``lock_and_recheck`` for a caller with a key: sends the statement that locks, and returns what reads its answer
    and raises. What is sent after it PostgreSQL does under the lock, and it is undone if this raises."""
    assert caller.key is not None
    locked = send(_LOCK_WITH_KEY, [workspace.id, caller.key.id])

    def recheck() -> None:
        row = locked()
        if row is not None and row[0]:
            raise api_keys.revoked_key()
        _refuse_unless_now(_WORKSPACE.read(row, first=1) if row is not None else None, action, caller=caller)

    return recheck


def _refuse_unless_now(now: Workspace | None, action: Action, *, caller: Caller | None) -> None:
    """Refuse what may not be done in this workspace, as it is once it is locked. Raises as ``lock_and_recheck``."""
    if now is None or now.merged_into_id is not None:
        raise Conflict(
            "workspace_gone",
            _("What was here was deleted, or moved to another workspace."),
            next_step=_("Look at what is there now."),
        )
    prints = caller.networks if caller is not None else ()
    ban = bans.against_workspace(now, prints=prints) if now.is_visitor else None
    if ban is not None or action not in _allowed_now(now, frozenset({action})):
        raise _refusal(Caller(now, frozenset(), ban=ban), now, action)
    if caller is not None and caller.user is not None:
        members.refuse_unless(caller.user, may=action, workspace=now)


def _locked(workspace: Workspace) -> Workspace | None:
    return Workspace.objects.select_for_update(no_key=True).filter(id=workspace.id).first()


def actions_of(membership: Membership) -> frozenset[Action]:
    """What a member may do: by their role, as far as their workspace is open."""
    return _allowed_now(membership.workspace, BY_ROLE[membership.role])


def switch(request: HttpRequest, workspace: Workspace) -> None:
    """Make ``workspace`` the one that this session acts in, for as long as the user is a member there."""
    request.session[CHOSEN] = str(workspace.id)
    forget(request)


def forget(request: HttpRequest) -> None:
    """Forget who is asking, which has changed within this request. It sees nothing until that is found out anew."""
    row_security.enter(None)
    state_of(request).caller = None


def _recognise(request: HttpRequest, caller: Caller) -> None:
    """Note that the request is ``caller``'s, so that the database shows it that workspace alone."""
    state_of(request).caller = caller
    row_security.enter(caller.workspace.id if caller.workspace is not None else None)


def _from_key(request: HttpRequest) -> Caller | None:
    sent = api_keys.token_of(request)
    if sent is None:
        return None
    key = api_keys.authenticate(sent)
    allowed = frozenset[Action]().union(*(BY_SCOPE[scope] for scope in key.scopes))
    return Caller(key.workspace, _allowed_now(key.workspace, allowed), key=key)


def _from_session(request: HttpRequest) -> Caller | None:
    user = request.user
    if not isinstance(user, User):
        return None
    looked_into = impersonation.workspace_of(request, user)
    if looked_into is not None:
        return Caller(looked_into, ONLOOKER_MAY, onlooker=user)
    chosen = request.session.get(CHOSEN)
    own = list(Membership.objects.filter(user=user).select_related("workspace").order_by("id"))
    membership = min(
        own,
        key=lambda membership: (
            str(membership.workspace_id) != chosen,
            not membership.workspace.is_personal,
            membership.id,
        ),
        default=None,
    )
    if membership is None:
        return Caller(None, frozenset())
    membership.user = user
    return Caller(membership.workspace, actions_of(membership), membership=membership, memberships=tuple(own))


def _from_cookie(request: HttpRequest) -> Caller:
    visitor, ban = visitors.visitor_and_ban_of(request)
    if visitor is None:
        return Caller(None, frozenset())
    allowed = VISITOR_MAY & WHILE_BANNED if ban is not None else VISITOR_MAY
    prints = networks.lasting_fingerprints_of(request)
    return Caller(visitor.workspace, _allowed_now(visitor.workspace, allowed), ban=ban, networks=prints)


def _allowed_now(workspace: Workspace, allowed: frozenset[Action]) -> frozenset[Action]:
    if workspace.suspended_at is not None:
        return frozenset()
    return allowed & WHILE_CLOSING if workspace.closed_at is not None else allowed


def _refusal(caller: Caller, workspace: Workspace, action: Action) -> Forbidden:
    if caller.onlooker is not None:
        return Forbidden(
            "read_only",
            _("You're viewing this workspace as staff and can't change anything."),
            next_step=_("Stop viewing first."),
        )
    if caller.ban is not None:
        return bans.refusal(caller.ban)
    if workspace.suspended_at is not None:
        return Forbidden(
            "workspace_suspended",
            _("This workspace is suspended. Its clips and credits are kept."),
            next_step=_("Contact the people who run this site."),
        )
    if workspace.closed_at is not None and action not in WHILE_CLOSING:
        return Forbidden(
            "workspace_closing",
            _("This workspace is being closed."),
            next_step=_("Its owner can reopen it in its settings."),
        )
    what = MEANING[action]
    if caller.key is not None:
        scopes = " or ".join(scope for scope, actions in BY_SCOPE.items() if action in actions) or "none"
        return Forbidden(
            "missing_scope",
            f"This key doesn't allow this: {what}.",
            next_step=f"Use a key with the scope {scopes}.",
        )
    return Forbidden(
        "role_forbids",
        _("Your role here doesn't allow this: %(what)s.") % {"what": what},
        next_step=_("An owner or admin of the workspace can change it."),
    )
