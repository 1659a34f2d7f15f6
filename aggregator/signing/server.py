"""The signer's socket: one request after the other of the few who may connect. Shell."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

import structlog

from service.addresses import UNIX
from service.audit import AuditLog
from service.host_time import boottime_us
from service.http import listen

from .judge import LENGTH_BYTES, MAX_REQUEST, Judge

IDLE_S = 3600.0
MAX_CONNECTIONS = 8
GROUP_MODE = 0o660
_log = structlog.get_logger("signer")


class Signer:
    """Answers at a unix socket until it is stopped; a signature leaves only once its audit line is durable."""

    def __init__(self, judge: Judge, audit: AuditLog) -> None:
        self._judge, self._audit, self._open = judge, audit, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one who connected."""
        self._open += 1
        try:
            while self._open <= MAX_CONNECTIONS:
                size = int.from_bytes(await asyncio.wait_for(reader.readexactly(LENGTH_BYTES), IDLE_S))
                if not 0 < size <= MAX_REQUEST:
                    return
                answer = await self._answer(await reader.readexactly(size))
                writer.write(len(answer).to_bytes(LENGTH_BYTES) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            return
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, request: bytes) -> bytes:
        answer, row = self._judge.answer(request, boottime_us())
        if row is not None:
            try:
                await asyncio.to_thread(self._audit.write, [row])
            except OSError as error:
                _log.error("nothing is signed without its audit line", detail=error.strerror)
                return b"\x01no_audit: the signer's audit log cannot be written"
        return answer


async def run(judge: Judge, socket_path: Path, audit: AuditLog, group: str = "") -> None:
    """Serve until SIGTERM or SIGINT. `group`: whose members may connect too. Raises: OSError, LookupError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_unix_server(Signer(judge, audit).serve, sock=listen(f"{UNIX}{socket_path}"))
    if group:
        shutil.chown(socket_path, group=group)
        os.chmod(socket_path, GROUP_MODE)
    _log.info("ready", socket=str(socket_path))
    await stop.wait()
    server.close()
    with contextlib.suppress(OSError):
        socket_path.unlink()
    audit.close()
