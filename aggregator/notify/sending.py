"""One try to get a message out: a POST to a webhook, or a file in a folder. Shell."""

import asyncio
import os
import stat
from pathlib import Path

import httpx

from service.files import make_private_folder, replace_durably

from .channels import NotifySection
from .outbox import Entry

MOST_S = 10.0
MAX_NAME = 64
CONTENT = "application/cap+xml; charset=utf-8"


async def send(entry: Entry, way: str, section: NotifySection, left_s: float) -> str:
    """Return "" once it is out, else why not. Takes no longer than the message has left to live."""
    try:
        async with asyncio.timeout(min(MOST_S, left_s)):
            return await (_post(entry, section) if way == "webhook" else _write(entry, section))
    except TimeoutError:
        return "no answer in time"


async def _post(entry: Entry, section: NotifySection) -> str:
    headers = {"Content-Type": CONTENT, "Idempotency-Key": entry.id, "City-Ack-Path": f"/notifications/{entry.id}/ack",
               "City-Ack-Token": entry.token}  # fmt: skip
    try:
        if section.bearer_file is not None:
            secret = await asyncio.to_thread(section.bearer_file.read_text)
            headers["Authorization"] = f"Bearer {secret.strip()}"
        async with (
            httpx.AsyncClient(timeout=MOST_S, trust_env=False) as client,
            client.stream("POST", section.webhook, content=entry.body, headers=headers) as answer,
        ):
            return "" if answer.is_success else f"the webhook answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


async def _write(entry: Entry, section: NotifySection) -> str:
    assert section.file is not None
    try:
        await asyncio.to_thread(_put_file, section.file, entry)
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return ""


def _put_file(folder: Path, entry: Entry) -> None:
    make_private_folder(folder)
    replace_durably(folder / f"{entry.id}.xml", entry.body)


def acked_by(folder: Path, entry: Entry) -> str | None:
    """Return who put ID.ack beside the file of a message (its first line), None: nobody. Only a file counts."""
    try:
        with open(folder / f"{entry.id}.ack", encoding="utf-8", errors="replace", opener=_at_once) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return (file.readline(MAX_NAME).strip() or "somebody") if is_file else None
    except OSError:
        return None


def _at_once(path: str, flags: int) -> int:
    """Open what need not be a file: a FIFO would wait for who writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)
