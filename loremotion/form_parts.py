"""A form with files of which no part is left out. Django passes over a part whose head it can't read, one without a
name, and a file whose name is none: of a picture and its prompt, the text alone would be made into a clip and paid for.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn, Protocol

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.http import parse_header_parameters

from loremotion.parameters import printable
from loremotion.refusals import Invalid, Refusal

MOST_HEAD_BYTES: Final = 1024
"""Django's own limit, with the empty line that ends a head."""
HEAD_END: Final = b"\r\n\r\n"
NAME: Final = re.compile(rb"[;\s]name\s*=\s*\"?([^\";\r\n]+)", re.IGNORECASE)
CODINGS: Final = frozenset({"7bit", "8bit", "binary", "base64"})
"""Of a part. What is sent in another would be taken as it stands."""
DISPOSITION: Final = "content-disposition"
EXAMPLE: Final = 'Begin each part like this: Content-Disposition: form-data; name="prompt"'


class Body(Protocol):
    def read(self, size: int | None = ..., /) -> bytes: ...


class UnreadPart(MultiPartParserError):
    """A part of a form would be left out; ``refusal`` names it. Where nobody looks, it is a form that can't be read."""

    def __init__(self, message: str, *, next_step: str = "", field: str = "") -> None:
        self.refusal: Refusal = Invalid("unreadable_part", message, next_step=next_step, field=field)
        super().__init__(str(self.refusal))


class StrictParts(FileUploadHandler):
    """Reads a form as Django does, with the other handlers, and looks at the head of each part as it passes. It is the
    first of ``FILE_UPLOAD_HANDLERS``, so that the pages, the admin and the API read forms alike."""

    def handle_raw_input(
        self, input_data: Any, META: dict[str, Any], content_length: int, boundary: Any, encoding: str | None = None
    ) -> Any:
        """The form's fields and files.

        Raises:
            UnreadPart: names the part that would be left out.
        """
        request: HttpRequest = self.request  # type: ignore[assignment]  # Django makes none without a request
        others = [handler for handler in request.upload_handlers if handler is not self]
        watched: Any = _Watched(input_data, b"--" + boundary)
        return _StrictParser(META, watched, others, encoding).parse()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        raise NotImplementedError("The other handlers take what comes.")

    def file_complete(self, file_size: int) -> NoReturn:
        raise NotImplementedError("The other handlers make files of it.")


class _StrictParser(MultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str:
        name = super().sanitize_file_name(file_name)
        if not name:
            raise UnreadPart(f"A file is called {printable(file_name)!r}, which is no name of a file.")
        return name


class _Watched:
    """A body that looks at what is read of it. It takes for a boundary what Django does: its bytes, wherever."""

    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._boundary = boundary
        self._unseen = b""
        self._part = 0
        """The one whose head comes next, or came last; 0 before the first boundary."""
        self._is_in_head = False
        self._is_closed = False

    def read(self, size: int | None = None, /) -> bytes:
        """The next bytes of the body.

        Raises:
            UnreadPart: it would be left out, or what would follow it is missing.
        """
        piece = self._body.read(size)
        if not self._is_closed:
            self._unseen += piece
            while self._pass_boundary() and self._pass_head():
                pass
            if not piece and not self._is_closed:
                raise UnreadPart("The form is cut off: the boundary that ends it is missing.")
        return piece

    def _pass_boundary(self) -> bool:
        """Returns False where none has come."""
        if self._is_in_head:
            return True
        before, found, after = self._unseen.partition(self._boundary)
        if not found:
            self._unseen = before[-len(self._boundary) :]  # it may hold a boundary's beginning
            return False
        self._unseen, self._is_in_head, self._part = after, True, self._part + 1
        return True

    def _pass_head(self) -> bool:
        """Returns False where the rest of it has to come first, or the form has ended."""
        if self._unseen.startswith(b"--"):
            self._is_closed, self._unseen = True, b""
            return False
        head, found, after = self._unseen.partition(HEAD_END)
        name = _name_in(head)
        called = name or f"Part {self._part} of the form"
        if self._boundary in head:
            raise UnreadPart(
                f"{called} has no empty line behind its head.", next_step="End lines by CR and LF.", field=name
            )
        if len(head) + len(HEAD_END) > MOST_HEAD_BYTES:
            words = f"The head of {called} is longer than {MOST_HEAD_BYTES} bytes."
            raise UnreadPart(words, next_step="Give the file a shorter name.", field=name)
        if not found:
            return False
        _look_at(head, called, name)
        self._unseen, self._is_in_head = after, False
        return True


def _name_in(head: bytes) -> str:
    found = NAME.search(head)
    return printable(found[1].decode(errors="backslashreplace").strip()) if found else ""


def _look_at(head: bytes, called: str, name: str) -> None:
    """Refuse a part of which Django would make nothing, or something else than was sent."""
    fields = _fields_of(head)
    if DISPOSITION not in fields and DISPOSITION.encode() in head.lower():
        words = f"The Content-Disposition of {called} can't be read."
        raise UnreadPart(words, next_step="Write the file's name in UTF-8.", field=name)
    if DISPOSITION not in fields:
        raise UnreadPart(f"{called} has no Content-Disposition, which would name it.", next_step=EXAMPLE)
    if not fields[DISPOSITION][1].get("name", "").strip():
        raise UnreadPart(f"{called} has no name.", next_step=EXAMPLE)
    coding = fields.get("content-transfer-encoding", ("binary", {}))[0]
    if coding not in CODINGS:
        words = f"{called} is coded as {printable(coding)!r}, which isn't read here."
        raise UnreadPart(words, next_step="Send it as it is.", field=name)


def _fields_of(head: bytes) -> dict[str, tuple[str, dict[str, str]]]:
    """The head's fields as Django reads them: what can't be read is none, and of two of a name the last one counts."""
    fields = {}
    for line in head.split(b"\r\n"):
        try:
            said, parameters = parse_header_parameters(line.decode())
            name, value = said.split(":", 1)
        except ValueError:
            continue
        fields[name] = (value.strip(), parameters)
    return fields
