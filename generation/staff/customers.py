"""Customers for staff: one search, and one page of a workspace with its credits, plan, clips and audit log."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import api_keys, impersonation, origins, request_log, whose, workspaces
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from billing import ledger, plans, proposals
from billing.admin.forms import MoveForm
from billing.models import Proposal
from billing.shop import gateway, history
from billing.shop.models import Customer, Payment, Subscription
from billing.shop.money import format_amount
from generation.models import Generation
from generation.staff import customer_credits, customer_search
from generation.staff.audit import acts
from generation.staff.audit.acts import Act
from generation.staff.charges import with_charged
from generation.staff.customer_summary import flags_of
from loremotion.refusals import Refusal

SHOWN: Final = 12
MOST_MEMBERS: Final = 20


def search(request: HttpRequest) -> HttpResponse:
    """The search; straight to the page where one workspace alone is found."""
    wanted = request.GET.get("q", "")[:200]
    found = customer_search.find(wanted)
    if len(found) == 1:
        return redirect("admin:customer", found[0].id)
    person = customer_search.person_at(wanted)
    plans = _plans_of(found) if found and cast(User, request.user).has_perm("shop.view_subscription") else {}
    context = {
        **admin.site.each_context(request),
        "title": "Find a customer",
        "wanted": wanted,
        "found": found,
        "rows": [(whose.title_of(each), each, plans.get(each.id, "")) for each in found],
        "person": person,
        "most": customer_search.MOST_FOUND,
        "newest": [] if wanted else [(whose.title_of(each), each) for each in customer_search.newest()],
    }
    return TemplateResponse(request, "admin/generation/customers.html", context)


def _plans_of(found: list[Workspace]) -> dict[UUID, str]:
    """Return id → the name of the plan that it pays for, of those that pay for one."""
    paid = Subscription.objects.live().filter(workspace__in=[each.id for each in found])
    return dict(paid.values_list("workspace", "price__plan__name"))


def page(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Everything about one workspace, as far as staff may see it. Costs the same however much it has."""
    return _render_page(request, _workspace(workspace_id), MoveForm(initial={"reference": uuid4()}))


def _render_page(request: HttpRequest, workspace: Workspace, form: MoveForm) -> HttpResponse:
    user = cast(User, request.user)
    amount = form.cleaned_data.get("amount") if form.is_bound and user.has_perm("billing.adjust_credits") else None
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": whose.title_of(workspace),
        "workspace": workspace,
        "is_ours": not whose.is_somebodys(workspace),
        "members": Membership.objects.filter(workspace=workspace).select_related("user").order_by("id")[:MOST_MEMBERS],
        "form": form,
        "moves": customer_credits.both(workspace, amount, user) if amount else [],
        "left_alone": proposals.left_to_do_alone(user) if user.has_perm("billing.adjust_credits") else 0,
        **(_credits(workspace) if user.has_perm("billing.view_account") else {}),
        **(_bought(workspace) if user.has_perm("shop.view_payment") else {}),
    }
    if user.has_perm("generation.view_generation"):
        clips = with_charged(Generation.objects.filter(workspace=workspace).for_display()).order_by(
            "-created_at", "-id"
        )
        context["clips"] = list(with_charged(clips)[:SHOWN])
    if user.has_perm("accounts.view_auditentry"):
        context["acts"] = _acts(request, workspace, context["title"])
        context["keys"] = ApiKey.objects.filter(workspace=workspace).order_by("-id")[:SHOWN]
    context["flags"] = flags_of(workspace, context, user)
    return TemplateResponse(request, "admin/generation/customer.html", context)


def _acts(request: HttpRequest, workspace: Workspace, title: str) -> list[Act]:
    """What was done in the workspace lately, as the audit log says it."""
    entries = list(AuditEntry.objects.filter(workspace=workspace).order_by("-id")[:SHOWN])
    names = acts.actor_names(each.actor for each in entries)
    return [acts.of_customer(acts.of_entry(each, names, request), title) for each in entries]


def key(request: HttpRequest, workspace_id: UUID, key_id: int) -> HttpResponse:
    """What a key of the workspace may do and from where, what it asked last, and how it was answered."""
    found = _key(workspace_id, key_id)
    context = {
        **admin.site.each_context(request),
        "title": f"Requests of {found.name}",
        "key": found,
        "requests": request_log.last_requests(found),
        "most": request_log.MOST_KEPT,
    }
    return TemplateResponse(request, "admin/generation/customer_key.html", context)


def _credits(workspace: Workspace) -> dict[str, Any]:
    moved = ledger.movements(account=workspace.id, limit=2 * SHOWN)
    lines = history.one_row_a_clip(workspace.id, moved)[:SHOWN]
    return {
        "balance": ledger.balance(account=workspace.id),
        "lots": ledger.lots(account=workspace.id),
        "lines": [(line, words, line.kind in ("hold", "settle")) for line, words in lines],
        "proposals": list(Proposal.objects.waiting().filter(account=workspace.id)[:SHOWN]),
    }


def _bought(workspace: Workspace) -> dict[str, Any]:
    payments = Payment.objects.filter(workspace=workspace.id).select_related("price__plan", "price__pack")
    payments = payments.order_by("-paid_at")
    subscription = Subscription.objects.of(workspace.id).order_by("-period_end").first()
    customer = Customer.objects.filter(workspace=workspace.id).first()
    ids = [customer.stripe_customer_id if customer else "", subscription.stripe_subscription_id if subscription else ""]
    return {
        "may": plans.entitlements(workspace.id),
        "subscription": subscription,
        "at_stripe": [(each, gateway.dashboard_address(each)) for each in ids if each],
        "payments": [
            (each, format_amount(each.amount_minor, each.currency), format_amount(each.refunded_minor, each.currency))
            for each in payments[:SHOWN]
        ],
    }


# --- what the buttons do ---------------------------------------------------------------------------------------------


def move_credits(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Give or take as many credits as the button says that was pressed: at once, or after a second member of staff
    agrees."""
    workspace, user = _workspace(workspace_id), cast(User, request.user)
    name = customer_credits.TAKE if customer_credits.TAKE in request.POST else customer_credits.GIVE
    form = MoveForm({**request.POST.dict(), "amount": request.POST.get(name, "")})
    if not form.is_valid():
        return _render_page(request, workspace, form)
    try:
        proposal = customer_credits.move(workspace, name, staff=user, **form.cleaned_data)
    except Refusal as refusal:
        form.add_error(None, customer_credits.words_of(refusal))
        return _render_page(request, workspace, form)
    if proposal.state == Proposal.State.WAITING:
        messages.warning(request, f"{proposal}: waits for somebody else on the staff to agree.")
    else:
        messages.success(request, f"{proposal}: {proposal.reason}")
    return redirect(f"{reverse('admin:customer', args=[workspace.id])}#credits")


def preview_credits(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """The page, with what giving and taking so many credits would leave. Why is not asked yet, and nothing is done."""
    form = MoveForm(request.POST)
    form.fields["reason"].required = False
    form.full_clean()
    return _render_page(request, _workspace(workspace_id), form)


def look_into(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """See the workspace as its members do, read only, noted in its audit log."""
    impersonation.begin(request, _workspace(workspace_id))
    return redirect("generation:history")


def suspend(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    workspace = _workspace(workspace_id)
    reason = request.POST.get("reason", "")[:200] or "by staff"
    workspaces.suspend(workspace, actor=f"staff {request.user}", reason=reason)
    messages.success(request, "Suspended: what ran is cancelled, clips and credits are kept.")
    return _to(workspace)


def unsuspend(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    workspace = _workspace(workspace_id)
    workspaces.unsuspend(workspace, actor=f"staff {request.user}")
    messages.success(request, "The suspension is lifted.")
    return _to(workspace)


def set_key_origins(request: HttpRequest, workspace_id: UUID, key_id: int) -> HttpResponse:
    """Say from which pages in browsers a key may be used. Noted in the workspace's audit log."""
    found = _key(workspace_id, key_id)
    try:
        said = origins.read_origins(request.POST.get("origins", ""))
        api_keys.set_origins(key=found, origins=said, actor=f"staff {request.user}")
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Its origins are saved.")
    return redirect("admin:customer_key", workspace_id, key_id)


def revoke_key(request: HttpRequest, workspace_id: UUID, key_id: int) -> HttpResponse:
    """Revoke a key, or end an app's connection, from this moment. Noted in the workspace's audit log."""
    api_keys.revoke(key=_key(workspace_id, key_id), actor=f"staff {request.user}")
    messages.success(request, "It is revoked.")
    return redirect("admin:customer_key", workspace_id, key_id)


def _key(workspace_id: UUID, key_id: int) -> ApiKey:
    found = ApiKey.objects.select_related("workspace", "created_by")
    return get_object_or_404(found, id=key_id, workspace=workspace_id)


def _workspace(workspace_id: UUID) -> Workspace:
    return get_object_or_404(
        Workspace.objects.select_related("visitor", "merged_into").prefetch_related(whose.owners()), id=workspace_id
    )


def _to(workspace: Workspace) -> HttpResponse:
    return redirect(f"{reverse('admin:customer', args=[workspace.id])}#workspace")
