"""What a row may say about speed, told at the row's form."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.hooks._helpers import TransformerBlockRegistry

from gpu_worker.families import FAMILIES
from gpu_worker.families.speed import CACHES, SETTINGS, caches_that_work, problems, products_problem
from tests.families.checkpoints import checkpoint_for

GOOD: list[dict[str, Any]] = [
    {},
    {"attention_backend": "flash"},
    {"compile_repeated_blocks": {}, "channels_last_vae": True, "fused_qkv": True},
    {"compile_repeated_blocks": {"mode": "max-autotune-no-cudagraphs", "fullgraph": True}},
    {"mag_cache": {"mag_ratios": [1, 0.99]}},
    {"eight_bit_products": True},
    {"taylorseer_cache": {}, "attention_backend": "native"},
    {"sea_cache": {"threshold": 0.3, "residual_order": 0}},
]


@pytest.mark.parametrize("speed", GOOD)
def test_what_can_be_is_let_through(speed: dict[str, Any]) -> None:
    assert list(problems(speed, FAMILIES["wan"])) == []


@pytest.mark.parametrize(
    ("speed", "told"),
    [
        ([], "one line for each setting"),
        ({"compile": True}, "There is no 'compile'. There are: attention_backend, compile_repeated_blocks"),
        ({"attention_backend": 3}, "a name of diffusers"),
        ({"attention_backend": "flash_hub"}, "code that nobody here has read"),
        ({"compile_repeated_blocks": True}, "its arguments, {} for none"),
        ({"compile_repeated_blocks": {"speed": 1}}, "there is no speed; only backend, dynamic, fullgraph, mode"),
        ({"first_block_cache": {"treshold": 1}}, "there is no treshold; only threshold"),
        ({"mag_cache": {}}, "it needs mag_ratios"),
        ({"mag_cache": {"mag_ratios": [1, True]}}, "mag_ratios: write a number; this is true"),
        ({"mag_cache": {"mag_ratios": []}}, "mag_ratios: write a list of numbers"),
        ({"first_block_cache": {"threshold": "high"}}, "threshold: write a number of at least 0; this is 'high'"),
        ({"first_block_cache": {"threshold": float("nan")}}, "threshold: write a number of at least 0; this is .nan"),
        ({"taylorseer_cache": {"max_order": 1.5}}, "max_order: write a whole number of at least 0; this is 1.5"),
        ({"sea_cache": {"residual_order": 2}}, "residual_order: write 0 or 1; this is 2"),
        ({"taylorseer_cache": {"use_lite_mode": 1}}, "use_lite_mode: write true or false; this is 1"),
        ({"compile_repeated_blocks": {"mode": 3}}, "mode: write a word; this is 3"),
        ({"fused_qkv": False}, "true, or leave it out"),
        (
            {"first_block_cache": {}, "taylorseer_cache": {}},
            "first_block_cache and taylorseer_cache exclude each other",
        ),
    ],
)
def test_what_cannot_be_is_told_with_what_can(speed: Any, told: str) -> None:
    assert any(told in problem for problem in problems(speed, FAMILIES["wan"]))


def test_fusing_is_refused_where_it_would_do_nothing() -> None:
    fusing = {name for name, family in FAMILIES.items() if not list(problems({"fused_qkv": True}, family))}
    assert fusing == {name for name, family in FAMILIES.items() if family.fuses_qkv} < FAMILIES.keys()
    assert "leave it out" in next(problems({"fused_qkv": True}, FAMILIES["ltx"]))


@pytest.mark.parametrize(("quantisation", "is_good"), [("int8", True), ("fp8", True), ("nf4", False), ("none", False)])
def test_products_in_eight_bits_want_weights_in_eight_bits(quantisation: str, is_good: bool) -> None:
    problem = products_problem({"eight_bit_products": True}, quantisation)
    assert (problem is None) == is_good
    assert problem is None or f"is {quantisation}; it has to be int8 or fp8" in problem
    assert products_problem({}, quantisation) is None


def registered(block: torch.nn.Module) -> bool:
    """Whether diffusers knows what goes in and out of such a block, which two of the caches have to."""
    try:
        TransformerBlockRegistry.get(type(block))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("family_name", "mode"), [(f.name, mode) for f in FAMILIES.values() for mode in f.modes])
def test_a_row_may_name_the_caches_that_its_pipeline_and_blocks_know(family_name: str, mode: str, models: Path) -> None:
    family = FAMILIES[family_name]
    pipeline = getattr(diffusers, family.modes[mode].pipeline)
    source = checkpoint_for(family_name, mode, models)
    config = json.loads((models / source / "transformer" / "config.json").read_text())
    with torch.device("meta"):
        transformer = getattr(diffusers, config["_class_name"]).from_config(config)
    blocks = getattr(transformer, "transformer_blocks", None) or transformer.blocks
    says_which_call = "cache_context(" in inspect.getsource(pipeline)
    # What VACE adds between blocks would be added again where a cache passes over them.
    may_skip_blocks = registered(blocks[0]) and not hasattr(transformer, "vace_blocks")
    flows_straight = "CogVideoX" not in config["_class_name"]
    possible = {
        "first_block_cache": says_which_call and may_skip_blocks,
        "mag_cache": may_skip_blocks,
        "sea_cache": says_which_call and may_skip_blocks and flows_straight,
        "taylorseer_cache": says_which_call and family_name != "helios_pyramid",  # one scale does not fit the next
    }
    assert {name: name in caches_that_work(family, [mode]) for name in CACHES} == possible


def test_a_cache_that_fails_at_the_first_step_is_refused_with_what_works() -> None:
    framepack, hunyuan = FAMILIES["framepack"], FAMILIES["hunyuan"]
    taylor: dict[str, Any] = {"taylorseer_cache": {}}
    assert list(problems(taylor, framepack, ["image"])) == [
        "taylorseer_cache: FramePack fails at the first step with it in these modes; use mag_cache."
    ]
    assert list(problems({"mag_cache": {"mag_ratios": [1]}}, framepack, ["image"])) == []
    assert list(problems(taylor, hunyuan, ["text"])) == []
    assert "use mag_cache" in next(problems(taylor, hunyuan, ["text", "image"]))
    assert "leave it out" in next(problems(taylor, FAMILIES["helios_pyramid"], ["text"]))


def test_the_page_of_models_says_what_each_setting_costs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    for name in SETTINGS:
        assert any(row.strip().startswith(f"`{name}: ") for row in rows), name
