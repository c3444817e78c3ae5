"""What a clip says of itself to machines: that it was made by a model, by which, and under which id.

The EU AI Act, article 50(2), asks that such output be marked in a machine-readable way. The mark is IPTC's, in XMP, in
the box that Adobe's specification defines for MP4; beside it stands a plain comment, which copying without re-encoding
keeps. Both are easily taken off by whoever wants to: they inform, and prove nothing. A label in the pictures
(``gpu_worker.media.invisible_id``) stays in most copies.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import quoteattr

from gpu_worker.contract import RenderJob
from gpu_worker.media.invisible_id import Label, id_of

MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 dc:identifier={id} xmp:CreatorTool={tool} Iptc4xmpExt:DigitalSourceType={kind}/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a clip comes from. ``tool`` names site and model."""

    generation_id: str
    tool: str

    @property
    def comment(self) -> str:
        return f"AI-generated video, made with {self.tool}. Id {self.generation_id}. {MADE_BY_A_MODEL}"


def label_of(job: RenderJob) -> Label | None:
    """What the pictures of a job's clip carry; None where its site labels none."""
    return Label(job.invisible_id_key, id_of(job.generation_id)) if job.invisible_id_key else None


def append_xmp(path: Path, provenance: Provenance) -> None:
    """Put the packet behind the file's last box, where it moves nothing."""
    packet = _PACKET.format(
        id=quoteattr(provenance.generation_id), tool=quoteattr(provenance.tool), kind=quoteattr(MADE_BY_A_MODEL)
    ).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s16s", 24 + len(packet), b"uuid", _XMP_BOX.bytes) + packet)


def read_xmp(path: Path) -> str:
    """The XMP packet of an MP4, empty if it has none."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            size_of_head = 8
            if size == 1:
                size, size_of_head = struct.unpack(">Q", file.read(8))[0], 16
            if size < size_of_head:
                return ""
            if kind == b"uuid" and file.read(16) == _XMP_BOX.bytes:
                return file.read(size - size_of_head - 16).decode()
            file.seek(size - size_of_head - (16 if kind == b"uuid" else 0), 1)
    return ""
