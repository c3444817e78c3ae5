"""What a report says of an exception: the one table from type to code, with whether another attempt may succeed."""

from __future__ import annotations

import errno

from gpu_worker.contract import RenderError
from gpu_worker.deadline import TimedOut
from gpu_worker.error_codes import DISK_FULL, HANDED_BACK, NOT_STORED, STEPPED_ASIDE, UPLOAD_FAILED
from gpu_worker.inputs import InputUnavailable, InputUnreadable
from gpu_worker.leaving import HandedBack
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.step_aside import SteppedAside
from gpu_worker.upload import UploadFailed

DEVICE_LOST = "device_lost"
INTERNAL = "internal"


def error_of(error: Exception) -> RenderError:
    """Return the report's error for what was raised. The prose for people is the website's."""
    from gpu_worker.engine.errors import EngineError, FatalDeviceError  # its package brings torch along

    match error:
        case EngineError() | FatalDeviceError():
            return RenderError(code=error.code, message=str(error), is_retryable=error.is_retryable)
        case TimedOut():
            return RenderError(code="timeout", message=f"The render did not end in time: {error}.")
        case HandedBack():
            return RenderError(code=HANDED_BACK, message="Its GPU worker had to stop.", is_retryable=True)
        case SteppedAside():
            return RenderError(code=STEPPED_ASIDE, message="A short clip goes first.", is_retryable=True)
        case InputUnreadable():
            return RenderError(code="input_unreadable", message=str(error))
        case FileUnreadable():  # a continuation reads the rest of what is given once the new part is made
            message = f"The clip to go on from cannot be read whole: it {error}"
            return RenderError(code="input_unreadable", message=message)
        case InputUnavailable():
            return RenderError(code="input_unavailable", message=str(error), is_retryable=error.is_retryable)
        case UploadFailed():
            return RenderError(code=UPLOAD_FAILED, message=NOT_STORED, is_retryable=error.is_retryable)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return RenderError(code=DISK_FULL, message="The worker's disk is full.", is_retryable=True)
        case _:
            # What was not foreseen may hold anything in its text: it goes to the worker's log alone.
            return RenderError(code=INTERNAL, message="The worker met an error of its own; its log has the details.")
