"""Stored frames as Arrow tables: what sealed files and hot rows look like to a reader.

Columns: datastream, thing, boot, seq, stamp_us (board clock), t_utc_us (event time, null while the board's
clock was not synchronised), value, quality (QARTOD), commit_no (order of arrival), city_rx_us.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from protocol.columns import decode, stamp_us
from protocol.manifest import Manifest

from ..clocks.table import ClockTable
from ..ingest import Frame

SCHEMA = pa.schema(
    [
        ("datastream", pa.dictionary(pa.int32(), pa.string())),
        ("thing", pa.dictionary(pa.int32(), pa.string())),
        ("boot", pa.dictionary(pa.int32(), pa.string())),
        ("seq", pa.uint32()),
        ("stamp_us", pa.int64()),
        ("t_utc_us", pa.int64()),
        ("value", pa.float32()),
        ("quality", pa.uint8()),
        ("commit_no", pa.int64()),
        ("city_rx_us", pa.int64()),
    ]
)
Manifests: TypeAlias = Callable[[str, str], Manifest | None]


def table(frames: Iterable[tuple[int, Frame]], manifests: Manifests, clocks: ClockTable) -> Any:
    """Return the samples of (commit number, frame) as one Arrow table, in the order given."""
    parts = [_frame_table(number, frame, manifests(frame.thing, frame.boot), clocks) for number, frame in frames]
    joined = pa.concat_tables(parts) if parts else SCHEMA.empty_table()
    return joined.unify_dictionaries().combine_chunks()


def _frame_table(number: int, frame: Frame, manifest: Manifest | None, clocks: ClockTable) -> Any:
    rows = decode(frame.records)
    stamps = stamp_us(rows)
    times, known = clocks.times((frame.thing, frame.boot), stamps, frame.clock)
    names, codes = _names(rows["channel"], frame.thing, manifest)
    arrays = [
        pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string())),
        _same(frame.thing, frame.n),
        _same(frame.boot, frame.n),
        pa.array(np.arange(frame.first, frame.first + frame.n, dtype=np.uint32)),
        pa.array(stamps),
        pa.array(times, mask=~known),
        pa.array(np.ascontiguousarray(rows["value"])),
        pa.array(np.ascontiguousarray(rows["quality"])),
        pa.array(np.full(frame.n, number, np.int64)),
        pa.array(np.full(frame.n, frame.city_rx_us, np.int64)),
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _names(channels: Any, thing: str, manifest: Manifest | None) -> tuple[list[str], Any]:
    """Return (datastream ids, index per row); a channel no manifest names is `thing/#number`."""
    known: Mapping[int, str] = {c.index: c.name for c in manifest.channels} if manifest else {}
    found, codes = np.unique(channels, return_inverse=True)
    return [f"{thing}/{known.get(int(c), f'#{c}')}" for c in found], codes.astype(np.int32)


def _same(text: str, n: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text]))
