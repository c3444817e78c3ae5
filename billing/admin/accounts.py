"""The ledger as staff sees it: an account's history with running balance, its lots, its holds. Nothing is edited here;
what staff gives or takes is a movement of its own, with a name and a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from accounts import whose
from billing import ledger, proposals
from billing.admin.exact_search import LedgerAdmin
from billing.admin.forms import WriteOffForm
from billing.models import LOT_TITLES, Account, Hold, Lot, Proposal
from billing.shop import history
from loremotion.headed import Headed
from loremotion.number_column import number_column
from loremotion.refusals import Refusal
from loremotion.row_number import row_number
from loremotion.staff_pages import RightLacking
from loremotion.value_filter import ValueFilter

WHERE_CREDITS_ARE = {
    "remaining": "can be spent",
    "held": "reserved for clips",
    "consumed": "spent",
    "expired": "expired",
    "clawed": "taken back with a refund",
    "adjusted": "taken by staff",
    "moved": "moved to another workspace, or rolled over",
    "repaid": "paid a debt",
    "forgiven": "written off",
}
"""Column of a lot → what became of the credits that it counts."""
LINES_A_PAGE = 50
NEWEST_ROWS = 50


@admin.register(Account)
class AccountAdmin(Headed, LedgerAdmin):
    """An account: what is in it now, lot by lot, and every movement with the balance after it."""

    list_display = (
        *("whose", number_column("available"), number_column("held"), number_column("debt", "owed")),
        *("merged_into", "opened_at", "id"),
    )
    list_display_links = ("id",)
    list_select_related = ("merged_into",)
    ordering = ("-opened_at",)
    whose_field = "id"
    fields = ("id", "opened_at", "merged_into")
    readonly_fields = fields
    change_form_template = "admin/billing/account/timeline.html"

    def named_by(self, wanted: UUID) -> Q:
        return Q(id=wanted)

    def get_urls(self) -> list[URLPattern]:
        write_off = self.admin_site.admin_view(self.write_off_view)
        return [
            path("<uuid:account_id>/write-off/", write_off, name="billing_account_write_off"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404("No account has this id: the workspace never had credits.")
        before = row_number(request.GET.get("before"))
        lines = ledger.movements(account=account.id, before=before, limit=LINES_A_PAGE + 1)
        shown, is_raw = lines[:LINES_A_PAGE], request.GET.get("columns") == "all"
        context = {
            "balance": ledger.balance(account=account.id),
            "live_lots": ledger.lots(account=account.id),
            "used_lots": Lot.objects.filter(account=account, has_remaining=False).order_by("-granted_at")[:NEWEST_ROWS],
            "holds": Hold.objects.filter(account=account).order_by("-held_at")[:NEWEST_ROWS],
            "lines": [(line, history.words_of(line)) for line in shown]
            if is_raw
            else history.one_row_a_clip(account.id, shown),
            "older_than": shown[-1].seq if len(lines) > LINES_A_PAGE else None,
            "is_raw": is_raw,
            "debts": ledger.debts(account=account.id),
            "proposals": Proposal.objects.waiting().filter(account=account.id)[:NEWEST_ROWS],
            "has_customer": proposals.has_log(account.id),
            "may_adjust": request.user.has_perm("billing.adjust_credits"),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def headline(self, account: Account) -> str:
        return f"Account of {whose.title_by_id(account.id)}"

    def write_off_view(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """Give up what is owed: at once, or after a second member of staff agrees."""
        account = self._account(request, account_id)
        debts = ledger.debts(account=account.id)
        form = WriteOffForm(request.POST or None, debts=debts, initial={"reference": uuid4()})
        if form.is_valid() and self._write_off(request, form, account.id):
            return redirect("admin:billing_account_change", account.id)
        context = self.admin_site.each_context(request) | {
            "title": "Write debt off",
            "opts": self.model._meta,
            "account": account,
            "headline": self.headline(account),
            "balance": ledger.balance(account=account.id),
            "left_alone": proposals.left_to_do_alone(request.user),
            "form": form,
        }
        return render(request, "admin/billing/account/write_off.html", context)

    def _account(self, request: HttpRequest, account_id: UUID) -> Account:
        if not request.user.has_perm("billing.adjust_credits"):
            raise RightLacking("billing.adjust_credits")
        account = Account.objects.filter(id=account_id).first()
        if account is None:
            raise Http404("No account has this id: the workspace never had credits.")
        return account

    def _write_off(self, request: HttpRequest, form: WriteOffForm, account: UUID) -> bool:
        wanted = form.cleaned_data
        try:
            proposal = proposals.propose(
                proposal_id=wanted["reference"],
                kind=Proposal.Kind.WRITE_OFF,
                account=account,
                grant=wanted["grant"],
                amount=wanted["amount"],
                reason=wanted["reason"],
                staff=request.user,
            )
        except Refusal as refusal:
            form.add_error("amount", str(refusal))
            return False
        if proposal.state == Proposal.State.WAITING:
            messages.warning(request, f"{proposal}: waits for somebody else on the staff to agree.")
        else:
            messages.success(request, f"{proposal}: {proposal.reason}")
        if not proposals.has_log(account):
            self.log_change(request, Account(id=account), f"{proposal.in_the_past}: {proposal.reason}")
        return True


def _folded(fields: Any) -> Any:
    """The row as it is, for whoever looks for a fault."""
    return [("Every field of the row", {"classes": ["collapse"], "fields": fields})]


class KindFilter(ValueFilter):
    title = parameter_name = "kind"
    values = tuple(ledger.LotKind)

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """As the column calls them."""
        return [(kind, LOT_TITLES[kind]) for kind in self.values]


@admin.register(Lot)
class LotAdmin(Headed, LedgerAdmin):
    """Credits that came together, and where each of them is now."""

    list_display = (
        *("title", "whose", "granted_at", "expires_at"),
        *map(number_column, ("issued", "remaining", "held")),
        number_column("consumed", "spent"),
    )
    list_display_links = ("title",)
    list_filter = (KindFilter,)
    ordering = ("-id",)
    search_help_text = "An email address, or a whole reference or account id"
    change_form_template = "admin/billing/lot/change_form.html"

    def headline(self, lot: Lot) -> str:
        return f"{lot.title}: {lot.issued:,}"

    @admin.display(description="kind")
    def title(self, lot: Lot) -> str:
        return lot.title

    def get_fieldsets(self, request: HttpRequest, obj: Lot | None = None) -> Any:
        return _folded(self.get_fields(request, obj))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where each of its credits is, in words, before the row itself."""
        lot = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if lot is not None and self.has_view_permission(request):
            places = ((words, getattr(lot, name)) for name, words in WHERE_CREDITS_ARE.items())
            shown = {
                "customer": whose.title_by_id(lot.account_id),
                "places": [(words, credits) for words, credits in places if credits],
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def called(self, wanted: str) -> Q:
        return Q(reference=wanted)


@admin.register(Hold)
class HoldAdmin(Headed, LedgerAdmin):
    """What was set aside for each request, and how that ended."""

    list_display = (
        *("held_at", "whose", number_column("amount", "held"), "state", number_column("captured", "charged")),
        "settled_at",
    )
    list_display_links = ("held_at",)
    list_filter = ("state",)
    ordering = ("-held_at",)
    search_help_text = "An email address, or a whole request or account id"
    change_form_template = "admin/billing/hold/change_form.html"

    def headline(self, hold: Hold) -> str:
        return f"{hold.amount:,} credit{'' if hold.amount == 1 else 's'} for a clip"

    def get_fieldsets(self, request: HttpRequest, obj: Hold | None = None) -> Any:
        return _folded(self.get_fields(request, obj))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What it was for and how it ended, in words, before the row itself."""
        hold = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if hold is not None and self.has_view_permission(request):
            shown = {
                "customer": whose.title_by_id(hold.account_id),
                "quoted": [(line["label"], line["millicredits"] / 1000) for line in hold.quote.get("lines", ())],
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def named_by(self, wanted: UUID) -> Q:
        return Q(id=wanted) | Q(account=wanted)
