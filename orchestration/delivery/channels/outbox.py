"""The default channel: ``.eml`` files in a folder; nothing leaves the machine."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from orchestration.delivery.channels.interface import Accepted, Outcome, Retry
from orchestration.delivery.message import OutgoingMessage


class OutboxChannel:
    """Writes each message whole, by rename, to a file whose name the message decides.

    A second write of the same message is the same file with the same bytes.
    """

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file_of(self, message: OutgoingMessage) -> Path:
        """The file that holds, or will hold, this message."""
        return self._folder / f"{message.slug}.eml"

    def send(self, message: OutgoingMessage) -> Outcome:
        """Write the file. A failed write leaves no file: certainly not accepted."""
        content = message.mime()
        target = self.file_of(message)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with aside.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(aside, target)
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            return Retry(f"the outbox cannot be written: {error.strerror}", halts=True)
        return Accepted(target.name)
