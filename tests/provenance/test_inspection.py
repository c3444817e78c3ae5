"""Anybody can ask where a file comes from, and learns what its marks say and no more."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest
from c2pa import C2paError, Context, Reader
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pytest_django import Settings

from generation.models import Clip, Generation
from generation.provenance import inspection, inspection_slots
from generation.provenance.certificate import make_own
from generation.provenance.inspection import Inspection
from gpu_worker import sandbox
from tests.generation import factories
from tests.provenance.conftest import Delivered, settle_signed
from tests.provenance.test_signing import clip_of, content

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(signing_site: Settings, delivered: Delivered) -> Generation:
    """A clip of this site."""
    factories.model()
    generation = factories.submitted(factories.visitor(credits=100).workspace, prompt="a very private wish")
    assert settle_signed(delivered(generation))
    return generation


@pytest.fixture
def signed(made: Generation) -> bytes:
    return content(clip_of(made).key)


def inspected(stored: bytes) -> Inspection:
    return inspection.inspect(BytesIO(stored))


def test_a_clip_of_ours_is_known(signed: bytes) -> None:
    found = inspected(signed)
    assert found.credentials is not None
    assert (found.credentials.state, found.credentials.is_ours) == ("Trusted", True)
    assert found.origin is not None
    assert found.origin.model == "Toy"


@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_a_changed_byte_is_found_out(signed: bytes, place: float) -> None:
    changed = bytearray(signed)
    at = max(int(place * len(signed)), signed.index(b"mdat") + 8)
    changed[at] ^= 1
    found = inspected(bytes(changed))
    assert found.credentials is not None
    assert not found.credentials.is_intact
    assert not found.credentials.is_ours
    assert found.origin is None


def test_a_file_without_marks_is_not_said_to_be_somebody_elses(film: bytes, signing_site: Settings) -> None:
    assert inspected(film) == Inspection(credentials=None, is_damaged=False, origin=None)


def test_an_unsigned_clip_is_known_by_its_bytes(delivered: Delivered, film: bytes) -> None:
    factories.model()
    settle_signed(delivered(factories.submitted(factories.visitor(credits=100).workspace)))
    found = inspected(film)
    assert found.credentials is None
    assert found.origin is not None


def test_what_others_sign_in_our_name_is_not_ours(
    signing_site: Settings, made: Generation, delivered: Delivered, tmp_path: Path, certificates: Path
) -> None:
    make_own(tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "i.pem", name="Clips of Example")
    signing_site.C2PA_CERTIFICATE, signing_site.C2PA_PRIVATE_KEY = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    other = factories.submitted(factories.visitor(credits=100).workspace)
    settle_signed(delivered(other))
    forged = content(clip_of(other).key)
    Clip.objects.filter(generation=other).update(signed_sha256="0" * 64)
    signing_site.C2PA_CERTIFICATE = str(certificates / "certificate.pem")
    found = inspected(forged)
    assert found.credentials is not None
    assert (found.credentials.state, found.credentials.is_ours) == ("Valid", False)
    assert found.origin is None, "the id that it names is not believed"


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not a film at all",
        b"\x00\x00\x00\x18ftypisom" + b"\xff" * 200,
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"RIFF\xff\xff\xff\xffWAVE" + b"\x01" * 64,
        b"\xff\xd8\xff\xe0\xff\xff" + b"\x00" * 40,
    ],
)
def test_whatever_is_sent_is_answered(stored: bytes) -> None:
    found = inspected(stored)
    assert (found.credentials, found.origin) == (None, None)


ELSEWHERE = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="http://127.0.0.1:{port}/its.c2pa"/></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
"""Says that a file's Content Credentials lie elsewhere."""


def hung_up_on(within: socket.socket) -> bool:
    """Whether somebody came to it."""
    within.accept()[0].close()
    return True


def test_no_address_that_a_file_names_is_asked() -> None:
    careless = {"verify": {"remote_manifest_fetch": True}}
    with socket.create_server(("127.0.0.1", 0)) as within, ThreadPoolExecutor() as threads:
        within.settimeout(30)
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", xmp=ELSEWHERE.format(port=within.getsockname()[1]).encode())
        came = threads.submit(hung_up_on, within)
        with Context.from_dict(careless) as context, pytest.raises(C2paError):
            Reader("image/jpeg", BytesIO(file.getvalue()), context=context)
        assert came.result()  # so the library does go there, where it may
        assert inspected(file.getvalue()).credentials is None
        within.setblocking(False)
        with pytest.raises(BlockingIOError):
            within.accept()


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{}", b'{"found": 1}', b'{"found": true, "state": {}}', b"null", b"\xff"]
)
def test_a_program_that_was_taken_over_is_not_believed(said: bytes) -> None:
    with pytest.raises(sandbox.FileUnreadable):
        inspection._parsed(said)


def test_the_page_says_what_was_found_and_nothing_of_whose_it_is(signed: bytes, client: Client) -> None:
    answer = client.post("/verify/", {"file": SimpleUploadedFile("mine & yours.mp4", signed)})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Signed by this site, and unchanged since." in page
    assert "mine &amp; yours.mp4" in page
    assert "private wish" not in page


def test_a_form_without_a_file_says_so(client: Client) -> None:
    assert client.get("/verify/").status_code == 200
    assert client.post("/verify/").status_code == 422


def test_while_others_are_looked_into_the_page_says_when_to_come_back(client: Client, film: bytes) -> None:
    with ExitStack() as stack:
        for network in range(inspection_slots.AT_ONCE):
            stack.enter_context(inspection_slots.slot_of(f"198.51.{network}.0"))
        answer = client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", film)})
    assert answer.status_code == 503
    assert client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", film)}).status_code == 200


def test_one_network_keeps_it_from_no_other(client: Client, film: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, int] = {}

    def looks_into(file: IO[bytes]) -> Inspection:
        monkeypatch.undo()  # those that come meanwhile are looked into as ever
        for address in ("192.0.2.200", "198.51.100.1"):
            sent = {"file": SimpleUploadedFile("a.mp4", film)}
            answers[address] = client.post("/verify/", sent, REMOTE_ADDR=address).status_code
        return inspection.inspect(file)

    monkeypatch.setattr(inspection, "inspect", looks_into)
    first = client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", film)}, REMOTE_ADDR="192.0.2.1")
    assert first.status_code == 200
    assert answers == {"192.0.2.200": 503, "198.51.100.1": 200}
