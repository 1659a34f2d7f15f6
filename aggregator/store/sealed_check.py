"""Compares samples with their sealed copies: each Parquet file is read once for all pieces that touch it.

Stamp, value (bit by bit), quality and Datastream must be equal. The clock is not compared: a better one supersedes.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from protocol.columns import decode, stamp_us

from .columns import Manifests
from .doubts import Piece
from .schema import SEALED

COLUMNS = ["datastream", "seq", "stamp_us", "value", "quality"]


class Verdict(NamedTuple):
    """Whether a piece agrees with what is sealed of it; `known`: all of it could be compared."""

    agrees: bool
    known: bool


def compare(
    folder: Path, connection: sqlite3.Connection, pieces: Iterable[Piece], manifests: Manifests
) -> dict[Piece, Verdict]:
    """Return a verdict on each piece. Raises: OSError, pyarrow.ArrowInvalid for a file that cannot be read."""
    todo = list(pieces)
    by_file: defaultdict[str, list[Piece]] = defaultdict(list)
    for piece in todo:
        for file in files_of(connection, piece):
            by_file[file].append(piece)
    found, bad = dict.fromkeys(todo, 0), set()
    for file, wanted in sorted(by_file.items()):
        for piece in wanted:
            rows = _rows(folder / SEALED / file, piece)
            found[piece] += rows.num_rows
            if not _equal(piece, rows, _names(piece, manifests)):
                bad.add(piece)
    return {piece: Verdict(piece not in bad, found[piece] >= piece.n) for piece in todo}


def files_of(connection: sqlite3.Connection, piece: Piece) -> list[str]:
    """Return the sealed files that hold samples of a piece. Spans of a stream are disjoint, so the newest end it."""
    query = "SELECT first, last, file FROM sealed_spans WHERE thing = ? AND boot = ? AND first < ? ORDER BY first DESC"
    found = []
    for _, last, file in connection.execute(query, (piece.thing, piece.boot, piece.first + piece.n)):
        if last <= piece.first:
            break
        found.append(file)
    return found


def _rows(path: Path, piece: Piece) -> Any:
    wanted = [
        ("thing", "=", piece.thing), ("boot", "=", piece.boot),
        ("seq", ">=", piece.first), ("seq", "<", piece.first + piece.n),
    ]  # fmt: skip
    return pq.read_table(path, columns=COLUMNS, filters=wanted, use_threads=False, partitioning=None)


def _names(piece: Piece, manifests: Manifests) -> Mapping[int, str]:
    manifest = manifests(piece.thing, piece.boot)
    return {channel.index: channel.name for channel in manifest.channels} if manifest else {}


def _equal(piece: Piece, rows: Any, names: Mapping[int, str]) -> bool:
    ours = decode(piece.records)
    at = rows["seq"].to_numpy().astype(np.int64) - piece.first
    same = np.array_equal(stamp_us(ours)[at], rows["stamp_us"].to_numpy())
    same &= np.array_equal(ours["quality"][at], rows["quality"].to_numpy())
    theirs = rows["value"].to_numpy().astype(np.float32)
    same &= np.array_equal(np.ascontiguousarray(ours["value"][at]).view(np.uint32), theirs.view(np.uint32))
    return bool(same) and _same_streams(piece, ours["channel"][at], rows["datastream"].to_pylist(), names)


def _same_streams(piece: Piece, channels: Any, streams: list[str], names: Mapping[int, str]) -> bool:
    """Whether the channels are those; a file sealed before the Thing introduced itself has numbers for names."""
    for channel, stream in set(zip(channels.tolist(), streams, strict=True)):
        if stream not in (f"{piece.thing}/{names.get(channel, '')}", f"{piece.thing}/#{channel}"):
            return False
    return True
