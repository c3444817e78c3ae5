from __future__ import annotations

import pytest
import torch

from gpu_worker.preview import recipe
from gpu_worker.preview.architecture import TEXT_WIDTH, build_transformer
from gpu_worker.preview.gradients import PART, Batch, Gradients


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
        frames=torch.stack([torch.randperm(recipe.NUM_FRAMES)[:frames].sort().values for _ in range(examples)]),
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
    gradients._place(replica, torch.arange(recipe.NUM_FRAMES)[None])
    assert torch.equal(replica.patch_embed.pos_embedding, transformer.patch_embed.pos_embedding)


def test_a_frame_keeps_its_own_position_among_few() -> None:
    transformer = build_transformer()
    gradients = Gradients(transformer, threads=1)
    replica = gradients.replicas.get()
    gradients._place(replica, torch.tensor([[0, 9]]))
    every = transformer.patch_embed.pos_embedding[0, recipe.TEXT_TOKENS :].view(recipe.NUM_FRAMES, -1, 256)
    placed = replica.patch_embed.pos_embedding[0, recipe.TEXT_TOKENS :].view(2, -1, 256)
    assert torch.equal(placed, every[[0, 9]])


def test_replicas_share_the_weights() -> None:
    transformer = build_transformer()
    replica = Gradients(transformer, threads=1).replicas.get()
    assert all(a is b for a, b in zip(replica.parameters(), transformer.parameters(), strict=True))
