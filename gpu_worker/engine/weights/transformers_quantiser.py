"""How transformers hands over each tensor that it has read, so that it is changed before the next is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

Change = Callable[[str, torch.Tensor], torch.Tensor]
"""From a weight's name in the module and what the file has to what the module shall have."""
_METHOD = "loremotion"


@register_quantization_config(_METHOD)
class ChangeWhileReading(QuantizationConfigMixin):  # type: ignore[misc]  # transformers has no types
    """``quantization_config`` for ``from_pretrained``: the weights of ``names`` are what ``change`` makes of them."""

    quant_method: Any = _METHOD

    def __init__(self, names: frozenset[str], change: Change) -> None:
        self.names = names
        self.change = change


@register_quantizer(_METHOD)
class _Quantiser(HfQuantizer):  # type: ignore[misc]  # transformers has no types
    requires_calibration = False

    def param_needs_quantization(self, model: Any, param_name: str, **kwargs: Any) -> bool:
        return param_name in self.quantization_config.names

    def get_quantize_ops(self) -> ConversionOps:
        return _Changed(self.quantization_config.change)

    def _process_model_after_weight_loading(self, model: Any, **kwargs: Any) -> Any:
        self.remove_quantization_config(model)  # a module like any other from here on
        return model

    @property
    def is_trainable(self) -> bool:
        return False

    def is_serializable(self) -> bool:
        return False


class _Changed(ConversionOps):  # type: ignore[misc]  # transformers has no types
    def __init__(self, change: Change) -> None:
        self._change = change

    def convert(
        self,
        input_dict: dict[str, Any],
        source_patterns: list[str],
        target_patterns: list[str],
        *,
        full_layer_name: str = "",
        model: Any = None,
        missing_keys: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        (read,) = input_dict.values()
        tensor = read[0] if isinstance(read, list) else read
        input_dict.clear()
        owner_name, _, name = full_layer_name.rpartition(".")
        owner = model.get_submodule(owner_name)
        changed = torch.nn.Parameter(self._change(full_layer_name, tensor), requires_grad=False)
        changed._is_hf_initialized = True  # type: ignore[attr-defined]  # any tensor takes attributes; transformers reads this one
        owner._parameters[name] = changed
        missing_keys.discard(full_layer_name)
        return {}
