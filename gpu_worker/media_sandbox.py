"""Reads what somebody sent, in a process that may do little else.

Run as a file by ``gpu_worker.media_input``, never imported there: decoders are large programs that read hostile bytes.
So this one has no environment, and once they are imported ``confinement.py`` takes everything from it but the file that
it was given open. What comes out is pixels or samples, nothing of the file itself.

    python -I media_sandbox.py '{"kind": "video", "width": …, "height": …, "fps": …, "first": …, "last": …}' < file
    python -I media_sandbox.py '{"kind": "picture", "width": …, "height": …}' < file
    python -I media_sandbox.py '{"kind": "audio", "rate": …, "seconds": …}' < file
    python -I media_sandbox.py '{"kind": "conversion", "format": "gif"}' < file
    python -I media_sandbox.py '{"kind": "joining", "sizes": […]}' < files, one behind the other
    python -I media_sandbox.py '{"kind": "likeness"}' < file
    python -I media_sandbox.py '{"kind": "label"}' < file
    python -I media_sandbox.py '{"kind": "nothing"}'

Standard output: one line of JSON that says what follows, then RGB frames, interleaved 32-bit floats or a file. Ends
with ``REFUSED`` and a sentence on standard error where the file is not what it should be.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path


def confine() -> list[str]:
    """Import all that decoding takes, then give up everything else. Returns what holds this process.

    PyAV and its like import parts of themselves while they work, which they cannot any more afterwards.
    """
    import av

    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):  # the latter fetches samples over the network
            importlib.import_module(module.name)
    av.logging.set_level(av.logging.PANIC)
    sys.path.append(str(Path(__file__).parents[1]))  # ours come last; without a path of its own, it has no other way
    from gpu_worker import confinement
    from gpu_worker.media import conversion, footage, joining, labelled, likeness, sound, still  # noqa: F401

    return confinement.confine()


def main() -> None:
    said = json.loads(sys.argv[1])
    held = confine()
    import av

    from gpu_worker.media import bounds, conversion, footage, joining, labelled, likeness, sound, still
    from gpu_worker.media.reply import Reply

    reply = Reply(sys.stdout.buffer)
    try:
        if said["kind"] == "nothing":
            reply.say({"held": held})
        else:
            of_clips = {"conversion": conversion, "joining": joining, "label": labelled, "likeness": likeness}
            reads = {"video": footage, "picture": still, "audio": sound} | of_clips
            reads[said["kind"]].read(said, reply)
    except MemoryError:  # FFmpeg's too, where there are more streams than it was told to look for
        most = f"it has more than {bounds.MOST_STREAMS} streams, or takes more memory than a file may"
        bounds.refuse(f"cannot be decoded: {most}.")
    except (av.FFmpegError, OverflowError, ValueError):
        bounds.refuse("cannot be decoded: it is damaged or cut off.")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
