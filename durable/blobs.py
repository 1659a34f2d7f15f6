"""Blobs with a checksum, and the table where broken ones go instead of crashing their reader."""

import sqlite3
import zlib

CRC_SIZE = 4

SCHEMA = """
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL, stored BLOB
)
"""


def sealed(blob: bytes) -> bytes:
    """Return `blob` with its CRC-32 (4 bytes little-endian) appended, as it is to be stored."""
    return blob + zlib.crc32(blob).to_bytes(CRC_SIZE, "little")


def opened(stored: object) -> bytes | None:
    """Return the blob in what `sealed` made, None if the bytes changed since."""
    if not isinstance(stored, bytes) or len(stored) < CRC_SIZE:
        return None
    blob, crc = stored[:-CRC_SIZE], stored[-CRC_SIZE:]
    return blob if zlib.crc32(blob).to_bytes(CRC_SIZE, "little") == crc else None


def quarantine(connection: sqlite3.Connection, source: str, key: str, stored: object, reason: str) -> None:
    """Keep what could not be read, for people to look at. The caller deletes the row it came from."""
    connection.execute(
        "INSERT INTO quarantine (source, key, reason, stored) VALUES (?, ?, ?, ?)",
        (source, key, reason, stored if isinstance(stored, bytes) else repr(stored).encode()),
    )


def quarantined(connection: sqlite3.Connection) -> int:
    """Return how many broken blobs were set aside."""
    return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])
