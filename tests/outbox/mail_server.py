"""A mail server on loopback that says about each recipient what it was told to say."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self


class MailServer:
    """Takes mail over SMTP while it is entered.

    Args:
        to_recipients: its answer to every RCPT, such as ``550 5.1.1 No such mailbox``.
    """

    def __init__(self, to_recipients: str = "250 OK") -> None:
        self.to_recipients = to_recipients
        self.taken: list[str] = []

    def __enter__(self) -> Self:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        server = self

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 mail.test")
                while line := self.rfile.readline().decode().strip():
                    word = line.split(" ")[0].upper()
                    if word == "RCPT":
                        self._say(server.to_recipients)
                    elif word == "DATA":
                        self._say("354 Go on")
                        server.taken.append(self._mail())
                        self._say("250 Taken")
                    elif word == "QUIT":
                        self._say("221 Bye")
                        return
                    else:
                        self._say("250 OK")

            def _mail(self) -> str:
                lines = iter(self.rfile.readline, b".\r\n")
                return b"".join(lines).decode()

            def _say(self, answer: str) -> None:
                self.wfile.write(f"{answer}\r\n".encode())

        return Conversation
