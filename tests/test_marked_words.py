"""What people read is marked for translation, said in the reader's formats, and English where programs read it."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import RequestFactory
from django.utils import translation
from django.utils.functional import Promise

from accounts import exports
from accounts.roles import MEANING
from billing.errors import NotEnoughCredits
from billing.shop.history import WORDS
from billing.shop.money import format_amount
from billing.shop.templatetags.shop import LOT_KINDS, credits, in_currency, signed
from catalog.length_prices import Row
from catalog.pricing import OF_VIDEO, receipt_words
from catalog.titles import TITLES, title_of
from generation.api import events
from generation.api.serializers import AskSerializer
from generation.live import polling
from generation.live.broadcast import Entry
from generation.models import State
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected
from generation.scheduling.places import Place
from generation.scheduling.wait import Wait, in_words, reason_of
from generation.settlement import error_words
from generation.settlement.error_words import AGAIN
from gpu_worker import sandbox, supervisor
from gpu_worker.contract import Progress
from gpu_worker.families import EVERY_FAMILY, ROLES
from gpu_worker.remote import errors as remote_errors
from loremotion.errors import problem
from loremotion.moments import moment
from loremotion.refusals import TooMany
from loremotion.stored_words import StoredWords
from loremotion.stream_limits import StreamLimit


def test_amounts_are_in_the_readers_format() -> None:
    with translation.override("de"):
        assert signed(-3500) == "−3.500"
        assert "1.234,50" in format_amount(123450, "eur")
    assert signed(3500) == "+3,500"
    assert (format_amount(123450, "usd"), format_amount(999, "jpy"), format_amount(999, "chf")) == (
        "$1,234.50",
        "¥999",
        "9.99 CHF",
    )
    assert (in_currency(0, "usd"), in_currency(5, "usd")) == ("$0", "$0.05")


def test_pages_say_times_lengths_and_credits_in_the_readers_format() -> None:
    at = datetime(2026, 11, 30, 16, 46, tzinfo=UTC)
    soon = Expected(Range(70.0, 80.0, 95.0), Range(200.0, 250.0, 300.0))
    english = (credits(1234), Row(2.125, []).label, in_words(soon))
    assert english == ("1,234 credits", "2.1 s", "Starts in 1–2 min. Ready in about 3–5 min.")
    assert ">30 Nov 2026, 16:46 UTC<" in moment(at)
    with translation.override("de"):
        assert credits(1234).startswith("1.234 ")
        assert Row(2.125, []).label == "2,1 s"
        assert ">30. November 2026, 16:46 UTC<" in moment(at)
        said = in_words(soon)
    assert "1–2 min" in said
    assert "3–5 min" in said
    assert "Ready" not in said


def test_words_in_tables_are_translated_when_they_are_shown() -> None:
    tables = [MEANING.values(), WORDS.values(), LOT_KINDS.values()]
    assert all(isinstance(words, Promise) for table in tables for words in table)


def test_a_problem_document_holds_plain_text() -> None:
    json.dumps(problem(NotEnoughCredits(available=1, needed=2)))
    limit = StreamLimit(translation.gettext_lazy("files"))
    taken = limit.take("reader", most=1)
    with pytest.raises(TooMany) as refused:
        limit.take("reader", most=1)
    assert type(problem(refused.value)["detail"]) is str
    taken.release()


def test_a_file_is_written_to_its_end_in_the_language_it_was_asked_for_in() -> None:
    def lines() -> Iterator[bytes]:
        for _ in range(2):
            yield (translation.get_language() or "").encode()

    with translation.override("de"):
        parts = exports.stream(lines())

    async def read() -> list[bytes]:
        return [part async for part in parts]

    assert asyncio.run(read()) == [b"de", b"de"]


def test_no_module_that_marks_words_calls_anything_else_by_that_name() -> None:
    """Python would take the other ``_`` of that function, which is no function, and only when it runs."""
    marking = parsed("import gettext as _")
    assert len(marking) > 50
    found = [
        f"{name}:{node.lineno}"
        for name, tree in marking.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
    ]
    assert found == []


def parsed(*having: str) -> dict[str, ast.Module]:
    """Name → tree of the site's modules whose source has one of these texts."""
    apps = ("accounts", "billing", "catalog", "generation", "loremotion")
    sources = {path: path.read_text() for app in apps for path in (settings.BASE_DIR / app).rglob("*.py")}
    return {
        str(path.relative_to(settings.BASE_DIR)): tree_of(source)
        for path, source in sources.items()
        if any(text in source for text in having)
    }


tree_of = cache(ast.parse)


def test_titles_of_all_families_are_marked() -> None:
    titles = {role.title for role in ROLES.values()} | {
        mode.title for family in EVERY_FAMILY.values() for mode in family.modes.values()
    }
    assert titles == TITLES


def test_kept_sentences_are_read_in_the_language_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    known = StoredWords("It failed. We tried %(times)s times.", "%(length)s s of sound", "Done.")
    german = {"%(length)s s of sound": "%(length)s s Ton", "Done.": "Fertig."}
    monkeypatch.setattr("loremotion.stored_words.gettext", lambda text: german.get(text, text))
    with translation.override("de"):
        assert known.say("1,234.5 s of sound") == "1.234,5 s Ton"
        assert known.say("Done. Done. What nobody knows.") == "Fertig. Fertig. What nobody knows."
    assert known.say("It failed. We tried 3 times.") == "It failed. We tried 3 times."
    assert known.say("") == ""


def test_receipts_are_kept_in_english_and_read_in_the_language_in_use() -> None:
    line = OF_VIDEO % {"length": "5.04", "size": "1280x704", "tier": "720p", "preset": "standard", "steps": 30}
    kept = {"lines": [{"label": line}, {"label": "written by an earlier release"}]}
    assert receipt_words(kept) == [line.replace("1280x704", "1280\u00a0×\u00a0704"), "written by an earlier release"]
    with translation.override("de"):
        assert receipt_words(kept)[0].startswith("5,04 s Video, 1280\u00a0×\u00a0704 (720p), Standard, ")
        drafted = {"lines": [{"label": line.replace("standard", "draft")}, {"label": "5.04 s, image to video"}]}
        assert "Entwurf" in receipt_words(drafted)[0]
        assert receipt_words(drafted)[1] == f"5,04 s, {title_of('Image to video')}"


def test_one_look_at_a_clip_serves_readers_of_every_language() -> None:
    waits = Wait(1, reason_of(State.RUNNING, Place(1, is_made=True), None, is_taken=True))
    snapshot = polling._snapshot(waits, is_over=False, missed="")
    assert json.loads(snapshot.in_language("en")[0])["reason"] == "It's made, and waits to be signed."
    assert json.loads(snapshot.in_language("de")[0])["position"] == 1
    assert snapshot.in_language("xx") == snapshot.in_language("en")
    json.dumps(waits.to_json())


def test_parts_of_a_sentence_are_in_its_language_too() -> None:
    reasons = [supervisor._reason(status) for status in (-9, 1, supervisor.EXIT_ON[signal.SIGTERM])]
    faults = [sandbox._takes_too_much(60.0), "is damaged or cut off."]
    kept = [f"The GPU worker was lost: {reason}." for reason in reasons]
    kept += [f"The clip to go on from cannot be read whole: it {fault}" for fault in faults]
    with translation.override("de"):
        for words in kept:
            assert not re.search(r"process |killed|takes|damaged", error_words.in_readers_language(words)), words


def test_live_events_are_in_the_reader_s_language_but_at_the_api_s_address() -> None:
    ask = RequestFactory(headers={"Accept-Language": "de"})
    addresses = ("/generations/x/events/", "/v1/videos/x/events")
    assert [events._language_of(ask.get(address)) for address in addresses] == ["de", "en"]


def test_what_a_gpu_host_writes_is_told_by_its_code_where_nobody_translated_it() -> None:
    assert error_words.in_readers_language("Expected 5 arguments.", "model_missing") == "Expected 5 arguments."
    with translation.override("de"):
        assert "arguments" not in error_words.in_readers_language("Expected 5 arguments.", "model_missing")
        assert error_words.in_readers_language("Expected 5 arguments.", "a_later_code") == "Expected 5 arguments."


def test_what_a_provider_did_is_told_in_the_language_in_use() -> None:
    codes = {words for name, words in vars(remote_errors).items() if name.isupper() and not name.startswith("_")}
    assert len(codes) == 7
    say = error_words.in_readers_language
    with translation.override("de"):
        assert [code for code in codes if say("There sent words that no pattern has.", code).startswith("There")] == []
        assert say("There is busy (503). Try again later. We tried 3 times.") == (
            "There ist ausgelastet (503). Versuch es später wieder. Wir haben es 3-mal versucht."
        )
        assert say("There refused: No blood. Ask kindly.", remote_errors.REFUSED) == (
            "There hat abgelehnt: No blood. Ask kindly."
        )
        assert "a file" not in say("There sent a file that is broken.", remote_errors.NOT_AS_ASKED)


READ_BY_PROGRAMS_OR_STAFF = {
    "accounts/api_keys.py",
    "accounts/impersonation.py",
    "accounts/origins.py",
    "accounts/tenancy.py",
    "billing/errors.py",
    "billing/proposals.py",
    "billing/shop/inbox.py",
    "billing/shop/refunds.py",
    "catalog/versions.py",
    "generation/moderation/reviews.py",
    "generation/notices/notices.py",
    "generation/sharing/picks.py",
    "generation/submission/idempotency.py",
    "generation/submission/remote_files.py",
    "generation/submission/trials.py",
    "loremotion/api_versions.py",
    "loremotion/errors.py",
    "loremotion/outbox/mail.py",
    "loremotion/parameters.py",
    "loremotion/preferences.py",
}
"""Files whose refusals are in part in English for everybody. So are all of the API's, and of the staff's rooms."""
REFUSALS = [
    "Refusal",
    "Invalid",
    "Conflict",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Forbidden",
    "Unavailable",
    "NotLicensed",
    "NotInPlan",
]


def test_what_people_are_refused_with_and_told_is_marked() -> None:
    found, seen = [], 0
    for name, tree in parsed("loremotion.refusals import", "import messages").items():
        if {"admin", "admin.py", "api", "staff", "agents"} & set(name.split("/")) or name in READ_BY_PROGRAMS_OR_STAFF:
            continue
        words = [each for node in ast.walk(tree) if isinstance(node, ast.Call) for each in words_for_people(node)]
        seen += len(words)
        found += [f"{name}:{each.lineno}" for each in words if is_plain_text(each)]
    assert seen > 300
    assert found == [], "mark them with gettext"


def words_for_people(call: ast.Call) -> list[ast.expr]:
    """The message and the next step of a refusal, or what ``django.contrib.messages`` is given."""
    function = call.func
    if isinstance(function, ast.Name) and function.id in REFUSALS:
        return [*call.args[1:2], *(each.value for each in call.keywords if each.arg == "next_step")]
    is_message = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "messages"
    return call.args[1:2] if is_message else []


def is_plain_text(words: ast.expr) -> bool:
    parts = words.values if isinstance(words, ast.JoinedStr) else [words]
    return any(isinstance(each, ast.Constant) and re.search("[a-z]{2}", str(each.value)) for each in parts)


def test_the_api_s_contract_is_english_whoever_reads_it_first() -> None:
    with translation.override("de"):
        fields = AskSerializer().get_fields()
    assert str(fields["image"].help_text) == "Start frame: a JPEG, PNG, WebP, HEIC or AVIF, at most 50 MB."


@pytest.mark.parametrize(("language", "is_german"), [("en", False), ("de", True)])
def test_live_events_of_a_page_are_in_its_reader_s_language(language: str, is_german: bool) -> None:
    wait = Wait(1, reason_of(State.RUNNING, Place(1), None, is_taken=True))
    queue = polling._snapshot(wait, is_over=False, missed="")
    stage = Entry("1-0", "stage", json.dumps(Progress(kind="stage", stage="queued", message=AGAIN).to_wire()))
    for news, english in ((queue, "Rendering now."), (stage, AGAIN)):
        said = asyncio.run(events._message(uuid4(), news, None, language))
        assert (english in said) is not is_german
