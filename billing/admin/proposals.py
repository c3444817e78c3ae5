"""What staff wants done to credits beyond what one may do alone, and the second who agrees or does not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts import whose
from billing import ledger, proposals
from billing.admin.exact_search import LedgerAdmin
from billing.admin.forms import DecisionForm
from billing.models import Proposal
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link, link
from loremotion.refusals import Refusal
from loremotion.row_acts import RowLink
from loremotion.staff_pages import RightLacking


class StateFilter(admin.SimpleListFilter):
    """The list's filter by state. Without a choice it shows what waits."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("expired", "Expired"), ("done", "Done"), ("refused", "Refused"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Waiting"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        wanted: dict[str | None, dict[str, Any]] = {
            None: {"state": Proposal.State.WAITING, "expires_at__gt": now},
            "expired": {"state": Proposal.State.WAITING, "expires_at__lte": now},
            "done": {"state": Proposal.State.DONE},
            "refused": {"state": Proposal.State.REFUSED},
        }
        return queryset.filter(**wanted.get(self.value(), {}))


def _outcome(proposal: Proposal) -> dict[str, Any]:
    """What it would do to the account as it is now, or why it cannot be done."""
    if not proposal.is_waiting:
        return {"before": ledger.balance(account=proposal.account)}
    try:
        before, after = proposals.outcome(proposal)
    except Refusal as refusal:
        return {"before": ledger.balance(account=proposal.account), "refusal": str(refusal)}
    return {"before": before, "after": after}


@admin.register(Proposal)
class ProposalAdmin(DetailPage, LedgerAdmin):
    """Everything that staff did to credits or wants to, with both names."""

    list_display = ("proposed_at", "what", "whose", "reason", "proposer", "decider", "expires_at")
    list_filter = (StateFilter,)
    whose_field = "account"
    ordering = ("-proposed_at", "-id")
    search_help_text = "An email address, or a whole account id"
    row_links = (
        RowLink(
            "Approve or refuse…",
            lambda proposal: reverse("admin:billing_proposal_decide", args=[proposal.pk]),
            "billing.decide_proposal",
            is_offered=lambda proposal: (
                proposal.state == Proposal.State.WAITING and proposal.expires_at > timezone.now()
            ),
            left_to_others=lambda request, proposal: (
                "Yours: somebody else decides" if proposal.proposed_by == request.user.pk else ""
            ),
        ),
    )

    @admin.display(description="What")
    def what(self, proposal: Proposal) -> str:
        return str(proposal)

    @admin.display(description="Proposed by", ordering="proposed_by_name")
    def proposer(self, proposal: Proposal) -> str:
        return proposal.proposed_by_name

    @admin.display(description="Decided by", ordering="decided_by_name", empty_value="")
    def decider(self, proposal: Proposal) -> str:
        return proposal.decided_by_name

    def headline(self, proposal: Proposal) -> str:
        return str(proposal)

    def standing(self, proposal: Proposal) -> Standing:
        if proposal.is_waiting:
            return Standing(f"Waits for a second member of staff until {at(proposal.expires_at)}", "away")
        if proposal.state == Proposal.State.WAITING:
            return Standing(f"Nobody decided until {at(proposal.expires_at)}", "away")
        is_done = proposal.state == Proposal.State.DONE
        return Standing(proposal.get_state_display().capitalize(), "good" if is_done else "bad", proposal.decision)

    def facts(self, request: HttpRequest, proposal: Proposal) -> list[Fact]:
        has_account = request.user.has_perm("billing.view_account")
        account = admin_address("billing_account_change", proposal.account) if has_account else ""
        decided = f"{proposal.decided_by_name}, {at(proposal.decided_at)}" if proposal.decided_by_name else ""
        return [
            Fact("Customer", customer_link(request, proposal.account, whose.title_by_id(proposal.account))),
            Fact("Account", link(account, "Its credits and movements") if account else ""),
            Fact("Why", proposal.reason),
            Fact("Owed for", proposal.grant),
            Fact("Proposed by", f"{proposal.proposed_by_name}, {at(proposal.proposed_at)}"),
            Fact("Decided by", decided),
        ]

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        return [path("<uuid:proposal_id>/decide/", decide, name="billing_proposal_decide"), *super().get_urls()]

    def decide_view(self, request: HttpRequest, proposal_id: UUID) -> HttpResponse:
        """What it would do, and a form to agree or refuse."""
        if not request.user.has_perm("billing.decide_proposal"):
            raise RightLacking("billing.decide_proposal")
        proposal = get_object_or_404(Proposal, id=proposal_id)
        form = DecisionForm(request.POST or None)
        if form.is_valid():
            is_yes = "approve" in request.POST
            if not is_yes and "refuse" not in request.POST:
                raise Http404
            decide = proposals.approve if is_yes else proposals.refuse
            try:
                proposal = decide(proposal.id, staff=request.user, reason=form.cleaned_data["reason"])
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                done = "Approved" if is_yes else "Refused"
                if not proposals.has_log(proposal.account):
                    self.log_change(request, proposal, f"{done} the proposal, {proposal}: {proposal.decision}")
                messages.success(request, f"{proposal}: {proposal.get_state_display()}.")
                return redirect("admin:billing_account_change", proposal.account)
        context = self.admin_site.each_context(request) | {
            "title": "Approve or refuse",
            "opts": self.model._meta,
            "proposal": proposal,
            "customer": whose.title_by_id(proposal.account),
            **_outcome(proposal),
            "is_own": proposal.proposed_by == request.user.pk,
            "form": form,
        }
        return render(request, "admin/billing/proposal/decide.html", context)
