"""Characters by an agent: kept by their pictures, and shown by the clips that it asks for."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from accounts.models import Workspace
from generation.models import Generation
from tests.accounts import factories as people
from tests.agents.conftest import call, key_of, words
from tests.generation import factories
from tests.generation.test_uploads import picture_file

pytestmark = pytest.mark.django_db(transaction=True)
RED = "data:image/png;base64," + base64.b64encode(picture_file("PNG").read()).decode()


def test_a_character_is_kept_once_and_shown_by_name(studio: Workspace, key: str) -> None:
    factories.model("vace", is_default=False, family="wan_vace", modes=["text", "reference"])
    made = call(key, "make_character", name="Ann", images=[RED, RED])
    assert not made.is_error, words(made)
    assert "called Ann already" in words(call(key, "make_character", name="Ann", images=[RED]))
    assert call(key, "list_characters").structured_content["result"] == [made.structured_content]
    asked: dict[str, Any] = {"prompt": "she walks", "model": "vace", "characters": ["Ann"]}
    assert call(key, "quote", **asked).structured_content["mode"] == "reference"
    shown = call(key, "generate", client_request_id="1", **asked)
    assert not shown.is_error, words(shown)
    assert len(Generation.objects.of(studio).get().inputs) == 2
    refused = call(key, "generate", client_request_id="2", prompt="she walks", characters=["Ann"])
    assert (refused.is_error, "takes no reference pictures" in words(refused)) == (True, True), words(refused)
    stranger = key_of(people.team(people.person("stranger@example.org"), "Strangers"))
    assert call(stranger, "list_characters").structured_content["result"] == []
