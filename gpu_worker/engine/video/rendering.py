"""One job on its way through one pipeline: prompt to frames, with progress, pictures and a way out at every step."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.cards.shared_render import NotShared, SharedRender
from gpu_worker.engine.errors import UnsupportedRequest
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.memory_needs import Room, shape_of
from gpu_worker.engine.memory.open_models import OpenModel
from gpu_worker.engine.memory.render_memory import RenderMemory
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.requests import mode_of
from gpu_worker.engine.snapshots.identity import identity_of
from gpu_worker.engine.snapshots.recorder import Recorder, ReplayFailed
from gpu_worker.engine.snapshots.render_snapshots import RenderSnapshots
from gpu_worker.engine.video.audio_conditioning import audio_latents
from gpu_worker.engine.video.decoding import Decoder
from gpu_worker.engine.video.first_frame import HeldPictures
from gpu_worker.engine.video.frames import (
    OnFrame,
    RawClip,
    taken_one_by_one,
    to_audio,
    unheard,
)
from gpu_worker.engine.video.pipelines import assemble, replace_method
from gpu_worker.engine.video.previews import PreviewPainter
from gpu_worker.engine.video.prompts import PROMPT, Embeddings, EncodingDue, PromptEncoder, Question, Run
from gpu_worker.engine.video.quality import FirstCalls, LastLatents
from gpu_worker.engine.video.seeding import seed_generators
from gpu_worker.engine.video.speed import RenderFacts, with_speed_settings
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.video.whole_texts import read_to_the_end
from gpu_worker.engine.video.x0_preview import predict_clean, watch
from gpu_worker.engine.weights.components import Component
from gpu_worker.sounds import Audio

log = logging.getLogger(__name__)

MOST_REHEARSALS = 8
"""A pipeline that asks for its embeddings more often has not been understood, and would be rehearsed for ever."""


class Rendering:
    """One render. Leases are held stage by stage: encoders, then denoisers and decoders, then decoders alone."""

    def __init__(
        self,
        job: RenderJob,
        inputs: Mapping[str, Any],
        model: OpenModel,
        room: Room,
        stages: StageClock,
        snapshots: RenderSnapshots,
        *,
        on_denoising: Callable[[], None] = lambda: None,
        on_frame: OnFrame = unheard,
        part: SharedRender | None = None,
    ) -> None:
        self._family, self._mode = mode_of(job, inputs)
        self._job, self._inputs, self._model = job, inputs, model
        self._room, self._stages, self._snapshots = room, stages, snapshots
        self._recorder: Recorder | None = None
        self._device = room.residency.device
        self._pipeline_name = self._mode.pipeline_for(job.call)
        first_frame = self._mode.first_frame
        self._held = HeldPictures([first_frame(job, inputs)]) if first_frame else None
        self._painter = PreviewPainter(wait_for_card=self._device.synchronize)
        self.first_calls, self.last_latents = FirstCalls(), LastLatents()
        self._memory = RenderMemory(job, model, room, stages)
        self._peaks = self._memory.peaks
        self._on_denoising, self._on_frame, self._part = on_denoising, on_frame, part
        self._passes = self._family.passes(job.num_frames)
        self._block_swap: BlockSwap | None = None
        self._encoder = PromptEncoder(
            room.prompts,
            encoders={name: component.key for name, component in model.encoders.items()},
            device=self._device.torch_device,
            encode=self._encode,
        )

    @property
    def peak_bytes(self) -> int:
        """Most memory held at once so far: weights and what was beside them."""
        return self._peaks.highest_bytes

    def run(self) -> RawClip:
        """Make the frames. The same job gives the same frames, bit by bit, on the same device and placement.

        Raises:
            RenderStopped: ``should_stop`` turned true; at most one step later.
            UnsupportedRequest: the pipeline refused its arguments.
            DoesNotFit, OutOfMemory: there is not enough memory; nothing stays leased.
            FramesNotFinite: the result is not a picture.
        """
        self._memory.place()
        try:
            for _ in range(MOST_REHEARSALS):
                try:
                    self._memory.run_with_fallbacks(Stage.ENCODING_PROMPT, self._prepare_embeddings)
                    return self._memory.run_with_fallbacks(Stage.DENOISING, self._resume_or_make_frames)
                except EncodingDue:
                    continue  # now the rehearsal knows how often this pipeline asks
            raise RuntimeError(f"{self._pipeline_name} asks for embeddings that its rehearsal did not come to")
        finally:
            self._memory.learn_from_failures()

    # --- prompt ---

    def _prepare_embeddings(self) -> None:
        pipeline = self._assemble(self._meta_modules(self._model.components))
        with self._refusals(pipeline), read_to_the_end(pipeline, self._family.whole_texts):
            self._encoder.rehearse(pipeline, self._call(pipeline))
        self._stages.enter(Stage.ENCODING_PROMPT)  # also when there was nothing left to encode

    def _encode(self, pipeline: Any, question: Question, run: Run) -> Embeddings:
        own = {n: c for n, c in self._model.encoders.items() if n.startswith(question.encoders)}
        lease = Lease(own)
        try:
            self._memory.acquire(lease, Stage.ENCODING_PROMPT)
            if not question.is_module:
                pipeline.register_modules(**lease.modules)
            self._stages.enter(Stage.ENCODING_PROMPT)
            if question is PROMPT:
                self._peaks.begin(self._memory.workload(Stage.ENCODING_PROMPT))
            with torch.no_grad():
                embeddings = run(lease.modules)
            self._peaks.finish()
            return embeddings
        finally:
            self._peaks.abandon()
            if not question.is_module:
                pipeline.register_modules(**self._meta_modules(own))
            self._memory.release(lease)

    # --- frames ---

    def _resume_or_make_frames(self) -> RawClip:
        try:
            return self._make_frames()
        except NotShared as reason:
            if self._part is None or not self._part.is_first:
                raise
            log_event(log, "one card", why=str(reason))
            return self._resume_or_make_frames()
        except ReplayFailed as failure:
            self._snapshots.discard(failure)
        return self._make_frames()

    def _make_frames(self) -> RawClip:
        self._stages.restart_steps()
        try:
            self._memory.acquire(self._memory.decoders, Stage.DENOISING)
            self._memory.acquire(self._memory.denoisers, Stage.DENOISING)
            modules = {**self._memory.denoisers.modules, **self._memory.decoders.modules}
            pipeline = self._assemble({**self._meta_modules(self._model.encoders), **modules})
            pipeline.register_modules(**dict.fromkeys(self._model.encoders))
            watch(pipeline.scheduler)
            self._recorder = self._snapshots.recorder(self._identity)
            if self._recorder is not None:
                self._recorder.listen(pipeline.scheduler)
            call = self._call(pipeline)
            chance = seed_generators(self._job.seed, self._device.torch_device)
            with chance, ExitStack() as listeners, self._refusals(pipeline):
                for listener in self._listeners(pipeline, call):
                    listeners.enter_context(listener)
                output = pipeline(**call, **self._sound_arguments(pipeline))
            self._peaks.finish()
            return RawClip(output.frames, self._given_sound() or to_audio(pipeline, output))
        finally:
            self._peaks.abandon()
            self._memory.release(self._memory.denoisers)
            self._memory.release(self._memory.decoders)

    def _identity(self) -> dict[str, Any]:
        return identity_of(self._job, self._inputs, self._model, self._device, self._memory.placement)

    def _listeners(self, pipeline: Any, call: Mapping[str, Any]) -> Iterator[AbstractContextManager[object]]:
        yield self._encoder.recalled(pipeline)
        if self._job.is_compared:
            yield self.first_calls.recording(self._memory.denoisers.modules)
            yield self.last_latents.recording(self._memory.denoisers.modules)
        yield replace_method(pipeline, "progress_bar", self._announcing_denoising)
        yield replace_method(pipeline.vae, "decode", lambda decode: self._decoding(pipeline, decode))
        yield taken_one_by_one(pipeline, self._on_frame)
        facts = RenderFacts(
            self._job.steps,
            self._device.torch_device,
            getattr(torch, self._model.spec.dtype),
            pipeline,
            (self._job.width, self._job.height, self._job.num_frames),
        )
        yield with_speed_settings(self._transformers(), self._model.spec.speed, facts)
        if self._memory.placement.is_block_swapped:
            self._block_swap = BlockSwap(self._room.residency, self._memory.denoisers, self._memory.on_card_bytes())
            yield self._block_swap
        if self._part is not None:
            is_swapped = self._memory.placement.is_block_swapped
            yield self._part.share(self._transformers(), is_block_swapped=is_swapped, on_lost=self._learn_from_loss)
        if not self._family.has_step_callback:
            yield replace_method(pipeline.scheduler, "step", lambda step: self._stepping(pipeline, step))
        if self._recorder is not None:
            yield self._recorder.running(pipeline, self._transformers(), call["generator"], self._device.torch_device)

    def _learn_from_loss(self, error: Exception) -> None:
        """What ends several cards together would end the next attempt as well, unless it is known by then."""
        if isinstance(error, ReplayFailed):
            self._snapshots.discard(error)
        elif self._device.is_out_of_memory(error):
            self._memory.note_failure(Stage.DENOISING)

    def _announcing_denoising(self, progress_bar: Callable[..., Any]) -> Callable[..., Any]:
        """All pipelines open their progress bar just before the first step of each pass."""

        def open_bar(*args: Any, **kwargs: Any) -> Any:
            if self._part is not None and self._part.is_preparing:
                self._stages.enter(Stage.LOADING, "Waiting for the other cards")
                self._part.begin(self._recorder.calls_to_replay if self._recorder else 0)
            self._stages.enter(Stage.DENOISING)
            self._peaks.begin(
                self._memory.workload(Stage.DENOISING), is_swapped=self._memory.placement.is_block_swapped
            )
            if self._part is not None and self._part.is_together:
                self._peaks.doubt()  # one card alone needs more
            self._on_denoising()
            return progress_bar(*args, **kwargs)

        return open_bar

    def _decoding(self, pipeline: Any, decode: Callable[..., Any]) -> Callable[..., Any]:
        """Decoding begins where the pipeline calls its VAE: without another pass the denoisers are done with then."""
        frames_per_part = shape_of(self._job, self._model).frames_per_part
        decoder = Decoder(
            pipeline, decode, self._memory, self._stages, frames_per_part=frames_per_part, on_frame=self._on_frame
        )

        def decode_with_room(*args: Any, **kwargs: Any) -> Any:
            if self._part is not None:
                self._part.finish()
            self._stages.enter(Stage.DECODING)
            if self._passes == 1:
                if self._block_swap is not None:
                    self._block_swap.close()
                self._memory.release(self._memory.denoisers)
            return decoder(*args, **kwargs)

        return decode_with_room

    def _stepping(self, pipeline: Any, step: Callable[..., Any]) -> Callable[..., Any]:
        """For pipelines that take no callback: their scheduler is asked once for each step."""

        @functools.wraps(step)
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = step(*args, **kwargs)
            self._after_step(pipeline, 0, None, {"latents": result[0]})
            return result

        return counted

    def _after_step(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self._held:
            tensors = self._held.put_back(pipeline, index, timestep, tensors)
        if self._recorder is not None and self._recorder.is_in_the_past:
            self._peaks.doubt()
            if not self._recorder.is_replaying:
                self._stages.resume_steps(*self._snapshots.resumed())
            return tensors
        job, own_total = self._job, self._family.steps_total
        steps_total = own_total(job) if own_total is not None else pipeline.num_timesteps * self._passes
        done = self._stages.steps_done + 1
        self._stages.step_done(done, max(done, steps_total))
        clean = predict_clean(pipeline.scheduler, tensors["latents"])
        if self._held:
            clean = self._held.put(clean)
        picture = self._painter.paint(pipeline, clean, num_frames=job.num_frames, width=job.width, height=job.height)
        if picture:
            self._stages.show(picture)
        self._snapshots.take(done, self._stages.steps_total, wait_for_device=self._device.synchronize)
        if self._part is None:
            self._stages.stop_if_asked()
        else:
            self._part.after_step(self._stages.stop_if_asked)
        return tensors

    # --- the pipeline and its call ---

    def _assemble(self, modules: Mapping[str, torch.nn.Module]) -> Any:
        return assemble(
            self._pipeline_name, modules, self._room.library.tools(self._model), self._model.checkpoint.settings
        )

    def _transformers(self) -> list[torch.nn.Module]:
        return [module for name, module in self._memory.denoisers.modules.items() if name.startswith("transformer")]

    def _meta_modules(self, components: Mapping[str, Component]) -> dict[str, torch.nn.Module]:
        return {name: self._room.library.meta_module(component) for name, component in components.items()}

    def _call(self, pipeline: Any) -> dict[str, Any]:
        accepted = inspect.signature(type(pipeline).__call__).parameters
        job = self._job
        # On the CPU always: the same seed then means the same noise on every device.
        generator = torch.Generator("cpu").manual_seed(job.seed)
        arguments: dict[str, Any] = {
            "prompt": job.prompt,
            "negative_prompt": job.negative_prompt,
            "generator": generator,
            "output_type": "pt",
            "max_sequence_length": job.call.get("max_sequence_length", self._family.prompt_tokens),
        }
        arguments = {name: value for name, value in arguments.items() if name in accepted}
        if self._family.has_step_callback:
            arguments["callback_on_step_end"] = self._after_step
        if self._held:
            noise = self._held.latents(job.num_frames, [generator])
            arguments["latents"] = noise.to(getattr(torch, self._model.spec.dtype))
        return {**self._mode.arguments(job, self._inputs), **arguments}

    def _given_sound(self) -> Audio | None:
        """Return the sound that the clip is made to, at its length: the clip carries it, not the model's rendition."""
        sound = self._inputs.get("audio")
        return sound.lasting(self._job.num_frames / self._job.fps) if isinstance(sound, Audio) else None

    def _sound_arguments(self, pipeline: Any) -> dict[str, Any]:
        sound = self._given_sound()
        return {} if sound is None else {"audio_latents": audio_latents(pipeline, sound)}

    @contextmanager
    def _refusals(self, pipeline: Any) -> Iterator[None]:
        """Before the first step, pipelines say with these two what they cannot do; later ones are mistakes of code."""
        try:
            yield
        except (TypeError, ValueError) as refusal:
            if self._stages.stage in (Stage.DENOISING, Stage.DECODING):
                raise
            raise UnsupportedRequest(f"{type(pipeline).__name__} refused: {refusal}") from refusal
