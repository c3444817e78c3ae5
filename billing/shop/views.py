"""The pages around money: each parses, asks who is there, makes one service call and answers."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, exports, networks, tenancy
from accounts.models import Workspace
from accounts.roles import Action
from billing import allowance, ledger
from billing.plans import entitlements
from billing.shop import budgets, gateway, history, ordering, shares, subscribing
from billing.shop.forms import BudgetForm
from billing.shop.models import Budget, Order, Payment, Plan, Price
from billing.shop.subscribing import Change
from loremotion.refusals import Conflict, Forbidden
from loremotion.row_number import row_number

PAYMENTS_SHOWN = 12
HOLDS_SHOWN = 20
CLOCKS_DIFFER = timedelta(minutes=5)
"""Stripe's clock says when something was paid, ours when it was ordered."""


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Plans and packs, and what their credits make with each model at today's prices."""
    offered = list(Price.objects.offered().select_related("plan", "pack"))
    currencies = sorted({price.currency for price in offered})
    asked = [request.GET.get("currency"), settings.DEFAULT_CURRENCY, *currencies]
    currency = next((one for one in asked if one in currencies), settings.DEFAULT_CURRENCY)
    workspace = tenancy.caller_of(request).workspace
    subscription = subscribing.subscription_of(workspace.id) if workspace is not None else None
    prices = [price for price in offered if price.currency == currency]
    context = {
        "plans": Plan.objects.filter(is_offered=True),
        "packs": sorted(
            {price.pack for price in prices if price.pack is not None}, key=lambda pack: (pack.position, pack.pk)
        ),
        "by_plan": _by_item(prices, "plan_id"),
        "by_pack": _by_item(prices, "pack_id"),
        "free_months": _free_months(prices),
        "saved": _saved(prices),
        "currency": currency,
        "currencies": currencies,
        "clip_prices": (clip_prices := import_string(settings.CLIP_PRICES)()),
        "some_are_for_payers": any(price.is_for_payers for price in clip_prices),
        "subscription": subscription,
        "changes": {price.pk: subscribing.kind_of_change(subscription.price, price) for price in prices if price.plan}
        if subscription is not None
        else {},
        "is_buying_on": gateway.is_on(),
        "watermark": settings.WATERMARK,
        "order_id": uuid4(),
    }
    return render(request, "billing/pricing.html", context)


def _free_months(prices: list[Price]) -> dict[int, int]:
    """Price of a year → how many whole months of it are free beside paying for each."""
    month = {price.plan_id: price.amount_minor for price in prices if price.interval == Price.Interval.MONTH}
    years = [price for price in prices if price.interval == Price.Interval.YEAR and price.plan_id in month]
    return {price.pk: 12 - -(-price.amount_minor // month[price.plan_id]) for price in years}


def _saved(prices: list[Price]) -> dict[int, int]:
    """Price of a pack → percent that its credits cost less than those of the dearest."""
    packs = [price for price in prices if price.pack is not None]
    dearest = max((price.amount_minor / price.credits for price in packs), default=0.0)
    return {price.pk: int(100 - 100 * price.amount_minor / price.credits / dearest) for price in packs}


def _by_item(prices: list[Price], field: str) -> dict[int, list[Price]]:
    found: dict[int, list[Price]] = {}
    for price in prices:
        if (item := getattr(price, field)) is not None:
            found.setdefault(item, []).append(price)
    return found


@require_safe
def credits(request: HttpRequest) -> HttpResponse:
    """What credits there are and until when, what is set aside, where they went, payments, plan and limits."""
    workspace = tenancy.workspace_of(request, Action.READ_CREDITS)
    if workspace is None:
        context = {
            **_daily(request, None),
            "refills_at": allowance.refills_at(timezone.now()),
            "clip": import_string(settings.DEFAULT_CLIP_PRICE)(),
            "pack_price": _least_pack_price(),
        }
        return render(request, "billing/credits.html", context)
    caller = tenancy.caller_of(request)
    is_refilled = allowance.give(workspace, now=timezone.now(), network=networks.fingerprint_of(request))
    balance, refills_at = ledger.balance(account=workspace.id), allowance.refills_at(timezone.now())
    lots = ledger.lots(account=workspace.id)
    context = {
        "workspace": workspace,
        **_daily(request, workspace),
        "is_refilled": is_refilled,
        "balance": balance,
        # What every page shows, as it is known here.
        "credits_left": {"available": balance.available, "held": balance.held, "refills_at": refills_at},
        "lots": lots,
        "shares": shares.shares_of(lots),
        "expiring": shares.expiring(lots, timezone.now()),
        "clip": import_string(settings.DEFAULT_CLIP_PRICE)(),
        "holds": history.open_holds(workspace.id, caller=caller, limit=HOLDS_SHOWN),
        "entitled": entitlements(workspace.id),
        "refills_at": refills_at,
        "is_buying_on": gateway.is_on(),
        "attempt": uuid4(),
    }
    if caller.may(Action.READ_PAYMENTS):
        budget = Budget.objects.filter(workspace=workspace.id).first()
        payments = Payment.objects.filter(workspace=workspace.id).select_related("price__plan", "price__pack")
        context |= {
            "page": history.page(workspace.id, caller=caller, before=_before(request)),
            "payments": payments.order_by("-paid_at")[:PAYMENTS_SHOWN],
            "subscription": subscribing.subscription_of(workspace.id),
            "spent": budgets.spent_credits(workspace.id),
            "budget_form": BudgetForm(instance=budget),
        }
    return render(request, "billing/credits.html", context)


def _least_pack_price() -> Price | None:
    """What the smallest pack costs; None where none can be bought."""
    packs = Price.objects.offered().filter(pack__isnull=False, currency=settings.DEFAULT_CURRENCY)
    return packs.select_related("pack").order_by("amount_minor").first() if gateway.is_on() else None


def _daily(request: HttpRequest, workspace: Workspace | None) -> dict[str, int]:
    """The free credits of a day, and what they would be if the caller signed in."""
    is_signed_in = request.user.is_authenticated
    daily = allowance.daily_credits(workspace, is_signed_in=is_signed_in)
    more = allowance.daily_credits(None, is_signed_in=True)
    return {"daily": daily, "daily_signed_in": more if more > daily and not is_signed_in else 0}


@require_safe
def movements_csv(request: HttpRequest) -> HttpResponseBase:
    """Every movement there ever was, oldest last, as CSV."""
    workspace = _own_workspace(request, Action.READ_PAYMENTS)
    return exports.csv_file(history.as_csv(workspace.id), name="credits.csv", reader=workspace.id)


@require_POST
def set_budget(request: HttpRequest) -> HttpResponse:
    workspace = _own_workspace(request, Action.PAY)
    budget = Budget.objects.filter(workspace=workspace.id).first() or Budget(workspace=workspace.id)
    form = BudgetForm(request.POST, instance=budget)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("shop:credits")
    form.save()
    audit.record(workspace, "budget.changed", actor=tenancy.caller_of(request).name, request=request, **form.for_audit)
    messages.success(request, _("Your limits are saved."))
    return redirect("shop:credits")


# --- buying ------------------------------------------------------------------------------------------------------


@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    """Write the order and go to Stripe's pay page. The same form sent again leads to the same page."""
    gateway.client()  # refuses before anything is written where nothing is sold
    price = get_object_or_404(Price.objects.select_related("plan", "pack"), pk=_number(request.POST.get("price")))
    workspace, caller = tenancy.ensure(request, Action.PAY)
    if price.plan is not None and workspace.is_visitor:
        raise Forbidden(
            "sign_in_first", _("You need an account for a plan."), next_step=_("Sign up first. Packs don't need one.")
        )
    order = ordering.order(
        order_id=_uuid(request.POST.get("order")), workspace=workspace.id, price=price, actor=caller.name
    )
    back = settings.SITE_URL + reverse("shop:order", args=[order.id])
    email = caller.user.email if caller.user is not None else ""
    return redirect(ordering.pay_page(order, email=email, back=back))


@require_safe
def order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """The page that people come back to from paying. It asks Stripe, so that nobody waits for a webhook."""
    workspace = _own_workspace(request, Action.READ_PAYMENTS)
    found = get_object_or_404(
        Order.objects.select_related("price__plan", "price__pack"), id=order_id, workspace=workspace.id
    )
    if found.state == Order.State.OPEN:
        ordering.fulfil_if_paid(found)
        found.refresh_from_db()
    return render(request, "billing/order.html", {"order": found, "payment": _payment_of(found)})


def _payment_of(order: Order) -> Payment | None:
    """The payment of the order. A pack's names it; a plan's is that of the subscription's first invoice."""
    paid = Payment.objects.filter(workspace=order.workspace)
    if order.price.plan is None:
        return paid.filter(order=order).first()
    periods = paid.filter(subscription__isnull=False, price=order.price, paid_at__gt=order.created_at - CLOCKS_DIFFER)
    return periods.order_by("paid_at", "id").first()


@require_POST
def change_plan(request: HttpRequest) -> HttpResponse:
    workspace = _own_workspace(request, Action.PAY)
    price = get_object_or_404(Price.objects.select_related("plan"), pk=_number(request.POST.get("price")))
    kind = subscribing.change(workspace=workspace.id, price=price, attempt=_uuid(request.POST.get("attempt")))
    caller = tenancy.caller_of(request)
    if kind is not Change.NONE:
        audit.record(workspace, "plan.changed", actor=caller.name, subject=str(price), request=request, when=kind.value)
    words = {
        Change.NOW: _("You're on %(plan)s now. You keep your current credits until they expire."),
        Change.LATER: _("You'll move to %(plan)s when the current period ends."),
        Change.NONE: _("You're already on that plan."),
    }
    messages.success(request, words[kind] % {"plan": price.item})
    return redirect("shop:credits")


@require_POST
def keep_plan(request: HttpRequest) -> HttpResponse:
    """Take back a cancellation, or a change that was to come."""
    workspace = _own_workspace(request, Action.PAY)
    subscribing.set_cancelled(workspace=workspace.id, is_cancelled=False)
    audit.record(workspace, "plan.kept", actor=tenancy.caller_of(request).name, request=request)
    messages.success(request, _("Your plan continues."))
    return redirect("shop:credits")


@require_POST
def cancel_plan(request: HttpRequest) -> HttpResponse:
    workspace = _own_workspace(request, Action.PAY)
    subscribing.set_cancelled(workspace=workspace.id, is_cancelled=True)
    audit.record(workspace, "plan.cancelled", actor=tenancy.caller_of(request).name, request=request)
    messages.success(request, _("Your plan ends with the current period. You keep your packs."))
    return redirect("shop:credits")


@require_POST
def portal(request: HttpRequest) -> HttpResponse:
    """Stripe's own page for cards, addresses and invoices."""
    workspace = _own_workspace(request, Action.PAY)
    return redirect(subscribing.portal(workspace=workspace.id, back=settings.SITE_URL + reverse("shop:credits")))


# --- reading what was sent ---------------------------------------------------------------------------------------


def _own_workspace(request: HttpRequest, action: Action) -> Workspace:
    workspace = tenancy.workspace_of(request, action)
    if workspace is None:
        raise Http404
    return workspace


def _before(request: HttpRequest) -> int | None:
    text = request.GET.get("before", "")
    if not text:
        return None
    return _number(text)


def _number(text: str | None) -> int:
    number = row_number(text)
    if number is None:
        raise Http404
    return number


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError:
        raise Conflict(
            "form_incomplete", _("This form is incomplete."), next_step=_("Reload the page and try again.")
        ) from None
