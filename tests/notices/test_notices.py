"""Anybody reports a clip; staff decides with reasons, whoever made it may object once, and both sides get mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as sent
from django.test import Client
from django.utils import timezone

from accounts import limits
from accounts.caller import Caller
from accounts.models import AuditEntry, Membership, User, Visitor, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.legal import transparency
from generation.models import Clip, Generation
from generation.notices import notices, workspace_data
from generation.notices.models import Notice
from generation.settlement import settle
from generation.sharing import links
from generation.sharing.models import Removal, Share
from loremotion.outbox import mail
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict, Invalid, TooMany
from tests.accounts.factories import browser_of, person, team
from tests.generation import factories

REPORT = {"category": "person", "statement": "That's me.", "contact": "me@example.org"}


@pytest.fixture
def maker(db: None) -> User:
    return person("maker@example.org")


@pytest.fixture
def staff(db: None) -> User:
    return person("staff@example.org", is_staff=True)


def clip_of(workspace: Workspace) -> Generation:
    ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=100, kind=ledger.LotKind.ADJUSTMENT)
    made = factories.submitted(workspace, seconds=1)
    factories.deliver_clip(made)
    settle.settle(factories.report(made))
    made.refresh_from_db()
    return made


@pytest.fixture
def link(toy: Model, maker: User) -> Share:
    return Share.objects.create(clip=clip_of(team(maker, "Makers")).clip)


@pytest.fixture
def notice(link: Share) -> Notice:
    return notices.submit(address=links.address(link.token), **REPORT)


def mailed() -> dict[str, str]:
    """Recipient → subject of the last mail to them, once all is sent."""
    for message in MailMessage.objects.filter(state="waiting").order_by("id"):
        mail.send(message.id)
    return {message.to[0]: str(message.subject) for message in sent.outbox}


def test_anybody_reports_a_clip_without_an_account(client: Client, link: Share) -> None:
    page = f"/s/{link.token}/"
    assert "/report/?address=" in client.get(page).text
    answer = client.post("/report/", {**REPORT, "address": links.address(link.token)})
    assert answer.status_code == 200
    notice = Notice.objects.get()
    assert (notice.clip_id, notice.workspace_id) == (link.clip_id, link.clip.generation.workspace_id)
    assert str(notice.id) in answer.text
    assert notice.due_at == notice.created_at + timedelta(hours=48)
    assert mailed() == {"me@example.org": "We have your report"}
    assert client.get(page).status_code == 200, "a report alone takes nothing down"


@pytest.mark.parametrize("path", ["s/{token}/clip.mp4", "s/{token}/?x=1#Your account is locked", "generations/{clip}/"])
def test_what_is_kept_and_mailed_is_the_address_as_this_site_writes_it(
    client: Client, link: Share, settings: Any, path: str
) -> None:
    address = f"{settings.SITE_URL}/" + path.format(token=link.token, clip=link.clip_id)
    assert client.post("/report/", {**REPORT, "address": address}).status_code == 200
    notice = Notice.objects.get()
    own = links.address(link.token) if "token" in path else f"{settings.SITE_URL}/generations/{link.clip_id}/"
    assert (notice.clip_id, notice.address) == (link.clip_id, own)


@pytest.mark.parametrize(
    "path", ["s/{token}/#\n\nYour account is locked: https://evil.example/", "s/nothing/", "s/{token}/\u202e", "s/a b/"]
)
def test_no_stranger_s_words_are_mailed_as_an_address(link: Share, settings: Any, path: str) -> None:
    with pytest.raises(Invalid):
        notices.submit(address=f"{settings.SITE_URL}/" + path.format(token=link.token), **REPORT)
    assert not MailMessage.objects.exists()


def test_a_clip_that_is_not_shared_cannot_be_reported(client: Client, link: Share, settings: Any) -> None:
    address = f"{settings.SITE_URL}/generations/{link.clip_id}/"
    Share.objects.all().delete()
    assert client.post("/report/", {**REPORT, "address": address}).status_code == 422
    assert not Notice.objects.exists()


def test_a_mailbox_is_counted_once_however_its_address_is_written(link: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_OF_A_CONTACT", 2)
    said = {**REPORT, "address": links.address(link.token)}
    notices.submit(**{**said, "contact": "Me+1@example.org"})
    notices.submit(**{**said, "contact": "me@Example.org"})
    with pytest.raises(TooMany):
        notices.submit(**{**said, "contact": "ME+2@example.org"})
    for other in ("me2@example.org", "you+me@example.org", "me@exampleXorg.org"):
        notices.submit(**{**said, "contact": other})


@pytest.mark.parametrize("address", ["https://elsewhere.example/s/x/", "what", "", "http://[", "/models/"])
def test_what_is_no_address_of_a_clip_is_refused_by_its_field(client: Client, db: None, address: str) -> None:
    answer = client.post("/report/", {**REPORT, "address": address})
    assert answer.status_code == 422
    assert not Notice.objects.exists()


@pytest.mark.parametrize("change", [{"category": "dull"}, {"contact": "nobody"}, {"statement": "x" * 2001}])
def test_a_report_that_cannot_be_used_says_what_is_wrong(client: Client, link: Share, change: dict[str, str]) -> None:
    answer = client.post("/report/", {**REPORT, "address": links.address(link.token), **change})
    assert answer.status_code == 422
    assert "errorlist" in answer.text


def test_a_network_and_an_address_can_report_so_much_and_no_more(
    client: Client, link: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPORTS_PER_HOUR", 3)
    monkeypatch.setattr(notices, "MOST_OF_A_CONTACT", 2)
    said = {**REPORT, "address": links.address(link.token)}
    assert [client.post("/report/", said).status_code for _ in range(4)] == [200, 200, 429, 429]
    other = {**said, "contact": "other@example.org"}
    assert client.post("/report/", other).status_code == 429
    assert Notice.objects.count() == 2


def test_taken_down_no_link_shows_the_clip_nor_a_copy_of_it(
    client: Client, link: Share, notice: Notice, staff: User, alice: Visitor, maker: User
) -> None:
    copy = Share.objects.create(clip=clip_of(alice.workspace).clip)  # tests deliver the same bytes
    pages = [f"/s/{each.token}/{part}" for each in (link, copy) for part in ("", "clip.mp4", "poster.jpg", "embed/")]
    notices.decide(notice.id, staff=staff, is_removed=True, decision="It shows you.")
    assert {client.get(page).status_code for page in pages} == {404}
    assert mailed()["me@example.org"] == "The clip that you reported is taken down"
    assert mailed()["maker@example.org"] == "A clip of yours is taken down"
    assert "It shows you." in browser_of(maker, link.clip.generation.workspace).get("/reports/").text


def test_who_made_it_objects_once_and_staff_decides_for_good(
    client: Client, link: Share, notice: Notice, staff: User, maker: User
) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="It shows you.")
    page = browser_of(maker, link.clip.generation.workspace)
    assert page.post(f"/reports/{notice.id}/object/", {"objection": "It doesn't."}).status_code == 302
    notice.refresh_from_db()
    assert (notice.state, notice.objection) == ("objected", "It doesn't.")
    assert client.get(f"/s/{link.token}/").status_code == 404, "it stays down meanwhile"
    notices.decide(notice.id, staff=staff, is_removed=False, decision="It doesn't.")
    assert client.get(f"/s/{link.token}/").status_code == 200
    assert mailed()["me@example.org"] == "The clip that you reported is shown again"
    assert mailed()["maker@example.org"] == "A clip of yours is shown again"
    assert page.post(f"/reports/{notice.id}/object/", {"objection": "Again."}).status_code == 409


def test_reports_of_one_clip_are_decided_together(
    client: Client, link: Share, notice: Notice, staff: User, maker: User
) -> None:
    other = notices.submit(address=links.address(link.token), **{**REPORT, "contact": "other@example.org"})
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    other.refresh_from_db()
    assert (other.state, other.decision) == ("removed", "Down.")
    told = mailed()
    assert told["other@example.org"] == told["me@example.org"] == "The clip that you reported is taken down"
    assert [message.to for message in sent.outbox].count(["maker@example.org"]) == 1, "one clip, one letter"
    late = notices.submit(address=links.address(link.token), **REPORT)
    notices.decide(late.id, staff=staff, is_removed=True, decision="Down again.")
    notices.object_to(other, objection="No.")
    notices.decide(other.id, staff=staff, is_removed=False, decision="Right.")
    assert set(Notice.objects.values_list("state", flat=True)) == {"restored"}
    assert client.get(f"/s/{link.token}/").status_code == 200
    assert mailed()["me@example.org"] == "The clip that you reported is shown again"


def test_a_report_that_is_left_decides_no_other(link: Share, notice: Notice, staff: User) -> None:
    other = notices.submit(address=links.address(link.token), **REPORT)
    notices.decide(notice.id, staff=staff, is_removed=False, decision="Nothing.")
    other.refresh_from_db()
    assert other.state == "open"


def test_a_clip_that_another_report_keeps_down_is_not_called_restored(
    client: Client, link: Share, notice: Notice, staff: User, alice: Visitor
) -> None:
    copy = Share.objects.create(clip=clip_of(alice.workspace).clip)
    other = notices.submit(address=links.address(copy.token), **{**REPORT, "contact": "other@example.org"})
    for each in (notice, other):
        notices.decide(each.id, staff=staff, is_removed=True, decision="Down.")
    notices.object_to(notice, objection="No.")
    notices.decide(notice.id, staff=staff, is_removed=False, decision="Right.")
    assert client.get(f"/s/{link.token}/").status_code == 404
    assert mailed()["maker@example.org"] == "A clip of yours is taken down"
    assert "for another report" in next(
        str(message.body) for message in reversed(sent.outbox) if message.to == ["maker@example.org"]
    )


def test_somebody_else_decides_on_an_objection(notice: Notice, staff: User) -> None:
    colleague = person("colleague@example.org", is_staff=True)
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    notices.object_to(notice, objection="No.")
    with pytest.raises(Conflict, match="Somebody else"):
        notices.decide(notice.id, staff=staff, is_removed=True, decision="Still.")
    User.objects.filter(id=colleague.id).update(is_superuser=False)
    assert notices.decide(notice.id, staff=staff, is_removed=True, decision="Nobody else may.").state == "upheld"


def test_a_letter_says_down_while_an_objection_waits(notice: Notice, staff: User) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    notices.object_to(notice, objection="Before the letter went.")
    assert mailed()["maker@example.org"] == "A clip of yours is taken down"


def test_an_objection_that_is_refused_leaves_it_down(link: Share, notice: Notice, staff: User) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    notices.object_to(notice, objection="No.")
    assert notices.decide(notice.id, staff=staff, is_removed=True, decision="Still.").state == "upheld"
    assert Removal.objects.filter(sha256=link.clip.sha256).exists()


def test_what_stays_is_told_to_whoever_reported_it_alone(link: Share, notice: Notice, staff: User, maker: User) -> None:
    notices.decide(notice.id, staff=staff, is_removed=False, decision="Nobody is to be seen.")
    assert mailed() == {"me@example.org": "The clip that you reported stays"}
    assert "Nobody is to be seen." not in browser_of(maker, link.clip.generation.workspace).get("/reports/").text
    with pytest.raises(Conflict):
        notices.object_to(notice, objection="What?")


def test_decided_is_decided(notice: Notice, staff: User) -> None:
    first = notices.decide(notice.id, staff=staff, is_removed=True, decision="One.")
    assert notices.decide(notice.id, staff=staff, is_removed=True, decision="Two.").decision == first.decision
    with pytest.raises(Conflict, match="taken down"):
        notices.decide(notice.id, staff=staff, is_removed=False, decision="Three.")


@pytest.mark.parametrize("objection", ["", "   ", "x" * 2001])
def test_an_objection_says_something(notice: Notice, staff: User, objection: str) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    with pytest.raises(Invalid):
        notices.object_to(notice, objection=objection)


def test_what_was_taken_down_is_not_shared_anew(notice: Notice, staff: User, alice: Visitor) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    copy = clip_of(alice.workspace)
    answer = browser_of(alice).post(f"/generations/{copy.id}/share/")
    assert (answer.status_code, Share.objects.filter(clip=copy.clip).exists()) == (409, False)
    assert "was taken down" in answer.text


SEEN = int("5a" * 32, 16)


@pytest.mark.parametrize(("bits", "is_near"), [(0b1010, True), ((1 << 15) - 1, True), ((1 << 16) - 1, False)])
def test_what_looks_like_it_is_shared_and_staff_looks_at_it_once(
    link: Share, notice: Notice, staff: User, alice: Visitor, bits: int, is_near: bool
) -> None:
    Notice.objects.update(perceptual_hash=f"{SEEN:064x}")
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    alike = clip_of(alice.workspace)
    Clip.objects.filter(pk=alike.pk).update(sha256="0" * 64, perceptual_hash=f"{SEEN ^ bits:064x}")
    for _ in range(2):
        assert browser_of(alice).post(f"/generations/{alike.id}/share/").status_code == 302
    found = Notice.objects.filter(clip_id=alike.id)
    assert found.count() == int(is_near)
    if is_near:
        own = found.get()
        assert (own.is_found, own.state, own.category, own.contact) == (True, "open", "person", "")
        assert (own.workspace_id, own.address) == (
            alice.workspace_id,
            links.address(Share.objects.get(clip=alike.id).token),
        )
        assert str(notice.id) in own.statement


def test_what_is_shared_with_the_same_picture_in_another_file_comes_before_staff(
    client: Client, link: Share, notice: Notice, staff: User, alice: Visitor
) -> None:
    again, other = (Share.objects.create(clip=clip_of(alice.workspace).clip) for _ in range(2))
    Notice.objects.update(perceptual_hash=f"{SEEN:064x}")
    Clip.objects.filter(pk=again.clip_id).update(sha256="0" * 64, perceptual_hash=f"{SEEN:064x}")
    Clip.objects.filter(pk=other.clip_id).update(sha256="1" * 64)
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    found = Notice.objects.get(is_found=True)
    assert (found.clip_id, found.state, found.sha256) == (again.clip_id, "open", "0" * 64)
    assert client.get(f"/s/{again.token}/").status_code == 200, "until somebody has looked"
    notices.decide(found.id, staff=staff, is_removed=True, decision="The same.")
    assert client.get(f"/s/{again.token}/").status_code == 404
    assert [row.received for row in transparency.record()] == [1], "nobody reported the other"


def test_a_clip_that_is_deleted_before_the_decision_is_taken_down_all_the_same(
    link: Share, notice: Notice, staff: User, alice: Visitor
) -> None:
    copy = clip_of(alice.workspace)
    Clip.objects.filter(pk=link.clip_id).delete()
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    assert Removal.objects.get().sha256 == copy.clip.sha256
    assert browser_of(alice).post(f"/generations/{copy.id}/share/").status_code == 409


def test_a_report_that_the_release_before_wrote_down_takes_its_clip_down(
    client: Client, link: Share, notice: Notice, staff: User
) -> None:
    Notice.objects.update(sha256="", perceptual_hash="")
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    assert client.get(f"/s/{link.token}/").status_code == 404


def test_staff_decides_on_its_page_by_a_permission_and_what_is_due_comes_first(
    client: Client, admin_client: Client, link: Share, notice: Notice
) -> None:
    page = f"/admin/notices/notice/{notice.id}/decide/"
    assert client.get(page).status_code == 302
    shown = admin_client.get(page).text
    assert "blurred" in shown
    assert "me@example.org" not in shown
    assert admin_client.get(f"/admin/notices/notice/{notice.id}/poster/").status_code == 200
    late = notices.submit(address=links.address(link.token), **REPORT)
    Notice.objects.filter(id=late.id).update(created_at=timezone.now() - timedelta(hours=49))
    listed = admin_client.get("/admin/notices/notice/").text
    assert listed.index("late since") < listed.index(str(notice.id))
    assert admin_client.post(page, {"decision": "It shows you.", "remove": "1"}).status_code == 302
    notice.refresh_from_db()
    assert notice.state == "removed"


def test_that_staff_looked_at_a_reported_clip_is_in_its_workspace_s_log_once(
    client: Client, admin_client: Client, notice: Notice
) -> None:
    looks = AuditEntry.objects.filter(event="staff.looked")
    client.get(f"/admin/notices/notice/{notice.id}/poster/")
    assert not looks.exists(), "who is not let in has not looked"
    for part in ("poster", "clip", "clip"):
        admin_client.get(f"/admin/notices/notice/{notice.id}/{part}/", headers={"Range": "bytes=1-"})
    entry = looks.get()
    assert (entry.workspace_id, entry.subject) == (notice.workspace_id, str(notice.clip_id))
    assert entry.detail == {"report": str(notice.id)}


def test_reports_are_counted_for_everybody(client: Client, notice: Notice, staff: User) -> None:
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    (row,) = transparency.record()
    assert (row.received, row.taken_down, row.left, row.waiting, row.in_time) == (1, 1, 0, 0, 1)
    assert row.name in client.get("/transparency/").text


def test_an_erased_workspace_leaves_the_count_and_nothing_of_itself(notice: Notice) -> None:
    workspace = notice.workspace
    assert workspace is not None
    (exported,) = workspace_data.export(workspace, reader=Caller(workspace, BY_ROLE[Role.OWNER]))
    assert "me@example.org" not in str(exported)
    assert "That's me." not in str(exported)
    workspace_data.erase(workspace)
    notice.refresh_from_db()
    assert (notice.workspace, notice.clip_id, notice.address, notice.category) == (None, None, "", "person")


def test_what_is_reported_of_a_private_clip_is_its_maker_s_to_see(notice: Notice, staff: User, maker: User) -> None:
    workspace, member = notice.workspace, person("member@example.org")
    assert workspace is not None
    place = Membership.objects.create(workspace=workspace, user=member, role=Role.MEMBER)
    notices.decide(notice.id, staff=staff, is_removed=True, decision="It shows you.")
    reader = Caller(workspace, BY_ROLE[Role.MEMBER], membership=place)
    for is_private in (False, True):
        Generation.objects.update(is_private=is_private, made_by=maker)
        page = browser_of(member, workspace)
        assert ("It shows you." in page.get("/reports/").text) is not is_private
        (exported,) = workspace_data.export(workspace, reader=reader)
        assert ("It shows you." in str(exported)) is not is_private
    assert page.post(f"/reports/{notice.id}/object/", {"objection": "No."}).status_code == 404
    assert "It shows you." in browser_of(maker, workspace).get("/reports/").text
    Generation.objects.update(made_by=member)
    assert "It shows you." in page.get("/reports/").text


def test_who_reported_is_forgotten_in_time_and_a_deleted_clip_stays_decided(notice: Notice, staff: User) -> None:
    Clip.objects.all().delete()
    notices.decide(notice.id, staff=staff, is_removed=True, decision="Down.")
    assert notices.forget_contacts(limit=10) == 0
    Notice.objects.update(decided_at=timezone.now() - timedelta(days=181))
    assert notices.forget_contacts(limit=10) == 1
    notice.refresh_from_db()
    assert notice.contact == ""
