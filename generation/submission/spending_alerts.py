"""Mail and webhooks that a member, an API key, a model or the workspace has used much of what it may spend: once a
period for each share of each cap.

It is written by the transaction whose request reached the share, and the outbox keeps what was written on an occasion
single: what is given back and spent again is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import members
from accounts.caller import Caller
from accounts.models import ApiKey, Membership, Workspace
from accounts.roles import ALLOWED, Action
from billing.shop import budgets, notices
from billing.shop.budgets import Period
from catalog.models import Model
from generation.submission.spending_caps import Cap
from generation.webhooks import video_events
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage

CAP_USED = "generation.submission.spending_alerts.cap_used_content"
_KEY, _MEMBER, _MODEL = "key", "member", "model"


def write(caller: Caller, caps: Iterable[Cap], *, credits: int) -> None:
    """Tell those who set caps, and the member whose they are, which share of each was reached by a request of
    ``credits``. Call it in the transaction that spends them.

    Args:
        caps: as they stood before it.
    """
    for cap in caps:
        percent = budgets.percent_passed(cap=cap.credits, spent=cap.spent + credits, credits=credits)
        if percent:
            _write(caller, cap, percent, spent=cap.spent + credits)


def write_for_workspace(workspace: Workspace, cap: Cap, *, credits: int) -> None:
    """Tell whoever pays which share of the workspace's own cap was reached by a request of ``credits``. Call it in the
    transaction that spends them.

    Args:
        cap: as it stood before it.
    """
    spent = cap.spent + credits
    if percent := budgets.percent_passed(cap=cap.credits, spent=spent, credits=credits):
        occasion = notices.write_cap_used(workspace.id, cap=cap.credits, percent=percent, period=cap.period)
        with translation.override(settings.LANGUAGE_CODE):  # what programs are told is in English
            name = workspace.title
        _tell_endpoints(workspace, cap, percent, spent=spent, occasion=occasion, of="workspace", name=name)


def write_for_model(workspace: Workspace, model: Model, cap: Cap, *, credits: int) -> None:
    """The same of a cap on ``model``."""
    spent = cap.spent + credits
    if percent := budgets.percent_passed(cap=cap.credits, spent=spent, credits=credits):
        occasion = _occasion(cap, percent, f"{_MODEL}:{model.id}")
        _mail(workspace, notices.payers(workspace.id), occasion)
        _tell_endpoints(workspace, cap, percent, spent=spent, occasion=occasion, of=_MODEL, name=model.slug)


def _tell_endpoints(
    workspace: Workspace, cap: Cap, percent: int, *, spent: int, occasion: str, of: str, name: str
) -> None:
    data = {"percent": percent, "credits": cap.credits, "spent": spent, "period": cap.period.value}
    video_events.record_alert(workspace.id, occasion=occasion, data={**data, "of": of, "name": name})


def _write(caller: Caller, cap: Cap, percent: int, *, spent: int) -> None:
    holder = caller.holder
    assert holder is not None, "caps have somebody whose they are"
    workspace = holder.workspace
    whose = f"{_KEY}:{holder.line_id}" if isinstance(holder, ApiKey) else f"{_MEMBER}:{holder.id}"
    keepers = Membership.objects.filter(workspace=workspace, role__in=ALLOWED[Action.MANAGE_KEYS], user__is_active=True)
    readers = set(keepers.values_list("user", flat=True)) | ({caller.user.id} if caller.user is not None else set())
    occasion = _occasion(cap, percent, whose)
    name = holder.prefix if isinstance(holder, ApiKey) else holder.user.email
    of = _KEY if isinstance(holder, ApiKey) else _MEMBER
    _mail(workspace, readers, occasion)
    _tell_endpoints(workspace, cap, percent, spent=spent, occasion=occasion, of=of, name=name)


def _occasion(cap: Cap, percent: int, whose: str) -> str:
    return f"{percent}:{cap.credits}:{cap.period}:{cap.began:%Y-%m-%d}:{whose}"


def _mail(workspace: Workspace, readers: Iterable[int], occasion: str) -> None:
    mail.write(
        [
            MailMessage(workspace_id=workspace.id, user_id=user, content=CAP_USED, about=workspace.id)
            for user in sorted(readers)
        ],
        occasion=occasion,
    )


def cap_used_content(message: MailMessage) -> Content | None:
    """The words of the mail; None where the key or the member is gone, or the reader has left."""
    percent, cap, period, _began, kind, holder_id = message.occasion.split(":")
    if not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    said: dict[str, Any] = {
        "percent": int(percent),
        "cap": int(cap),
        "is_daily": period == Period.DAY,
    }
    if kind == _KEY:
        key = ApiKey.objects.filter(id=int(holder_id), workspace=message.tenant_id).select_related("workspace").first()
        page = "accounts:keys"
        said |= (
            {"name": _("The API key %(name)s") % {"name": key.name}, "workspace": key.workspace}
            if key is not None
            else {}
        )
    elif kind == _MODEL:
        model, workspace = Model.objects.filter(id=holder_id).first(), Workspace.objects.get(id=message.tenant_id)
        page = "generation:usage"
        said |= (
            {"name": _("The model %(name)s") % {"name": model.name}, "workspace": workspace}
            if model is not None
            else {}
        )
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
