"""Puts a manifest into a clip, in a process that may do little else and has no key.

Run as a file by ``signing``: a clip comes from a GPU host that may be anybody's, and whoever reads it does not sign.
What is to be signed goes to the parent through a socket, and the signature comes back. Where a time stamp is asked for,
the process keeps the network, which the stamp comes by.

    python -I signing_sandbox.py '{"manifest": {…}, "algorithm": "ES256", "chain": "…PEM…", "timestamp_url": null,
        "socket": 5, "ingredients": [{"file": 6, "media_type": "video/mp4", "definition": {…}, "is_needed": false}]}' \\
        < clip

Standard output: one line of JSON, ``{"manifest_bytes": …, "clip_bytes": …}``, then both; or ``{"refused": …}`` with
the label of a needed ingredient that cannot be read, which is no fault of whoever signs or stamps.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

LENGTH = struct.Struct(">I")
MEDIA_TYPE = "video/mp4"
MOST_SIGNATURE_BYTES = 16 * 1024
CONTEXT = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}


class IngredientRefused(Exception):
    """A needed ingredient cannot be read. The message is its label."""


def confine(*, keeps_network: bool) -> None:
    """Import all that signing takes, then give up everything else: the library looks for more when it first reads."""
    from c2pa import C2paError, Context, Reader

    with suppress(C2paError), Context.from_dict(CONTEXT) as context:
        Reader(MEDIA_TYPE, BytesIO(b"nothing"), context=context)
    sys.path.append(str(Path(__file__).parents[2]))
    from gpu_worker import confinement
    from gpu_worker.media import bounds, reply  # noqa: F401

    if keeps_network:
        confinement.set_limits()
    else:
        confinement.confine()


def main() -> None:
    said = json.loads(sys.argv[1])
    confine(keeps_network=bool(said["timestamp_url"]))
    from c2pa import C2paError

    from gpu_worker.media import bounds
    from gpu_worker.media.reply import Reply

    clip, reply = BytesIO(), Reply(sys.stdout.buffer)
    try:
        manifest = sign(said, clip)
    except IngredientRefused as refused:
        reply.say({"refused": str(refused)})
        return
    except C2paError as problem:
        bounds.refuse(f"cannot be signed ({str(problem)[:200]}).")
    except (MemoryError, OverflowError, ValueError) as problem:
        bounds.refuse(f"cannot be signed ({type(problem).__name__}).")
    reply.say({"manifest_bytes": len(manifest), "clip_bytes": clip.getbuffer().nbytes})
    reply.send_bytes(manifest)
    sys.stdout.buffer.write(clip.getbuffer())
    sys.stdout.buffer.flush()


def sign(said: dict[str, Any], clip: BytesIO) -> bytes:
    """Write the signed clip. Returns its manifest."""
    from c2pa import Builder, C2paError, C2paSigningAlg, Context, Signer

    def signature_of(data: bytes) -> bytes:
        os.write(said["socket"], LENGTH.pack(len(data)) + data)
        (length,) = LENGTH.unpack(_read(said["socket"], LENGTH.size))
        return _read(said["socket"], min(length, MOST_SIGNATURE_BYTES))

    algorithm = C2paSigningAlg[said["algorithm"].upper()]
    with (
        Signer.from_callback(signature_of, algorithm, said["chain"], said["timestamp_url"]) as signer,
        Context.from_dict(CONTEXT) as context,
        Builder.from_json(json.dumps(said["manifest"]), context) as builder,
    ):
        for each in said["ingredients"]:
            with os.fdopen(each["file"], "rb") as file:
                try:
                    builder.add_ingredient(json.dumps(each["definition"]), each["media_type"], file)
                except C2paError:
                    if each["is_needed"]:  # else what cannot be read has nothing to say
                        raise IngredientRefused(each["definition"]["label"]) from None
        return bytes(builder.sign(signer, MEDIA_TYPE, sys.stdin.buffer, clip))


def _read(socket: int, count: int) -> bytes:
    """So many bytes, or fewer where the parent has hung up."""
    read = b""
    while len(read) < count and (more := os.read(socket, count - len(read))):
        read += more
    return read


if __name__ == "__main__":
    main()
