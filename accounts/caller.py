"""Whoever is asking, as ``accounts.tenancy`` finds out, and all that we keep with a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from accounts.models import ApiKey, Ban, Membership, User, Visitor, Workspace
from accounts.roles import Action

API_PREFIX: Final = "/v1/"
"""Of the paths where API keys count; pages take none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever is asking. ``workspace`` is None for a newcomer, who has made nothing yet and may begin.

    ``onlooker`` is staff that looks into the workspace without being a member; ``ban`` is why a visitor may do little,
    and ``networks`` where a visitor comes from, as ``networks.lasting_fingerprints_of`` says it. ``memberships`` are
    all those of a member, this one among them, for switching.
    """

    workspace: Workspace | None
    actions: frozenset[Action]
    membership: Membership | None = None
    key: ApiKey | None = None
    onlooker: User | None = None
    ban: Ban | None = None
    networks: tuple[str, ...] = ()
    memberships: tuple[Membership, ...] = ()

    @property
    def user(self) -> User | None:
        return self.membership.user if self.membership is not None else None

    @property
    def name(self) -> str:
        """The caller's name in the audit log."""
        if self.key is not None:
            return f"key {self.key.prefix}"
        if self.onlooker is not None:
            return f"staff {self.onlooker.email}"
        return self.membership.user.email if self.membership is not None else "visitor"

    @property
    def holder(self) -> ApiKey | Membership | None:
        """Whose caps bound what they spend here."""
        return self.key or self.membership

    def may(self, action: Action) -> bool:
        return action in self.actions

    def reach(self, action: Action) -> Workspace | None:
        """The workspace if ``action`` may be done there, else None: for pages that leave out what is not for all."""
        return self.workspace if action in self.actions else None


@dataclass(slots=True)
class RequestState:
    """What this site keeps with a request, beside what Django does."""

    caller: Caller | None = None
    """Who is asking; None until somebody wants to know."""
    visitor_to_set: Visitor | None = None
    """Whose the browser is from the answer on."""
    is_visitor_to_forget: bool = False
    """Whether the answer takes the visitor's cookie away."""


def state_of(request: HttpRequest) -> RequestState:
    """The request's own state: the same object however often it is asked for.

    Not a subclass of ``HttpRequest``: whoever makes a request, be it a server, a test's client or a factory, need not
    know of it.
    """
    state: RequestState = vars(request).setdefault("_site_state", RequestState())
    return state
