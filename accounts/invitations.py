"""A place in a team, offered by mail: sent, sent again, taken back, accepted.

The mail with the link is written in the transaction that makes the offer: one that is certain is told, whatever becomes
of the process that made it or of the mail server.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

import redis
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts import audit, members, seats
from accounts.email_addresses import is_address
from accounts.models import Invitation, Membership, User, Workspace
from accounts.offers import open_offers
from accounts.roles import Action, may_give
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict, Forbidden, Invalid, TooMany
from loremotion.row_security import across_workspaces
from loremotion.valkey import connection

OFFER = "accounts.invitations.offer_content"
LASTS = timedelta(days=7)
SENT_AGAIN_AFTER = timedelta(minutes=2)
MOST_OPEN = 50
MOST_A_DAY = 60


def invite(*, workspace: Workspace, by: Membership, email: str, role: str) -> Invitation:
    """Invite ``email`` into the workspace; mail with the link follows. Inviting again replaces the invitation.

    Raises:
        Invalid: not an address.
        Forbidden: ``by`` may not give this role, or not invite any more.
        Conflict: a personal workspace, a member already, no seat left, or as many offers open as may be.
        TooMany: the same address was written to a moment ago, or ``by`` has sent many today.
    """
    email = _check_email(email)
    _refuse_a_mass(by.user)
    if not may_give(by.role, role):
        raise Forbidden(
            "role_forbids",
            _("You can't make someone %(role)s here.") % {"role": role},
            next_step=_("Choose another role."),
        )
    if not workspace.is_team:
        raise Conflict("not_a_team", _("A personal workspace is just for you."), next_step=_("Create a team first."))
    with transaction.atomic():
        members.lock_memberships(workspace)
        members.refuse_unless(by.user, may=Action.MANAGE_MEMBERS, workspace=workspace)
        if Membership.objects.filter(is_address(email, field="user__email"), workspace=workspace).exists():
            raise Conflict("member_already", _("%(email)s is already a member.") % {"email": email})
        known = Invitation.objects.filter(is_address(email), workspace=workspace).first()
        if known is None and Invitation.objects.filter(workspace=workspace).count() >= MOST_OPEN:
            raise Conflict(
                "too_many_invitations",
                _("%(most)s invitations are still open, the limit.") % {"most": MOST_OPEN},
                next_step=_("Revoke one first."),
            )
        if known is not None:
            _refuse_a_flood(known)
            known.delete()
        seats.refuse_offer(workspace)
        made = Invitation(workspace=workspace, email=email, role=role, invited_by=by.user)
        _renew(made)
        audit.record(workspace, "member.invited", actor=by.user.email, subject=email, role=role)
    return made


def resend(invitation: Invitation, *, by: User) -> None:
    """Send a new link, which lasts as long as the first did. The old one is void.

    Raises:
        Forbidden: ``by`` may not invite any more.
        Conflict: it had run out, and its seat is somebody else's by now.
        TooMany: it was sent a moment ago, or ``by`` has sent many today.
    """
    _refuse_a_flood(invitation)
    _refuse_a_mass(by)
    with transaction.atomic():
        members.lock_memberships(invitation.workspace)
        members.refuse_unless(by, may=Action.MANAGE_MEMBERS, workspace=invitation.workspace)
        seats.refuse_offer(invitation.workspace, besides=invitation)
        invitation.invited_by = by  # who answers for it from now on
        _renew(invitation)
        audit.record(invitation.workspace, "member.invited_again", actor=by.email, subject=invitation.email)


def withdraw(invitation: Invitation, *, actor: str) -> None:
    """Withdraw the invitation: its link opens nothing any more."""
    with transaction.atomic():
        if Invitation.objects.filter(id=invitation.id).delete()[0]:
            audit.record(invitation.workspace, "member.uninvited", actor=actor, subject=invitation.email)


@across_workspaces("the link is about a workspace that its reader is not in yet")
def invited_with(token: str) -> Invitation | None:
    """The open invitation that a link is about, or None when it is void or has expired."""
    return open_offers().filter(token_digest=_digest_of(token)).first()


def open_offer(*, workspace_id: UUID, email: str) -> Invitation | None:
    """The open invitation to ``email``, or None where it was withdrawn, accepted, or has expired."""
    return open_offers().filter(is_address(email), workspace=workspace_id).first()


@across_workspaces("whoever accepts is in another workspace until then")
def accept(invitation: Invitation, *, user: User) -> Membership:
    """Make the user a member. The address that was invited must be one that they have proved to own.

    Raises:
        Forbidden: it is somebody else's address.
        Conflict: the invitation was taken back meanwhile, or the plan has become too small for one more.
    """
    if not EmailAddress.objects.filter(is_address(invitation.email), user=user, verified=True).exists():
        raise Forbidden(
            "invited_another",
            _("This invitation is for %(invited)s, but you're signed in as %(own)s.")
            % {"invited": invitation.email, "own": user.email},
            next_step=_("Sign in with that address, or ask for an invitation to yours."),
        )
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(id=invitation.workspace_id)
        if not open_offers().filter(id=invitation.id, token_digest=invitation.token_digest).delete()[0]:
            raise Conflict("invitation_void", _("This invitation was revoked."), next_step=_("Ask for a new one."))
        members = Membership.objects.select_related("workspace")
        membership = members.filter(workspace=invitation.workspace, user=user).first()
        if membership is None:
            seats.refuse_member(invitation.workspace)
            membership = Membership.objects.create(workspace=invitation.workspace, user=user, role=invitation.role)
            audit.record(
                invitation.workspace, "member.joined", actor=user.email, subject=user.email, role=membership.role
            )
    return membership


def link_of(invitation: Invitation) -> str | None:
    """The link for the invitation's mail; None where it was made under a key that the site has no more."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    tokens = [_token_of(invitation, key) for key in keys]
    token = next((token for token in tokens if _digest_of(token) == invitation.token_digest), None)
    if token is None:
        return None
    return f"{settings.SITE_URL}{reverse('accounts:invitation', args=[token])}"


def offer_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once the invitation was withdrawn, accepted or sent anew, or has expired."""
    offer = open_offer(workspace_id=message.tenant_id, email=message.address)
    if offer is None or _occasion_of(offer) != message.occasion:
        return None
    link = link_of(offer)
    if link is None:
        return None
    context = {"invitation": offer, "link": link, "lasts_days": LASTS.days}
    return Content("accounts/mail/invitation.txt", context)


MAIL: Contents = {
    OFFER: offer_content,
    "invitation": offer_content,  # the last release's
}


def _occasion_of(invitation: Invitation) -> str:
    """The outbox's name for this sending of the invitation, so that each is mailed once."""
    return f"{invitation.id}.{invitation.sent_at.timestamp()}"


def _renew(invitation: Invitation) -> None:
    """Give the invitation a fresh link and write its mail. Call it in the transaction that makes the invitation."""
    invitation.sent_at = timezone.now()
    invitation.expires_at = invitation.sent_at + LASTS
    invitation.token_digest = _digest_of(_token_of(invitation, settings.SECRET_KEY))
    invitation.save()
    message = MailMessage(
        workspace=invitation.workspace, address=invitation.email, content=OFFER, about=invitation.workspace_id
    )
    mail.write([message], occasion=_occasion_of(invitation))


def _token_of(invitation: Invitation, key: str) -> str:
    """The link's token, made of a key of the site's and of the invitation, so that it can be made again for the mail
    and is kept nowhere."""
    offer = f"{invitation.workspace_id}/{invitation.email}/{invitation.sent_at.timestamp()}"
    return salted_hmac("accounts.invitations", offer, secret=key, algorithm="sha256").hexdigest()


def _check_email(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("invalid_email", _("That isn't an email address."), field="email") from error
    return email


def _refuse_a_flood(invitation: Invitation) -> None:
    since = timezone.now() - invitation.sent_at
    if since < SENT_AGAIN_AFTER:
        wait_seconds = int((SENT_AGAIN_AFTER - since).total_seconds()) + 1
        raise TooMany(
            "invited_just_now",
            _("We emailed %(email)s a moment ago.") % {"email": invitation.email},
            next_step=_("Wait two minutes before sending it again."),
            retry_after_seconds=wait_seconds,
        )


def _refuse_a_mass(user: User) -> None:
    """Refuse more invitations in a day than one person may send, whatever the team."""
    key = f"invitations:{user.id}:{timezone.now():%Y-%m-%d}"
    try:
        pipeline = connection().pipeline(transaction=False)
        pipeline.incr(key)
        pipeline.expire(key, 24 * 3600)
        sent: int = pipeline.execute()[0]
    except redis.RedisError:
        return  # Valkey is away; a team's own bound still holds
    if sent > MOST_A_DAY:
        raise TooMany(
            "too_many_invitations",
            _("You've sent %(most)s invitations today, the limit.") % {"most": MOST_A_DAY},
            next_step=_("Try again tomorrow."),
            retry_after_seconds=3600,
        )


def _digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
