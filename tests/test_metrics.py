"""What Prometheus is told, and that alerts and board ask for nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import httpx
import promql_parser
import pytest
import redis
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from billing.shop.models import Reconciliation
from generation.settlement import ledger_check
from gpu_worker import metrics as gpu_metrics
from gpu_worker.valkey_names import worker_key
from gpu_worker.worker_status import CardStatus, WorkerStatus
from loremotion import metrics
from tests.generation.test_wait import machine

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
TOKEN = "a-token-of-prometheus"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "loremotion.json").read_text())
ASKED = [rule["expr"] for rule in ALERTS] + [
    target["expr"].replace("$__rate_interval", "5m") for panel in BOARD["panels"] for target in panel["targets"]
]


async def _django(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def scrape(path: str = "/metrics", *, method: str = "GET", **headers: str) -> httpx.Response:
    """What a scraper hears that names the host by its number."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(cast(Any, metrics.Metrics(_django)))
        async with httpx.AsyncClient(transport=transport, base_url="http://10.1.2.3") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The site's own, which another test looks at, are left out."""
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(metrics, "site_figures", lambda: b"of_the_site 1.0\n")


def test_who_has_the_token_is_told(figures: None) -> None:
    answer = scrape(authorization=f"Bearer {TOKEN}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"loremotion_request_seconds", "of_the_site"} <= names


@pytest.mark.parametrize("said", ["", "Bearer ", "Bearer another", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
def test_nobody_else_is(figures: None, said: str) -> None:
    answer = scrape(authorization=said)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "of_the_site" not in answer.text


def test_without_a_token_there_is_no_such_address(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert scrape(authorization="Bearer ").status_code == 418


def test_other_addresses_are_djangos(figures: None) -> None:
    assert scrape("/").status_code == 418
    assert scrape(method="POST", authorization=f"Bearer {TOKEN}").status_code == 405


def served(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return metrics.registry.get_sample_value("loremotion_request_seconds_count", labels) or 0.0


def test_requests_are_counted_by_route_and_status(db: None) -> None:
    before = served("robots", "GET", "200"), served(metrics.UNKNOWN, "GET", "404")
    Client().get("/robots.txt")
    Client().get("/nowhere/at/all/")
    Client().get("/or/elsewhere/")
    assert (served("robots", "GET", "200"), served(metrics.UNKNOWN, "GET", "404")) == (before[0] + 1, before[1] + 2)


def test_who_makes_up_methods_makes_no_figures(db: None) -> None:
    Client().generic("BREW", "/robots.txt")
    methods = {sample.labels.get("method") for family in metrics.registry.collect() for sample in family.samples}
    assert "BREW" not in methods


# --- alerts and board ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ASKED)
def test_what_alerts_and_board_ask_is_promql(expression: str) -> None:
    promql_parser.parse(expression)


def test_they_ask_for_figures_that_there_are(db: None, valkey: redis.Redis) -> None:
    ledger_check.run()
    Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=timezone.now())
    machine(valkey)
    of_two_cards = WorkerStatus(name="gpu-cards", cards=(CardStatus(), CardStatus()))
    valkey.set(worker_key("gpu-cards"), json.dumps(of_two_cards.to_wire()))
    gpu = [
        family
        for name in ("gpu-test", "gpu-cards")
        for family in gpu_metrics.WorkerFigures(valkey, name, lambda: 0).collect()
    ]
    of_the_site = list(text_string_to_metric_families(metrics.site_figures().decode()))
    labels = {label for family in of_the_site for sample in family.samples for label in sample.labels}
    assert labels == {"tier", "state", "queue", "process"}  # nobody's name or words
    families = [*of_the_site, *metrics.registry.collect(), *gpu]
    there = {family.name for family in families} | {f"{family.name}_total" for family in families}
    there |= {f"loremotion_request_seconds_{part}" for part in ("count", "sum", "bucket")} | {"up"}
    asked = {
        name for expression in ASKED for name in re.findall(r"\b(?:loremotion|gpu_worker)_[a-z_]+|\bup\b", expression)
    }
    assert asked <= there
    there |= {"loremotion_predicted_start_seconds"}  # there is none while nothing was ever asked for
    document = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"`((?:loremotion|gpu_worker)_[a-z_]+)`", document)) <= there


def test_each_alert_has_a_section_that_says_what_to_do() -> None:
    document = (ROOT / "docs" / "operations.md").read_text()
    sections = re.findall(r"^### (\w+)$", document, flags=re.MULTILINE)
    assert sections == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_the_board_can_be_imported() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}
    assert [variable["name"] for variable in BOARD["templating"]["list"]] == ["datasource"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
