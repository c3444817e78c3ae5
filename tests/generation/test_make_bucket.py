"""A bucket is made with the rules that docs/object-storage.md asks for, and what is there already is left."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.stub import Stubber
from django.core.management import CommandError, call_command
from pytest_django import Settings

from generation.storage import bucket_rules
from generation.storage.s3 import S3Store
from tests.object_store import swift
from tests.object_store.stores import use_bucket

PAGE = Path(__file__).parents[2] / "docs/object-storage.md"
ORIGINS = ["https://clips.example"]


def run(*arguments: str) -> list[str]:
    said = io.StringIO()
    call_command("make_bucket", *arguments, stdout=said)
    return said.getvalue().splitlines()


@pytest.fixture
def amazon(settings: Settings) -> Iterator[tuple[S3Store, Stubber]]:
    """A bucket whose service answers as Amazon's does; what it is asked is checked against S3's own description."""
    options = {"bucket_name": "clips", "location": "site", "endpoint_url": "https://s3.example", "region_name": "eu-1"}
    store = S3Store(**options, access_key="key", secret_key="secret", addressing_style="path", signature_version="s3v4")
    with Stubber(store.client) as stubber:
        yield store, stubber
        stubber.assert_no_pending_responses()


def test_a_bucket_is_made_once(swift_server: swift.Swift, settings: Settings) -> None:
    store = use_bucket(swift_server, settings)
    settings.STORAGES["default"]["OPTIONS"]["bucket_name"] = store.bucket_name = "made-by-the-command"
    assert run("--endpoint", swift_server.endpoint)[0] == "The bucket made-by-the-command is made."
    first, *others = run("--endpoint", swift_server.endpoint)
    assert first == "The bucket made-by-the-command is there already."
    assert [said.partition(":")[0] for said in others] == [
        "Rules of CORS cannot be set here",
        "Rules of expiry cannot be set here",
    ], "this service knows none, and serves all the same"


def test_a_folder_is_no_bucket(folder: None) -> None:
    with pytest.raises(CommandError, match="STORAGE_URL names no bucket"):
        run()


def test_a_service_that_is_silent_is_said(bucket: S3Store) -> None:
    with pytest.raises(CommandError, match="it does not answer: EndpointConnectionError"):
        run("--endpoint", "http://127.0.0.1:1")


def test_rules_are_set_where_there_are_none(amazon: tuple[S3Store, Stubber]) -> None:
    store, stubber = amazon
    named = {"Bucket": "clips"}
    stubber.add_client_error("head_bucket", http_status_code=404)
    stubber.add_response("create_bucket", {}, {**named, "CreateBucketConfiguration": {"LocationConstraint": "eu-1"}})
    stubber.add_client_error("get_bucket_cors", "NoSuchCORSConfiguration", http_status_code=404)
    stubber.add_response("put_bucket_cors", {}, {**named, "CORSConfiguration": bucket_rules.cors(ORIGINS)})
    stubber.add_client_error("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration", http_status_code=404)
    expiry = {**named, "LifecycleConfiguration": bucket_rules.expiry("site")}
    stubber.add_response("put_bucket_lifecycle_configuration", {}, expiry)
    assert list(bucket_rules.prepare(store, ORIGINS)) == [
        "The bucket clips is made.",
        "Its rules of CORS are set.",
        "Its rules of expiry are set.",
    ]


def test_rules_that_are_there_are_left(amazon: tuple[S3Store, Stubber]) -> None:
    store, stubber = amazon
    stubber.add_response("head_bucket", {})
    stubber.add_response("get_bucket_cors", bucket_rules.cors(["https://other.example"]))
    stubber.add_response("get_bucket_lifecycle_configuration", bucket_rules.expiry(""))
    _, *others = bucket_rules.prepare(store, ORIGINS)
    assert others == ["Its rules of CORS are left as they are.", "Its rules of expiry are left as they are."]


def test_the_page_says_the_rules_that_are_set() -> None:
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert blocks == [bucket_rules.expiry(""), bucket_rules.cors(ORIGINS)]
