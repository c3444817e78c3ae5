"""Decodes one picture that somebody sent, in a process that may do little else.

Run as a file by ``pictures``, never imported: Pillow's decoders are C that reads hostile bytes, and the process that
serves holds the site's secrets. So this one has no environment, and once all is imported ``confinement`` takes
everything from it but the file that it was given open. What comes out is pixels, nothing of the file itself.

    python -I picture_sandbox.py {} < file

Standard output: one line of JSON, ``{"width": …, "height": …, "held": …}`` and then RGB, or ``{"wrong_size": …}``.
Ends with ``REFUSED`` and a sentence on standard error where the file is no picture.
"""

from __future__ import annotations

import sys
from pathlib import Path


def confine() -> list[str]:
    """Import all that decoding takes, then give up everything else. Returns what holds this process.

    Pillow imports parts of itself when it first needs them, which it cannot any more afterwards.
    """
    sys.path.append(str(Path(__file__).parents[2]))  # ours come last; without a path of its own, it has no other way
    from PIL import Image, ImageColor, ImageFilter, ImagePalette, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401  # noqa: F401 - JPEGs of phones, EXIF

    from generation.submission import picture_decoding  # noqa: F401
    from gpu_worker import confinement
    from gpu_worker.media import reply  # noqa: F401

    Image.preinit()
    return confinement.confine()


def main() -> None:
    held = confine()
    from generation.submission import picture_decoding
    from gpu_worker.media import bounds
    from gpu_worker.media.reply import Reply

    reply = Reply(sys.stdout.buffer)
    try:
        picture = picture_decoding.decode(sys.stdin.buffer)
    except picture_decoding.WrongSize as problem:
        said = {"name": problem.name, "width": problem.width, "height": problem.height, "next_step": problem.next_step}
        reply.say({"wrong_size": said})
    except (MemoryError, OSError, SyntaxError, ValueError) as problem:
        bounds.refuse(f"cannot be decoded ({type(problem).__name__}).")
    else:
        reply.say({"width": picture.width, "height": picture.height, "held": held})
        reply.send_bytes(picture.tobytes())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
