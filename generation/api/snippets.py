"""A request as a program of the reader's writes it: for a shell, in Python and in JavaScript, to be copied and run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KEY: Final = "LOREMOTION_API_KEY"
"""The variable from which every snippet takes the key, so that none is ever part of what is copied."""


@dataclass(frozen=True, slots=True)
class Snippet:
    name: str
    language: str
    text: str


def snippets(site: str, said: Mapping[str, Any]) -> list[Snippet]:
    """What asks ``site`` for the clip that ``said`` describes, waits for it and keeps it as ``clip.mp4``.

    Args:
        said: fields of ``POST /v1/videos``; what is None or empty is left out.
    """
    fields = {name: value for name, value in said.items() if value not in (None, "")}
    return [
        Snippet("curl", "sh", _curl(site, fields)),
        Snippet("Python", "python", _python(site, fields)),
        Snippet("JavaScript", "javascript", _javascript(site, fields)),
    ]


def _curl(site: str, fields: Mapping[str, Any]) -> str:
    """In words of every shell, with what any system has. A text can hold no ``"`` that is not escaped, so what is
    looked for is found in no prompt; ``--retry`` heeds ``Retry-After``."""
    said = " \\\n".join(f"  --form-string {shlex.quote(f'{name}={value}')}" for name, value in fields.items())
    return f"""\
API={site}/v1/videos
AUTH="Authorization: Bearer ${KEY}"
curl -fsS "$API" -H "$AUTH" -H "Prefer: wait=60" -o video.json \\
{said}
ID=$(grep -oE '"id": ?"[0-9a-f-]{{36}}"' video.json | head -n 1 | cut -d '"' -f 4)
while grep -qE '"status": ?"(queued|in_progress)"' video.json; do
  sleep 1
  curl -fsS --retry 5 "$API/$ID" -H "$AUTH" -H "Prefer: wait=60" -o video.json || break
done
curl -fsSL "$API/$ID/content" -H "$AUTH" -o clip.mp4"""


def _python(site: str, fields: Mapping[str, Any]) -> str:
    named = "".join(f",\n        {name}={value!r}" for name, value in fields.items() if name != "prompt")
    return f"""\
# pip install loremotion; the key is taken from {KEY}
from loremotion import Client

with Client(base_url={site!r}) as client:
    video = client.generate(
        {fields["prompt"]!r}{named},
    )
    client.download(video, "clip.mp4")"""


def _javascript(site: str, fields: Mapping[str, Any]) -> str:
    body = json.dumps(dict(fields), ensure_ascii=False, indent=2)
    return f"""\
import {{ writeFile }} from "node:fs/promises";

const api = "{site}/v1/videos";
const headers = {{ Authorization: `Bearer ${{process.env.{KEY}}}`, Prefer: "wait=60" }};
const body = JSON.stringify({body});
async function asked(address, options) {{
  const answer = await fetch(address, {{ ...options, headers: {{ ...headers, ...options?.headers }} }});
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer;
}}
const post = {{ method: "POST", body, headers: {{ "Content-Type": "application/json" }} }};
let video = await (await asked(api, post)).json();
while (["queued", "in_progress"].includes(video.status)) {{
  await new Promise((resolve) => setTimeout(resolve, 1000));
  video = await (await asked(`${{api}}/${{video.id}}`)).json();
}}
if (video.status !== "completed") throw new Error(video.error.message);
await writeFile("clip.mp4", Buffer.from(await (await asked(`${{api}}/${{video.id}}/content`)).arrayBuffer()));"""
