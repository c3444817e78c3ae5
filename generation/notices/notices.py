"""The way of a report: submitted by anybody, decided by staff, objected to once, and then decided for good."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.db.models import Q
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User, Workspace
from generation.models import Clip
from generation.notices import letters, likeness
from generation.notices.models import Notice
from generation.sharing import links, removals
from generation.sharing.models import Share
from loremotion.refusals import Conflict, Invalid, TooMany
from loremotion.row_security import across_workspaces

logger = logging.getLogger(__name__)

LONGEST_STATEMENT: Final = 2_000
LONGEST_ADDRESS: Final = 300
MOST_OF_A_CONTACT: Final = 10
"""In a day, as each of them sends a mail to an address that nobody has proved."""
KEPT: Final = timedelta(days=180)
"""How long after the decision it is known who reported it: as long as somebody may go to court about it."""

_NAMES: Final = ("shared", "shared-embed", "shared-clip", "shared-poster")
State = Notice.State


@across_workspaces("whoever reports a clip is no member of its workspace")
@transaction.atomic
def submit(*, address: str, category: str, statement: str, contact: str) -> Notice:
    """Write down a report, and mail a receipt to whoever sent it.

    What is kept and mailed is the clip's address as this site writes it, and no word of whoever sent it: nobody has
    proved that the mailbox is theirs.

    Raises:
        Invalid: the address is not one of a clip that is shared on this site.
        TooMany: the contact has reported as much as one may in a day.
    """
    clip, canonical = _clip_at(address)
    lately = Notice.objects.filter(created_at__gte=timezone.now() - timedelta(days=1))
    if lately.filter(contact__iregex=_mailbox(contact)).count() >= MOST_OF_A_CONTACT:
        raise TooMany(
            "too_many_reports",
            _("%(most)s reports were sent from this email address in 24 hours.") % {"most": MOST_OF_A_CONTACT},
            next_step=_("Combine related reports into one, or send the rest tomorrow."),
            retry_after_seconds=24 * 3600,
        )
    notice = Notice.objects.create(
        workspace=clip.generation.workspace,
        clip_id=clip.pk,
        sha256=clip.sha256,
        perceptual_hash=clip.perceptual_hash,
        address=canonical,
        category=category,
        statement=statement,
        contact=contact,
    )
    letters.write_receipt(notice)
    logger.warning("A clip was reported: %s, %s, to be decided by %s", notice.id, category, notice.due_at)
    return notice


def _clip_at(address: str) -> tuple[Clip, str]:
    """The shared clip that an address of this site shows, and that address as this site writes it.

    A clip that was never shared cannot be reported, so that no report opens it to staff.

    Raises:
        Invalid: it leads to no clip that is shared.
    """
    try:
        parts = urlsplit(address)
        is_ours = address.isprintable() and parts.netloc == urlsplit(settings.SITE_URL).netloc
        found = resolve(parts.path) if is_ours else None
    except (Resolver404, ValueError):
        found = None
    shares = Share.objects.select_related("clip__generation__workspace")
    if found is not None and found.namespace == "generation":
        if found.url_name in _NAMES:
            share = shares.filter(token=found.kwargs["token"]).first()
            if share is not None:
                return share.clip, links.address(share.token)
        elif "generation_id" in found.kwargs:
            share = shares.filter(clip_id=found.kwargs["generation_id"]).first()
            if share is not None:  # not its link: an id alone does not open the clip
                return share.clip, settings.SITE_URL + reverse("generation:detail", args=[share.clip_id])
    raise Invalid(
        "not_a_clip",
        _("This isn't the address of a shared clip on this site."),
        next_step=_("Copy it from the page that shows the clip."),
        field="address",
    )


def _mailbox(contact: str) -> str:
    """A pattern of all the ways to write an address whose mail arrives in one mailbox."""
    name, _at, host = contact.rpartition("@")
    return rf"^{re.escape(name.partition('+')[0])}(\+[^@]*)?@{re.escape(host)}$"


@transaction.atomic
def decide(notice_id: UUID, *, staff: User, is_removed: bool, decision: str) -> Notice:
    """Take the clip down or leave it, or decide on an objection; mail the reasons to both sides.

    Other reports of the same clip are decided with it: what waits when it is taken down, and what took it down when an
    objection is decided. Decided so before, it stays as it is.

    Raises:
        Conflict: it was decided otherwise by now, or the objection is to what the same person decided.
    """
    clip = Notice.objects.filter(id=notice_id).values("clip_id")
    same = Notice.objects.select_for_update(of=("self",)).filter(Q(id=notice_id) | Q(clip_id__in=clip)).order_by("id")
    reports = {each.id: each for each in same}
    notice = reports.pop(notice_id)
    state = _decided(notice, is_removed)
    if state is None:
        raise Conflict("decided_already", f"Somebody decided already: {notice.get_state_display().lower()}.")
    if notice.state == state:
        return notice
    if notice.state == State.OBJECTED and notice.decided_by_id == staff.pk and _have_others_who_decide(staff):
        raise Conflict(
            "decided_by_you",
            "You took it down. Somebody else decides on the objection.",
            next_step="Leave it to them.",
        )
    others = [each for each in reports.values() if each.state in _DECIDED_WITH[state]]
    now = timezone.now()
    for each in (notice, *others):
        each.state, each.decision, each.decided_by, each.decided_at = state, decision, staff, now
        each.objected_at = each.objected_at or notice.objected_at
        each.save(update_fields=["state", "decision", "decided_by", "decided_at", "objected_at"])
    if state == State.REMOVED:
        _take_down(notice)
    elif state == State.RESTORED:
        removals.restore(reasons=[each.id for each in (notice, *others)])
    letters.write_decision(notice, others=others)
    return notice


_DECIDED_WITH: Final[dict[State, tuple[State, ...]]] = {
    State.REMOVED: (State.OPEN,),
    State.KEPT: (),  # another report may have better reasons
    State.UPHELD: (State.REMOVED, State.OBJECTED),
    State.RESTORED: Notice.DOWN,
}
"""A decision → which other reports of the same clip it decides."""


def _have_others_who_decide(staff: User) -> bool:
    """Whether anybody else may decide reports."""
    may = Q(codename="change_notice", content_type__app_label=Notice._meta.app_label)
    allowed = Permission.objects.filter(may)
    theirs = Q(is_superuser=True) | Q(user_permissions__in=allowed) | Q(groups__permissions__in=allowed)
    return User.objects.filter(theirs, is_staff=True, is_active=True).exclude(pk=staff.pk).exists()


def _take_down(notice: Notice) -> None:
    if not notice.sha256:  # a release wrote it that did not write down what was reported
        clip = Clip.objects.filter(pk=notice.clip_id).first()
        if clip is not None:
            notice.sha256, notice.perceptual_hash = clip.sha256, clip.perceptual_hash
            notice.save(update_fields=["sha256", "perceptual_hash"])
    removals.remove(sha256=notice.sha256, perceptual_hash=notice.perceptual_hash, reason=notice.id)
    likeness.find_shared(notice)


def _decided(notice: Notice, is_removed: bool) -> State | None:
    """The state that the decision leads to; None where another one was made already."""
    if notice.state in (State.OBJECTED, State.UPHELD, State.RESTORED):
        after, others = (State.UPHELD, State.RESTORED) if is_removed else (State.RESTORED, State.UPHELD)
    else:
        after, others = (State.REMOVED, State.KEPT) if is_removed else (State.KEPT, State.REMOVED)
    return None if notice.state == others else after


@transaction.atomic
def object_to(notice: Notice, *, objection: str) -> Notice:
    """Have staff look again at what was taken down. Once: what is decided then stays.

    Raises:
        Invalid: nothing is said, or too much.
        Conflict: it is not taken down, or was objected to already.
    """
    if not objection.strip() or len(objection) > LONGEST_STATEMENT:
        raise Invalid(
            "invalid_objection",
            _("Say why the clip should be back.") if not objection.strip() else _("That's too long."),
            next_step=_("Up to %(most)s characters.") % {"most": intcomma(LONGEST_STATEMENT)},
            field="objection",
        )
    objected = Notice.objects.filter(id=notice.id, state=State.REMOVED)
    if not objected.update(state=State.OBJECTED, objection=objection, objected_at=timezone.now()):
        raise Conflict("not_taken_down", _("There's nothing to object to now."), next_step=_("Read what was decided."))
    notice.refresh_from_db()
    logger.warning("A takedown was objected to: %s, to be decided by %s", notice.id, notice.due_at)
    return notice


def forget_contacts(*, limit: int) -> int:
    """Forget who reported what was decided long ago. Returns how many were forgotten."""
    old = (
        Notice.objects.filter(decided_at__lt=timezone.now() - KEPT)
        .exclude(contact="")
        .exclude(state__in=Notice.WAITING)
    )
    return Notice.objects.filter(id__in=old.values("id")[:limit]).update(contact="")


def detach(workspace: Workspace) -> None:
    """Forget whose clips were reported, with what they said. What was reported and decided stays for the count."""
    Notice.objects.of(workspace).update(workspace=None, clip_id=None, objection="", address="")
