"""The gradient of a batch, by several threads that each take a part of it when they are free.

One operation on two threads waits for the slower of them thousands of times a step, which on a busy machine means most
of the time. Parts of a batch wait for each other once a step.
"""

from __future__ import annotations

import copy
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import torch
from diffusers import CogVideoXTransformer3DModel

from preview_model.patches import CELLS, choose, join, pick, split
from preview_model.precision import autocast

PART = 4
"""Examples in one part."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples for one step; the first dimension of every tensor counts them."""

    clips: torch.Tensor
    noisy: torch.Tensor
    weights: torch.Tensor
    prompts: torch.Tensor
    times: torch.Tensor
    places: torch.Tensor
    """Which of its clip's patches each example has, (examples, patches), counted frame by frame and row by row."""
    given: torch.Tensor
    """Whether its first frame is a given picture, free of noise."""

    def of_patches(self, count: int) -> Batch:
        """The first frames and ``count`` patches of the others, drawn by weight instead of weighed in the loss."""
        clips, noisy, weights = (split(frames) for frames in (self.clips, self.noisy, self.weights))
        importance = weights[:, CELLS:].mean((2, 3, 4))
        weights[:, CELLS:] /= (importance / importance.mean(1, keepdim=True))[..., None, None, None]
        others = CELLS + choose(importance, count)
        chosen = torch.cat([torch.arange(CELLS).expand(len(others), -1), others], 1)
        seen = {name: join(pick(of, chosen)) for name, of in (("clips", clips), ("noisy", noisy), ("weights", weights))}
        return replace(self, **seen, places=self.places.gather(1, chosen))

    def parts(self) -> Iterator[Batch]:
        """The batch in parts of at most ``PART`` examples."""
        columns = [getattr(self, f.name).split(PART) for f in fields(self)]
        return (Batch(*part) for part in zip(*columns, strict=True))


class Gradients:
    """Computes gradients of one transformer's weights on ``threads`` threads. The same whatever their number.

    Give torch one thread of its own: ``torch.set_num_threads(1)``.
    """

    def __init__(self, transformer: CogVideoXTransformer3DModel, *, threads: int) -> None:
        self.weights = list(transformer.parameters())
        self.positions = transformer.patch_embed.pos_embedding.clone()
        self.pool = ThreadPoolExecutor(threads)
        # The replicas share the weights; each has positions of its own, which change from example to example.
        shared = {id(weight): weight for weight in self.weights}
        self.replicas: queue.SimpleQueue[CogVideoXTransformer3DModel] = queue.SimpleQueue()
        for _ in range(threads):
            self.replicas.put(copy.deepcopy(transformer, dict(shared)))

    def compute(self, batch: Batch) -> torch.Tensor:
        """Set every weight's gradient of the batch's mean weighted squared error.

        Returns:
            The unweighted mean squared error of each example, shape (examples,).
        """
        total = batch.clips.numel()
        results = list(self.pool.map(lambda part: self._of_part(part, total), batch.parts()))
        for weight, *gradients in zip(self.weights, *(gradients for _, gradients in results), strict=True):
            weight.grad = torch.stack(gradients).sum(0) if len(gradients) > 1 else gradients[0]
        return torch.cat([errors for errors, _ in results])

    def _of_part(self, part: Batch, total: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        replica = self.replicas.get()
        try:
            self._place(replica, part.places)
            with autocast():
                drawn = replica(
                    hidden_states=part.noisy,
                    encoder_hidden_states=part.prompts,
                    timestep=part.times,
                    return_dict=False,
                )[0]
            errors = (drawn.float() - part.clips).square()
            gradients = torch.autograd.grad((errors * part.weights).sum() / total, self.weights)
        finally:
            self.replicas.put(replica)
        return errors.detach().mean((1, 2, 3, 4)), gradients

    def _place(self, replica: CogVideoXTransformer3DModel, places: torch.Tensor) -> None:
        """Give the tokens of each example the positions of its own patches."""
        embed = replica.patch_embed
        text, video = self.positions[:, : embed.max_text_seq_length], self.positions[0, embed.max_text_seq_length :]
        embed.pos_embedding = torch.cat([text.expand(len(places), -1, -1), video[places]], 1)
        embed.sample_frames = places.shape[1] // CELLS
