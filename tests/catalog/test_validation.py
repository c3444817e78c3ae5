"""What staff may not save, and what they are told instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.models import ModelVersion
from catalog.validation import problems
from gpu_worker.contract import ComponentSource, ModelSpec
from gpu_worker.families.memory import PLACEMENTS
from tests.catalog.factories import LTX, draft_version


def test_it_works() -> None:
    assert problems(draft_version()) == {}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("family", "sora", "There is no family 'sora'"),
        ("modes", [], "at least one mode"),
        ("modes", ["text", "control"], "LTX-Video has no mode 'control'. It has: text, image"),
        ("sizes", [], "at least one size"),
        ("sizes", ["700x480"], "704x480 instead of 700x480"),
        ("sizes", ["big"], "'big' is not a size"),
        ("sizes", ["8192x8192"], "larger than the largest price tier"),
        ("presets", {}, "one entry for each preset"),
        ("presets", {"standard": {"guidance_scale": 3}}, "standard has no steps"),
        ("presets", {"standard": {"steps": True}}, "standard has no steps"),
        ("presets", {"standard": {"steps": 99}}, "99 steps, and the model is limited to 50"),
        ("presets", {"standard": {"steps": 8, "timesteps": [1, 2]}}, "its timesteps has 2"),
        ("presets", {"Standard!": {"steps": 8}}, "is not a name"),
        (
            "presets",
            {"standard": {"steps": 8, "guidance": 3}},
            "takes no guidance in these modes. It takes: decode_noise",
        ),
        ("presets", {"standard": {"steps": 8, "denoise_strength": 1}}, "takes no denoise_strength in these modes"),
        ("default_preset", "best", "no preset 'best'"),
        ("prices", {"draft": {"480p": 800, "720p": 1600}}, "standard has no price for 480p, 720p"),
        ("prices", LTX["prices"] | {"draft": {"480p": 800}}, "draft has no price for 720p"),
        ("prices", LTX["prices"] | {"draft": {"480p": 800, "720p": 700}}, "a larger size costs less"),
        ("prices", LTX["prices"] | {"draft": {"480p": 800, "720p": 0}}, "from 1 to 1,000,000,000,000; this is 0"),
        ("prices", LTX["prices"] | {"draft": {"480p": 800, "720p": 1.5}}, "a whole number"),
        ("prices", LTX["prices"] | {"draft": {"480p": 800, "8k": 9}}, "'8k' is not a price tier"),
        ("prices", LTX["prices"] | {"best": {"480p": 800}}, "no preset 'best'"),
        ("prices", [1], "one line for each preset"),
        ("surcharges", {"audio": 300}, "LTX-Video makes no sound"),
        ("surcharges", {"extend": 300}, "neither 'audio' nor a mode of this model"),
        ("surcharges", {"image": -3}, "write a whole number from 1"),
        ("component_bytes", {"unet": 5}, "has no 'unet'. It has: text_encoder, transformer, vae"),
        ("component_bytes", {"vae": "big"}, "vae, in bytes: write a whole number"),
        ("components", ["text_encoder"], "one line for each"),
        ("components", {"text_encoder": {}}, "say where it comes from"),
        ("components", {"text_encoder": {"source": 7}}, "say where it comes from, in words"),
        ("components", {"text_encoder": {"repo": "x/y"}}, "there is no repo; only file, quantisation, revision"),
        ("components", {"text_encoder_2": {"source": "x/y"}}, "has no 'text_encoder_2'. It has: text_encoder,"),
        ("components", {"text_encoder": {"revision": "abc"}}, "a revision belongs to a source"),
        ("components", {"text_encoder": {"quantisation": "int3"}}, "no quantisation 'int3'"),
        ("components", {"text_encoder": {"file": "t5.gguf"}}, "a single file is a transformer"),
        ("components", {"transformer": {"file": "ltx.safetensors"}}, "its name ends in .gguf"),
        ("components", {"transformer": {"file": "x.gguf", "quantisation": "int8"}}, "is quantised already"),
        ("speed", {"compile": True}, "There is no 'compile'. There are: attention_backend"),
        ("speed", {"fused_qkv": True}, "LTX-Video does not use fused projections"),
        ("speed", {"eight_bit_products": True}, "it has to be int8 or fp8"),
        ("loras", {"source": "x"}, "Write a list"),
        ("loras", [{"weight_name": "x"}], "LoRA 1 names no source"),
        ("loras", [{"source": "x", "strength": 1}], "there is no strength"),
        ("loras", [{"source": "x", "component": "unet"}], "no such component"),
        ("blocked_territories", ["UK"], "'UK' is not a territory"),
        ("blocked_territories", ["EU", "DE", "KR", "ZZ"], "'ZZ' is not a territory"),
        ("fps", 0, "from 1 to 120; this is 0"),
        ("max_seconds", 90, "at most 60 seconds"),
        ("min_seconds", 0, "above 0"),
        ("default_seconds", 9, "between the shortest and the longest"),
        ("upscale", 0, "from 1 to 16"),
        ("max_prompt_characters", 9_000, "takes 2,000 characters"),
        ("timeout_seconds", 5, "At least 30 seconds"),
    ],
)
def test_a_value_that_cannot_be_served_is_refused_at_its_field(field: str, value: Any, told: str) -> None:
    changes = {field: value}
    if field == "presets" and value:
        changes["prices"] = {name: {"480p": 1, "720p": 2} for name in value}
    found = problems(draft_version(**changes))
    assert field in found
    assert told in " ".join(found[field])


def test_a_length_that_the_frame_rule_cannot_make_is_refused() -> None:
    found = problems(draft_version(family="preview", modes=["text"], sizes=["48x48"], fps=8, max_seconds=5))
    assert "at most 2 seconds" in found["max_seconds"][0]


def test_a_preset_may_set_what_every_mode_of_the_row_takes() -> None:
    presets = {"standard": {"steps": 8, "denoise_strength": 0.9}}
    prices = {"standard": {"480p": 1, "720p": 2}}
    assert problems(draft_version(modes=["frames", "extend"], presets=presets, prices=prices)) == {}


@pytest.mark.parametrize(("family", "mode"), [("ltx2", "text"), ("ltx2_sound", "sound")])
def test_what_a_pipeline_can_do_and_the_engine_cannot_is_refused_with_the_reason(family: str, mode: str) -> None:
    presets = {"standard": {"steps": 8, "enable_prompt_enhancement": True}}
    found = problems(draft_version(family=family, modes=[mode], presets=presets))["presets"]
    assert found == [
        "standard, enable_prompt_enhancement: the engine loads no model that writes prompts anew; leave it out."
    ]


def test_every_placement_that_can_be_chosen_is_one_that_the_engine_knows() -> None:
    choices = [name for name, _ in ModelVersion._meta.get_field("placement").choices or ()]
    assert set(choices) == set(PLACEMENTS)


def test_a_packed_file_has_to_be_named_where_packed_files_are_wanted() -> None:
    assert "gguf needs the file" in problems(draft_version(quantisation="gguf"))["components"][0]
    named = {"transformer": {"source": "city96/LTX-Video-gguf", "file": "ltx-video-2b-v0.9-Q8_0.gguf"}}
    assert problems(draft_version(quantisation="gguf", components=named)) == {}


def test_components_from_elsewhere_reach_the_worker_and_make_another_build() -> None:
    plain, sharing = draft_version(), draft_version(components={"text_encoder": {"source": "x/y", "revision": "abc"}})
    sharing.number = 1
    assert sharing.spec().components == {"text_encoder": ComponentSource(source="x/y", revision="abc")}
    assert ModelSpec.from_wire(json.loads(json.dumps(sharing.spec().to_wire()))) == sharing.spec()
    assert sharing.fingerprint() != plain.fingerprint()


def test_what_was_measured_before_there_were_components_from_elsewhere_still_counts() -> None:
    """The digest of a row of that time."""
    assert draft_version().fingerprint() == "cb1cb248bf8a6b32"
