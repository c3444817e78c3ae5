from __future__ import annotations

import pytest
import torch

from preview_model import architecture, recipe
from preview_model.captions import known_words
from preview_model.scene import REGISTERS


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def words(prompt: str) -> list[str]:
    tokenizer = architecture.build_tokenizer()
    tokens: list[str] = tokenizer.convert_ids_to_tokens(tokenizer(prompt).input_ids)
    return tokens[len(REGISTERS) : -1]


def test_every_prompt_begins_with_the_registers_and_ends_with_the_end() -> None:
    tokenizer = architecture.build_tokenizer()
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("red star").input_ids)
    registers = ["<shape>", "<colour>", "<motion>", "<background>", "<count>", "<second_shape>", "<second_colour>"]
    assert tokens == [*registers, "red", "star", "</s>"]


@pytest.mark.parametrize(
    "prompt",
    [
        "A red star, moving left!",
        "RED STAR MOVING LEFT",
        "réd   star\tmoving\nleft",
        "a marvellous red zorgling-star (moving) left_4k",
    ],
)
def test_case_punctuation_accents_and_unknown_words_make_no_difference(prompt: str) -> None:
    assert words(prompt) == ["red", "star", "moving", "left"]


def test_part_of_an_unknown_word_is_not_a_known_word() -> None:
    assert words("reddish starry upside redo") == []


def test_no_word_is_left_unknown() -> None:
    tokenizer = architecture.build_tokenizer()
    assert tokenizer.unk_token_id not in tokenizer(" ".join(known_words())).input_ids
    assert tokenizer.unk_token_id not in tokenizer("日本語 … 🌟 ½ \x00").input_ids


def test_the_token_for_nothing_in_particular_is_one_token() -> None:
    assert words(architecture.ANYTHING) == [architecture.ANYTHING]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
def test_the_vae_is_the_identity_on_pixels(dtype: torch.dtype, tolerance: float) -> None:
    vae = architecture.build_vae().to(dtype)
    clip = torch.rand(1, 3, 5, recipe.HEIGHT, recipe.WIDTH) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(clip.to(dtype)).latent_dist.sample()
        decoded = vae.decode(latents).sample
    assert latents.shape == clip.shape
    assert (latents.float() - clip).abs().max() < tolerance
    assert (decoded.float() - clip).abs().max() < tolerance


def test_the_scheduler_starts_from_nothing_but_noise() -> None:
    scheduler = architecture.build_scheduler()
    scheduler.set_timesteps(recipe.STEPS)
    assert scheduler.timesteps[0] == 999
    assert scheduler.alphas_cumprod[999] == pytest.approx(0, abs=1e-6)


def test_positions_of_neighbouring_tokens_differ_clearly() -> None:
    embedding = architecture.build_transformer().patch_embed.pos_embedding[0, recipe.TEXT_TOKENS :]
    assert len(embedding) == recipe.NUM_FRAMES * (recipe.HEIGHT // 8) * (recipe.WIDTH // 8)
    distances = torch.cdist(embedding, embedding) + 100 * torch.eye(len(embedding))
    assert distances.min() > 1.0


def test_the_registers_are_at_the_places_that_the_readout_reads() -> None:
    assert tuple(f"<{name}>" for name in REGISTERS) == architecture.REGISTER_TOKENS
