"""Mail that a member, or an API key, has used much of what it may spend: once a period for each share of each cap.

It is written by the transaction whose request reached the share, and the outbox keeps what was written on an occasion
single: what is given back and spent again is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts import members
from accounts.caller import Caller
from accounts.models import ApiKey, Membership
from accounts.roles import ALLOWED, Action
from billing.shop import budgets
from generation.submission.spending_caps import Cap, Period
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage

CAP_USED = "generation.submission.spending_alerts.cap_used_content"
_KEY, _MEMBER = "key", "member"


def write(caller: Caller, caps: Iterable[Cap], *, credits: int) -> None:
    """Tell those who set caps, and the member whose they are, which share of each was reached by a request of
    ``credits``. Call it in the transaction that spends them.

    Args:
        caps: as they stood before it.
    """
    for cap in caps:
        percent = budgets.percent_passed(cap=cap.credits, spent=cap.spent + credits, credits=credits)
        if percent:
            _write(caller, cap, percent)


def _write(caller: Caller, cap: Cap, percent: int) -> None:
    holder = caller.holder
    assert holder is not None, "caps have somebody whose they are"
    workspace = holder.workspace
    whose = f"{_KEY}:{holder.line_id}" if isinstance(holder, ApiKey) else f"{_MEMBER}:{holder.id}"
    keepers = Membership.objects.filter(workspace=workspace, role__in=ALLOWED[Action.MANAGE_KEYS], user__is_active=True)
    readers = set(keepers.values_list("user", flat=True)) | ({caller.user.id} if caller.user is not None else set())
    mail.write(
        [
            MailMessage(workspace_id=workspace.id, user_id=user, content=CAP_USED, about=workspace.id)
            for user in sorted(readers)
        ],
        occasion=f"{percent}:{cap.credits}:{cap.period}:{cap.began:%Y-%m-%d}:{whose}",
    )


def cap_used_content(message: MailMessage) -> Content | None:
    """The words of the mail; None where the key or the member is gone, or the reader has left."""
    percent, cap, period, _, kind, holder_id = message.occasion.split(":")
    if not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    said: dict[str, Any] = {
        "percent": int(percent),
        "cap": int(cap),
        "now": "today" if period == Period.DAY else "this month",
    }
    if kind == _KEY:
        key = ApiKey.objects.filter(id=int(holder_id), workspace=message.tenant_id).select_related("workspace").first()
        page = "accounts:keys"
        said |= {"name": f"The API key {key.name}", "workspace": key.workspace} if key is not None else {}
    else:
        places = Membership.objects.filter(id=int(holder_id), workspace=message.tenant_id)
        place = places.select_related("workspace", "user").first()
        page = "accounts:members"
        said |= {"name": place.user.email, "workspace": place.workspace} if place is not None else {}
    if "name" not in said:
        return None
    urls = {
        "limits_url": settings.SITE_URL + reverse(page),
        "usage_url": settings.SITE_URL + reverse("generation:usage"),
    }
    return Content("generation/mail/cap_used.txt", {**said, **urls})


MAIL: Contents = {CAP_USED: cap_used_content}
