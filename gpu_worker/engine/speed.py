"""What makes a step faster and is off unless the catalogue row names it, switched on for one render only.

Attention backends give the same picture to the last bits of precision; caches skip work where little changes from step
to step, and trade some quality for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig

from gpu_worker.engine.errors import UnsupportedRequest

_CACHES: Mapping[str, Callable[..., Any]] = {
    "first_block_cache": FirstBlockCacheConfig,
    "mag_cache": MagCacheConfig,
    "taylorseer_cache": TaylorSeerCacheConfig,
}
SETTINGS = ("attention_backend", *_CACHES)
"""``attention_backend`` is a name of diffusers; a cache is a mapping of its settings, ``{}`` for its defaults."""


@contextmanager
def hastened(transformers: Iterable[Any], speed: Mapping[str, Any]) -> Iterator[None]:
    """``transformers`` run with the settings of ``speed`` for the time of the block.

    Raises:
        UnsupportedRequest: there is no such setting, or this model or machine cannot do it.
    """
    unknown = speed.keys() - set(SETTINGS)
    if unknown:
        raise UnsupportedRequest(f"No speed setting {', '.join(sorted(unknown))}; there are: {', '.join(SETTINGS)}")
    with ExitStack() as undo:
        for transformer in transformers:
            for name, value in speed.items():
                try:
                    undo.callback(_switch_on(transformer, name, value))
                except (AttributeError, ImportError, RuntimeError, TypeError, ValueError) as problem:
                    raise UnsupportedRequest(f"{type(transformer).__name__} cannot do {name}: {problem}") from problem
        yield


def _switch_on(transformer: Any, name: str, value: Any) -> Callable[[], object]:
    """What undoes it."""
    if name == "attention_backend":
        transformer.set_attention_backend(value)
        undo: Callable[[], object] = transformer.reset_attention_backend
    else:
        transformer.enable_cache(_CACHES[name](**value))
        undo = transformer.disable_cache
    return undo
