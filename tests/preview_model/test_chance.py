from __future__ import annotations

import numpy as np
import torch

from preview_model.architecture import HEADS, PATCH, WIDTH, build_transformer
from preview_model.chance import NUMBERS, Chance, read_chances, textures_of_a_patch
from preview_model.examples import patch_components
from preview_model.listening import set_ear
from preview_model.recipe import NUM_FRAMES, TEXT_TOKENS


def test_numbers_of_noise_are_independent_and_spread_over_their_range() -> None:
    noise = torch.randn(600, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    numbers = np.array(read_chances(noise))
    assert numbers.min() == -1
    assert numbers.max() == 1
    assert (numbers.std(0) > 0.4).all()
    assert np.abs(np.corrcoef(numbers.T) - np.eye(NUMBERS)).max() < 0.15


def test_the_textures_say_nothing_of_each_other() -> None:
    patches = textures_of_a_patch()
    assert patches.shape == (NUMBERS, 3 * PATCH * PATCH)
    assert torch.allclose(patches @ patches.T, torch.eye(NUMBERS), atol=1e-5)


def test_noise_that_is_one_texture_says_one_number() -> None:
    patch = 9.0 * textures_of_a_patch()[2].view(3, PATCH, PATCH)
    assert np.allclose(read_chances(patch.repeat(1, 6, 6)[None])[0], [0, 0, 1, 0, 0], atol=1e-4)


def test_no_chance_is_the_middle() -> None:
    assert Chance(1, -1, 1, -1, 1).scaled(0) == Chance()


def test_the_ear_adds_the_numbers_of_the_first_frame_to_every_token() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(2)
    transformer = build_transformer()
    patch_components(sample=64).initialise(transformer)
    set_ear(transformer)
    heard = {}

    def catch(module: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
        heard["heads"] = arguments[0]

    hook = transformer.transformer_blocks[0].attn1.to_out[0].register_forward_pre_hook(catch)
    noise = torch.randn(16, NUM_FRAMES, 3, 48, 48)
    with torch.no_grad():
        transformer(
            hidden_states=noise, encoder_hidden_states=torch.randn(16, TEXT_TOKENS, 96), timestep=torch.full((16,), 999)
        )
    hook.remove()
    own = heard["heads"][..., : WIDTH // HEADS]
    for token in (0, TEXT_TOKENS, TEXT_TOKENS + 400):
        for number in range(NUMBERS):
            numbers = [chance[number] for chance in read_chances(noise[:, 0])]
            assert np.corrcoef(own[:, token, number], numbers)[0, 1] > 0.95
