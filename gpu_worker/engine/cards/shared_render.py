"""One render on several cards, as each of them goes through it: together from the first step to the last.

Until the first step each card prepares for itself, and may find that it cannot; then all are asked, and the first card
makes the clip alone unless every one is ready. From there on they move step by step, and what ends one ends them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any, Protocol

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.cards.group import CardGroup
from gpu_worker.engine.cards.guidance import HALVES, TRANSFORMERS, shared_by_guidance
from gpu_worker.engine.cards.sequence import shared_by_sequence
from gpu_worker.engine.errors import FatalDeviceError, RenderStopped, UnsupportedHere
from gpu_worker.families import FAMILIES
from gpu_worker.families.speed import CACHES

log = logging.getLogger(__name__)

GO_ON, STOP = 0, 1


class NotShared(Exception):
    """The clip is made on one card after all: the message says why."""


class PartDone(Exception):
    """What was left for this card to do is done; the first one goes on alone."""


class CardsLost(FatalDeviceError):
    """One of several cards that were at a step together did not come to its end; none of them can go on. Its words are
    people's to read: what happened is its cause, and in the log."""


class Agreement(Protocol):
    """How the cards find out whether all of them are ready."""

    def reach(self, replayed_calls: int, problem: str) -> str:
        """Say whether this card is ready, and wait for what all of them say.

        Returns why the clip is not shared; empty where every card is ready, and from the same step.
        """
        ...


class _State(StrEnum):
    PREPARING = "preparing"
    TOGETHER = "together"
    OVER = "over"


def refusal(job: RenderJob, cards: int) -> str:
    """Why a clip is made on one of so many cards, as far as its weights need not be read for that; empty: it is not."""
    if FAMILIES[job.model.family].passes(job.num_frames) > 1:
        return "its frames are made in several passes"
    return refusal_of_row(job.model, cards)


def refusal_of_row(model: ModelSpec, cards: int) -> str:
    """Why none of a row's clips is made on so many cards; empty: some are."""
    family, speed = FAMILIES[model.family], model.speed
    if speed.get("cards") == "one":
        return "its row says so"
    if not family.sharing:
        return f"nobody has a plan for the transformer of {family.title}"
    if family.sharing == "guidance" and cards != HALVES:
        return f"guidance has {HALVES} halves and there are {cards} cards"
    if cache := next((name for name in CACHES if name in speed), ""):
        return f"with {cache} each card would skip other steps"
    return "compiled blocks are not shared" if "compile_repeated_blocks" in speed else ""


class SharedRender:
    """This card's view of the render. ``share`` surrounds the pipeline's call, ``begin`` comes before its first step,
    ``after_step`` after each and ``finish`` after the last; ``close`` in any case."""

    def __init__(self, group: CardGroup, agreement: Agreement) -> None:
        self._group, self._agreement = group, agreement
        self._state = _State.PREPARING
        self._problem = ""

    @property
    def is_first(self) -> bool:
        """Whether this card makes the clip, alone if it has to be."""
        return self._group.is_first

    @property
    def is_preparing(self) -> bool:
        """Whether the others are still to be asked."""
        return self._state is _State.PREPARING

    @property
    def is_together(self) -> bool:
        """Whether steps are made together now."""
        return self._state is _State.TOGETHER

    @property
    def is_over(self) -> bool:
        """Whether the first card is alone with what is left, or with all of it."""
        return self._state is _State.OVER

    @contextmanager
    def share(
        self, transformers: list[Any], *, is_block_swapped: bool, on_lost: Callable[[Exception], None]
    ) -> Iterator[None]:
        """The transformers' forwards are shared within the block, if that can be; the first card then says why not.

        ``on_lost`` hears what failed in the block while others wait for this card.

        Raises:
            CardsLost: then.
        """
        try:
            with ExitStack() as shared:
                self._share(transformers, is_block_swapped, shared)
                yield
        except (RenderStopped, PartDone, NotShared):
            raise
        except Exception as error:
            if self.is_together:
                self._state = _State.OVER
                log.exception("Card %d of %d failed in a step", self._group.rank, self._group.size)
                on_lost(error)
                raise CardsLost("One of the cards that made it together failed.") from error
            raise

    def _share(self, transformers: list[Any], is_block_swapped: bool, shared: ExitStack) -> None:
        if self._state is not _State.PREPARING:
            return
        if is_block_swapped:
            self._problem = "its blocks are swapped on this card"
            return
        is_guided = {type(one).__name__ for one in transformers} <= TRANSFORMERS
        try:
            shared.enter_context((shared_by_guidance if is_guided else shared_by_sequence)(transformers, self._group))
            self._problem = ""  # of an attempt before, which ran out of memory
        except UnsupportedHere as problem:
            self._problem = str(problem)

    def begin(self, replayed_calls: int) -> None:
        """Wait for the others before the first step that is made.

        Raises:
            NotShared: at least one of them is not ready.
            RenderStopped: it is not wanted any more.
        """
        if self._state is not _State.PREPARING:
            return
        problem = self._agreement.reach(replayed_calls, self._problem)
        self._state = _State.OVER if problem else _State.TOGETHER
        if problem:
            raise NotShared(problem)

    def after_step(self, stop_if_asked: Callable[[], None]) -> None:
        """Stop where the first card is asked to, all of them after the same step.

        Raises:
            PartDone: the first card has stopped.
            Exception: what ``stop_if_asked`` raises, on the first card.
        """
        if not self.is_together:
            stop_if_asked()
            return
        if not self._group.is_first:
            if self._group.told(GO_ON) == STOP:
                self._state = _State.OVER
                raise PartDone
            return
        try:
            stop_if_asked()
        except BaseException:
            self._state = _State.OVER
            self._group.told(STOP)
            raise
        self._group.told(GO_ON)

    def finish(self) -> None:
        """All steps are made; the first card decodes.

        Raises:
            PartDone: this is another one.
        """
        was_together, self._state = self.is_together, _State.OVER
        if was_together and not self._group.is_first:
            raise PartDone

    def close(self, problem: str = "") -> None:
        """The render is over on this card, however it ended: nobody waits for it."""
        if self._state is _State.PREPARING:
            self._state = _State.OVER
            self._agreement.reach(0, problem or "it ended before its first step")
