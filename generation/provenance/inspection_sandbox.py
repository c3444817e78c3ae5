"""Reads the Content Credentials of a file that a stranger sent, in a process that may do little else.

Run as a file by ``inspection``, never imported. It goes to no address that a manifest names.

    python -I inspection_sandbox.py '{"media_type": "video/mp4", "issuers": "…PEM…", "render": "…label…"}' < file

Standard output: one line of JSON, ``{"bytes": …}``, and then so many bytes of JSON: ``{"found": false}`` or what
``inspection.Credentials`` has.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

MOST_TEXT = 300
CONTEXT = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}}


def confine() -> None:
    """Import all that reading takes, then give up everything else.

    The library looks for more when it first reads something, which it cannot any more afterwards: so it reads nothing.
    """
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
        found = read(said)
    except C2paError as problem:
        if "ManifestNotFound" not in str(problem):
            bounds.refuse("holds Content Credentials that cannot be read.")
        found = {"found": False}
    except (MemoryError, OverflowError, RecursionError, ValueError) as problem:
        bounds.refuse(f"cannot be read ({type(problem).__name__}).")
    content = json.dumps(found).encode()
    reply = Reply(sys.stdout.buffer)
    reply.say({"bytes": len(content)})
    reply.send_bytes(content)
    sys.stdout.buffer.flush()


def read(said: dict[str, Any]) -> dict[str, Any]:
    """What the active manifest of the file on standard input says."""
    from c2pa import Context, Reader

    settings = {**CONTEXT, "trust": {"trust_anchors": said["issuers"]}} if said["issuers"] else CONTEXT
    with Context.from_dict(settings) as own, Reader(said["media_type"], sys.stdin.buffer, context=own) as reader:
        manifest: dict[str, Any] = reader.get_active_manifest() or {}
        results = (reader.get_validation_results() or {}).get("activeManifest", {})
        state = str(reader.get_validation_state())
    signature = manifest.get("signature_info") or {}
    assertions = manifest.get("assertions") or []
    actions = [
        action
        for each in assertions
        if str(each.get("label", "")).startswith("c2pa.actions")
        for action in (each.get("data") or {}).get("actions") or []
    ]
    render = next((each.get("data") for each in assertions if each.get("label") == said["render"]), None)
    return {
        "found": True,
        "state": state,
        "failures": [text(each.get("code")) for each in results.get("failure") or []][:20],
        "signed_by": text(signature.get("common_name") or signature.get("issuer")),
        "signed_at": text(signature.get("time")),
        "made_with": text(next((_agent(each) for each in actions if _agent(each)), "")),
        "source_types": [text(each.get("digitalSourceType")) for each in actions if each.get("digitalSourceType")][:20],
        "render_id": text((render or {}).get("id") if isinstance(render, dict) else ""),
        "ingredients": [text(each.get("title")) for each in manifest.get("ingredients") or []][:20],
    }


def _agent(action: dict[str, Any]) -> str:
    agent = action.get("softwareAgent")
    return str(agent.get("name", "")) if isinstance(agent, dict) else str(agent or "")


def text(value: object) -> str:
    return "" if value is None else str(value)[:MOST_TEXT]


if __name__ == "__main__":
    main()
