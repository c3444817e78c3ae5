"""What staff does in the admin, act by act: what there is to do it to, what is posted where, and what that is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import redis
from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts import bans, workspaces
from accounts.models import ApiKey, User, Visitor, Workspace
from billing import ledger, proposals
from billing.models import Proposal
from billing.shop.models import StripeEvent
from catalog import versions
from catalog.models import Model
from generation.moderation.models import Review
from generation.notices import notices
from generation.provider_keys.models import ProviderKey
from generation.scheduling import dispatch
from generation.sharing import links
from generation.sharing.models import Share
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage, State
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.test_catalogue_page import REFERENCE, rendered
from tests.generation.test_fleet_page import TRANSFORMER, heard, on_card
from tests.generation.test_pages import finished


@dataclass(slots=True)
class World:
    """What there is to act on, made when it is asked for."""

    staff: User
    valkey: redis.Redis
    toy: Model = field(default_factory=factories.model)
    visitor: Visitor = field(default_factory=lambda: factories.visitor(credits=1_000))

    @property
    def workspace(self) -> Workspace:
        return self.visitor.workspace

    def share(self) -> Share:
        made = finished(self.visitor, prompt="a fox", seconds=3, size="192x128")
        return Share.objects.create(clip=made.clip, shows_prompt=True, is_indexed=True)

    def draft(self, **changes: Any) -> Model:
        made = factories.model("draft", is_default=False, **changes)
        Model.objects.filter(id=made.id).update(status="draft")
        return made

    def canary(self) -> Model:
        assert self.toy.current is not None
        version = self.toy.current
        version.pk, version.note = None, "canary"
        versions.write(version, by=self.staff, note="canary", is_canary=True)
        return self.toy


@dataclass(frozen=True, slots=True)
class Act:
    """What is posted where, and which object the note must name. ``named`` None: the row that is new."""

    address: str
    said: Mapping[str, Any]
    named: object = None
    kind: Any = None
    """Of the row that is new."""


Doing = Callable[[World], Act]
ACTS: dict[str, Doing] = {}


def act(name: str) -> Callable[[Doing], Doing]:
    def register(doing: Doing) -> Doing:
        ACTS[name] = doing
        return doing

    return register


def on_rows(row: Any, action: str, **said: Any) -> Act:
    address = f"/admin/{row._meta.label_lower.replace('.', '/')}/"
    return Act(address, {"action": action, "_selected_action": [row.pk], **said}, row.pk)


# --- actions on chosen rows ------------------------------------------------------------------------------------------


@act("accounts.workspace look_into")
def _(world: World) -> Act:
    return on_rows(world.workspace, "look_into")


@act("accounts.workspace suspend_selected")
def _(world: World) -> Act:
    return on_rows(world.workspace, "suspend_selected")


@act("accounts.workspace unsuspend_selected")
def _(world: World) -> Act:
    workspaces.suspend(world.workspace, actor="x", reason="x")
    return on_rows(world.workspace, "unsuspend_selected")


@act("accounts.ban lift_selected")
def _(world: World) -> Act:
    return on_rows(bans.ban_network("a" * 32, by=world.staff, reason="Too many.", until=None), "lift_selected")


@act("generation.generation cancel_selected")
def _(world: World) -> Act:
    return on_rows(factories.submitted(world.workspace), "cancel_selected")


@act("generation.generation retry_selected")
def _(world: World) -> Act:
    clip = factories.submitted(world.workspace)
    dispatch.fill_window()
    return on_rows(clip, "retry_selected")


@act("sharing.share feature")
def _(world: World) -> Act:
    link = world.share()
    return Act("/admin/sharing/share/", {"action": "feature", "_selected_action": [link.pk]}, link.clip_id)


@act("sharing.share withdraw")
def _(world: World) -> Act:
    link = world.share()
    Share.objects.update(featured_at=timezone.now())
    return Act("/admin/sharing/share/", {"action": "withdraw", "_selected_action": [link.pk]}, link.clip_id)


@act("sharing.share revoke")
def _(world: World) -> Act:
    link = world.share()
    return Act("/admin/sharing/share/", {"action": "revoke", "_selected_action": [link.pk]}, link.clip_id)


@act("shop.stripeevent replay")
def _(world: World) -> Act:
    event = StripeEvent.objects.create(event_id="evt_1", type="charge.refunded", object_id="ch_1")
    return on_rows(event, "replay")


@act("outbox.mailmessage retry_selected")
def _(world: World) -> Act:
    dead = MailMessage.objects.create(
        address="x@example.org", content="x.y", about=uuid4(), state=State.DEAD, expires_at=timezone.now()
    )
    return on_rows(dead, "retry_selected")


@act("webhooks.delivery retry_selected")
def _(world: World) -> Act:
    endpoint = Endpoint.objects.create(workspace=world.workspace, name="x", url="https://x.example", event_types=[])
    dead = Delivery.objects.create(
        endpoint=endpoint, event_id="evt_1", event_type="x", video_id=uuid4(), state="dead", expires_at=timezone.now()
    )
    return on_rows(dead, "retry_selected")


@act("provider_keys.providerkey remove")
def _(world: World) -> Act:
    key = ProviderKey.objects.create(workspace=world.workspace, account="studio", pair="0", sealed="s")
    return replace(on_rows(key, "remove"), named=world.workspace.id)


@act("account.emailaddress make_verified")
def _(world: World) -> Act:
    return on_rows(EmailAddress.objects.create(user=world.staff, email="x@example.org"), "make_verified")


# --- pages of a model's --------------------------------------------------------------------------------------------


def credits(amount: int) -> dict[str, Any]:
    return {"amount": amount, "reason": "an outage", "reference": uuid4()}


@act("billing_account_write_off")
def _(world: World) -> Act:
    account, grant = uuid4(), "test:grant"
    ledger.grant(account=account, reference=grant, amount=80, kind=ledger.LotKind.PACK)
    clip = uuid4()
    ends_at = timezone.now() + timedelta(days=1)
    ledger.hold(account=account, reference=clip, amount=80, expires_at=ends_at, quote={})
    ledger.capture(reference=clip)
    ledger.clawback(reference=grant, target=80)
    return Act(f"/admin/billing/account/{account}/write-off/", {**credits(80), "grant": grant}, account)


@act("billing_proposal_decide")
def _(world: World) -> Act:
    proposal = proposals.propose(
        proposal_id=uuid4(),
        kind=Proposal.Kind.ADJUST,
        account=world.workspace.id,
        amount=5_000_000,
        reason="lost",
        staff=people.person("other@example.org", is_staff=True),
    )
    return Act(f"/admin/billing/proposal/{proposal.id}/decide/", {"reason": "no", "refuse": "1"}, proposal.id)


@act("catalog_model_restore")
def _(world: World) -> Act:
    return Act(f"/admin/catalog/model/{world.toy.pk}/versions/1/restore/", {}, world.toy.pk)


@act("catalog_model_canary")
def _(world: World) -> Act:
    return Act(f"/admin/catalog/model/{world.canary().pk}/canary/drop/", {}, world.toy.pk)


@act("moderation_review_decide")
def _(world: World) -> Act:
    review = Review.objects.create(
        workspace=world.workspace, prompt="a nude", category="sexual", outcome=1, words=["nude"]
    )
    return Act(f"/admin/moderation/review/{review.id}/decide/", {"statement": "Art.", "allow": "1"}, review.id)


@act("notices_notice_decide")
def _(world: World) -> Act:
    address = links.address(world.share().token)
    notice = notices.submit(address=address, category="person", statement="Me.", contact="me@example.org")
    return Act(f"/admin/notices/notice/{notice.id}/decide/", {"decision": "No.", "keep": "1"}, notice.id)


# --- pages of no model's -------------------------------------------------------------------------------------------


@act("make_default")
def _(world: World) -> Act:
    other = factories.model("other", is_default=False)
    return Act(f"/admin/catalogue/{other.id}/default/", {}, other.id)


@act("enable_model")
def _(world: World) -> Act:
    draft = world.draft()
    rendered(draft)
    return Act(f"/admin/catalogue/{draft.id}/enable/", {}, draft.id)


@act("disable_model")
def _(world: World) -> Act:
    other = factories.model("other", is_default=False)
    return Act(f"/admin/catalogue/{other.id}/disable/", {}, other.id)


@act("suggest_prices")
def _(world: World) -> Act:
    priced = factories.model("priced", is_default=False, reference_speed=REFERENCE)
    return Act(f"/admin/catalogue/{priced.id}/prices/", {}, priced.id)


@act("trial-start")
def _(world: World) -> Act:
    assert world.toy.current is not None
    return Act(f"/admin/trials/start/{world.toy.current.pk}/", {}, world.toy.pk)


@act("clip_cancel")
def _(world: World) -> Act:
    clip = factories.submitted(world.workspace)
    return Act(f"/admin/clips/{clip.id}/cancel/", {}, clip.id)


@act("clip_retry")
def _(world: World) -> Act:
    clip = factories.submitted(world.workspace)
    dispatch.fill_window()
    return Act(f"/admin/clips/{clip.id}/retry/", {}, clip.id)


def _of_fleet(command: str, **said: str) -> Doing:
    def doing(world: World) -> Act:
        heard(world.valkey, **on_card(TRANSFORMER))
        return Act(f"/admin/fleet/{command}/", {"worker": "gpu-7", **said}, "gpu-7")

    return doing


ACTS |= {f"fleet_{name}": _of_fleet(name) for name in ("drain", "resume", "stop")}
ACTS["fleet_evict"] = _of_fleet("evict", key=TRANSFORMER.key)
ACTS["fleet_preload"] = _of_fleet("preload", model="toy")


def _of_customer(page: str, **said: Any) -> Doing:
    def doing(world: World) -> Act:
        if page == "unsuspend":
            workspaces.suspend(world.workspace, actor="x", reason="x")
        return Act(f"/admin/customers/{world.workspace.id}/{page}/", said, world.workspace.id)

    return doing


ACTS |= {f"customer_{name}": _of_customer(name) for name in ("look", "suspend", "unsuspend")}


def _of_key(page: str, **said: Any) -> Doing:
    def doing(world: World) -> Act:
        scopes = {"scopes": ["read"], "prefix": f"lm_live_{page}", "digest": "x", "name": "k"}
        key = ApiKey.objects.create(workspace=world.workspace, **scopes)
        return Act(f"/admin/customers/{world.workspace.id}/keys/{key.id}/{page}/", said, world.workspace.id)

    return doing


ACTS["customer_key_origins"] = _of_key("origins", origins="https://app.example")
ACTS["customer_key_revoke"] = _of_key("revoke")
ACTS["customer_credits"] = _of_customer("credits", give=5, reason="an outage", reference=uuid4())
