"""Imports bitsandbytes without TorchInductor.

diffusers imports bitsandbytes, which compiles one function of its CPU arithmetic as it is imported. ``torch.compile``
brings in TorchInductor for that, 430 modules and a sixth of the seconds in which a worker starts. With Dynamo off, that
function stays as it is written. What the engine itself compiles later is compiled.
"""

from __future__ import annotations

import os
from contextlib import suppress

_DYNAMO_OFF = "TORCHDYNAMO_DISABLE"

if _DYNAMO_OFF not in os.environ:
    os.environ[_DYNAMO_OFF] = "1"
    try:
        with suppress(ImportError):  # it is optional: ``check_quantisation`` says what is missing
            import bitsandbytes  # noqa: F401
    finally:
        del os.environ[_DYNAMO_OFF]
