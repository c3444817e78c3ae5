from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from preview_model import recipe
from preview_model.architecture import TEXT_WIDTH, build_transformer
from preview_model.gradients import PART, Batch, Gradients
from preview_model.patches import CELLS, choose, join, split


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def random_batch(examples: int, frames: int) -> Batch:
    torch.manual_seed(3)
    shape = (examples, frames, 3, recipe.HEIGHT, recipe.WIDTH)
    return Batch(
        clips=torch.rand(shape),
        noisy=torch.randn(shape),
        weights=torch.rand(examples, frames, 1, recipe.HEIGHT, recipe.WIDTH),
        prompts=torch.randn(examples, recipe.TEXT_TOKENS, TEXT_WIDTH),
        times=torch.randint(0, 1000, (examples,)),
        places=torch.stack([torch.randperm(recipe.NUM_FRAMES * CELLS)[: frames * CELLS] for _ in range(examples)]),
        given=torch.zeros(examples, dtype=torch.bool),
    )


def test_the_number_of_threads_changes_nothing() -> None:
    batch = random_batch(PART + 2, frames=1)
    torch.manual_seed(1)
    transformer = build_transformer()
    one = Gradients(transformer, threads=1)
    errors = one.compute(batch)
    expected = [weight.grad.clone() for weight in one.weights if weight.grad is not None]
    many = Gradients(transformer, threads=3)
    assert torch.equal(many.compute(batch), errors)
    assert len(expected) == len(many.weights)
    for weight, gradient in zip(many.weights, expected, strict=True):
        assert weight.grad is not None
        assert torch.equal(weight.grad, gradient)


def test_parts_add_up_to_the_batch() -> None:
    batch = random_batch(2 * PART + 1, frames=1)
    parts = list(batch.parts())
    assert [len(part.times) for part in parts] == [PART, PART, 1]
    assert torch.equal(torch.cat([part.clips for part in parts]), batch.clips)


def test_whole_clips_have_the_positions_of_the_pipeline() -> None:
    transformer = build_transformer()
    gradients = Gradients(transformer, threads=1)
    replica = gradients.replicas.get()
    gradients._place(replica, torch.arange(recipe.NUM_FRAMES * CELLS)[None])
    assert torch.equal(replica.patch_embed.pos_embedding, transformer.patch_embed.pos_embedding)


def test_a_patch_keeps_its_own_position_among_few() -> None:
    transformer = build_transformer()
    gradients = Gradients(transformer, threads=1)
    replica = gradients.replicas.get()
    places = torch.randperm(recipe.NUM_FRAMES * CELLS)[None, : 2 * CELLS]
    gradients._place(replica, places)
    every = transformer.patch_embed.pos_embedding[0, recipe.TEXT_TOKENS :]
    assert torch.equal(replica.patch_embed.pos_embedding[0, recipe.TEXT_TOKENS :], every[places[0]])
    assert replica.patch_embed.sample_frames == 2


def test_clips_in_patches_are_the_clips() -> None:
    clips = random_batch(2, frames=3).clips
    patches = split(clips)
    assert patches.shape == (2, 3 * CELLS, 3, 8, 8)
    assert torch.equal(patches[1, CELLS + 7], clips[1, 1, :, 8:16, 8:16])
    assert torch.equal(join(patches), clips)


def test_patches_are_drawn_as_often_as_they_matter() -> None:
    torch.manual_seed(5)
    importance = torch.ones(4000, 10)
    importance[:, 3] = 9
    first = choose(importance, 1)
    assert (first == 3).float().mean() == pytest.approx(0.5, abs=0.03)
    assert all(len(set(row)) == 10 for row in choose(importance[:20], 10).tolist())


def test_a_batch_of_patches_has_the_first_frame_and_what_matters_of_the_others() -> None:
    batch = random_batch(3, frames=4)
    whole = replace(batch, places=torch.arange(4 * CELLS).expand(3, -1))
    seen = whole.of_patches(CELLS)
    assert seen.clips.shape == (3, 2, 3, recipe.HEIGHT, recipe.WIDTH)
    assert torch.equal(seen.clips[:, 0], batch.clips[:, 0])
    assert torch.equal(seen.weights[:, 0], batch.weights[:, 0])
    others = seen.places[:, CELLS:]
    assert (others >= CELLS).all()
    for example, places in enumerate(others):
        assert torch.equal(split(seen.noisy)[example, CELLS:], split(batch.noisy)[example, places])
    # Whatever a patch weighs, it is weighed by how often it is seen: in the loss all count alike.
    by_patch = split(seen.weights)[:, CELLS:].mean((2, 3, 4))
    assert torch.allclose(by_patch, by_patch[:, :1].expand_as(by_patch))


def test_replicas_share_the_weights() -> None:
    transformer = build_transformer()
    replica = Gradients(transformer, threads=1).replicas.get()
    assert all(a is b for a, b in zip(replica.parameters(), transformer.parameters(), strict=True))
