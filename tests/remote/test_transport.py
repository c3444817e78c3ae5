"""What goes to a provider's own address, and what to addresses that it hands out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from gpu_worker.remote.errors import RemoteFailed
from gpu_worker.remote.transport import Api

PUBLIC = "93.184.216.34"


def api(seen: list[httpx.Request], *addresses: str) -> Api:
    def send(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"clip", headers={"Content-Type": "video/mp4"})

    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    authorize = {"Authorization": "Bearer secret"}
    transport = httpx.MockTransport(send)
    return Api(
        "https://api.example.com/v1", "Example", authorize=lambda: authorize, transport=transport, resolve=resolve
    )


def test_what_lies_elsewhere_is_fetched_from_a_judged_address_and_without_the_key(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    api(seen, PUBLIC).download("https://cdn.example.net/clip?signed=1", tmp_path / "clip", lambda: None)
    (request,) = seen
    assert (request.url.host, request.headers["Host"]) == (PUBLIC, "cdn.example.net")
    assert request.extensions["sni_hostname"] == "cdn.example.net"
    assert "Authorization" not in request.headers


def test_what_lies_with_the_provider_is_fetched_with_the_key(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    api(seen, "10.0.0.1").download("files/clip", tmp_path / "clip", lambda: None)
    assert (str(seen[0].url), seen[0].headers["Authorization"]) == (
        "https://api.example.com/v1/files/clip",
        "Bearer secret",
    )


@pytest.mark.parametrize("addresses", [["10.1.2.3"], [PUBLIC, "169.254.169.254"], ["::1"], ["64:ff9b::a00:1"], []])
def test_a_name_that_leads_into_a_private_network_is_not_called(tmp_path: Path, addresses: list[str]) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises(RemoteFailed, match="not on the open internet"):
        api(seen, *addresses).download("https://cdn.example.net/clip", tmp_path / "clip", lambda: None)
    assert seen == []


def test_an_address_without_tls_is_not_called(tmp_path: Path) -> None:
    with pytest.raises(RemoteFailed, match="https"):
        api([], PUBLIC).download("http://cdn.example.net/clip", tmp_path / "clip", lambda: None)
