"""Takes the Content Credentials out of a file that somebody sent, in a process that may do little else.

Run as a file by ``carried``, never imported. It goes to no address that a manifest names.

    python -I carrying_sandbox.py '{"media_type": "image/jpeg", "most_bytes": …}' < file

Standard output: one line of JSON, ``{"bytes": …}``, and then so many bytes: the file as an ingredient in C2PA's own
format, that is all its manifests and what checking them against the file told, and nothing of the file itself. 0 where
it has none; of more than ``most_bytes`` none is sent.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path

LABEL = "sent"
CONTEXT = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}, "generate_c2pa_archive": True},
}


def confine() -> None:
    """Import all that reading takes, then give up everything else: the library looks for more when it first reads."""
    from c2pa import C2paError, Context, Reader

    with suppress(C2paError), Context.from_dict(CONTEXT) as context:
        Reader("video/mp4", BytesIO(b"nothing"), context=context)
    sys.path.append(str(Path(__file__).parents[2]))
    from gpu_worker import confinement
    from gpu_worker.media import bounds, reply  # noqa: F401

    confinement.confine()


def main() -> None:
    said = json.loads(sys.argv[1])
    confine()
    from c2pa import C2paError

    from gpu_worker.media import bounds
    from gpu_worker.media.reply import Reply

    try:
        archive = archive_of(said["media_type"])
    except C2paError as problem:
        if "ManifestNotFound" not in str(problem):
            bounds.refuse("cannot be read")
        archive = b""
    except (MemoryError, OverflowError, RecursionError, ValueError):
        bounds.refuse("cannot be read")
    reply = Reply(sys.stdout.buffer)
    reply.say({"bytes": len(archive)})
    if len(archive) <= said["most_bytes"]:
        reply.send_bytes(archive)
    sys.stdout.buffer.flush()


def archive_of(media_type: str) -> bytes:
    """The file on standard input as an ingredient."""
    from c2pa import Builder, Context, Reader

    archive = BytesIO()
    definition = {"title": LABEL, "label": LABEL, "relationship": "inputTo"}
    with Context.from_dict(CONTEXT) as context, Builder.from_json("{}", context) as builder:
        Reader(media_type, sys.stdin.buffer, context=context).close()  # says whether there is a manifest
        sys.stdin.buffer.seek(0)
        builder.add_ingredient(json.dumps(definition), media_type, sys.stdin.buffer)
        builder.write_ingredient_archive(LABEL, archive)
    return archive.getvalue()


if __name__ == "__main__":
    main()
