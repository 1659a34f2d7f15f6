"""Virtual INMP441 and its wires, bit by bit, as datasheet and I2S have them; `machine.I2S` as MicroPython has it."""

from typing import Any

import numpy as np
import pytest

from simulator.chips import inmp441
from simulator.faces import MachineI2S
from simulator.i2s import FRAME_BYTES, VirtualI2S

RATE = 16000
STARTUP = 4096
ARGUMENTS = {"sck": 10, "ws": 11, "sd": 12, "mode": 0, "bits": 32, "format": 0, "rate": RATE, "ibuf": 5120}


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, wait_ns: int) -> None:
        self.now_ns += wait_ns


@pytest.fixture
def time() -> Clock:
    return Clock()


def words(wires: VirtualI2S, first: int, count: int) -> Any:
    """(left, right) words of frames, as signed numbers of 32 bits."""
    found = np.frombuffer(wires.frames(first, count), dtype="<i4").reshape(count, 2)
    return found[:, 0], found[:, 1]


def wired(*chips: Any, clock: Any = lambda: 0) -> VirtualI2S:
    wires = VirtualI2S(chips, clock)
    wires.open(RATE, 5120)
    return wires


def test_sensitivity_of_the_datasheet() -> None:
    """94 dB at 1 kHz have a peak of 420,426 (understanding sensitivity); 16 samples a period meet it."""
    chip = inmp441.make(lambda: 0)
    chip.tone_db = 94.0
    chip.words(0, 1, RATE)
    found = chip.words(STARTUP, 16000, RATE)
    assert np.sqrt(2 * np.mean(found.astype(float) ** 2)) == pytest.approx(420_426, rel=0.001)
    chip.tone_db = 120.0 - 0.01
    assert chip.words(STARTUP, 160, RATE).max() == pytest.approx(2**23, rel=0.003)
    chip.tone_db = 130.0
    found = chip.words(STARTUP, 160, RATE)
    assert (found.max(), found.min()) == (2**23 - 1, -(2**23))


def test_its_noise_is_that_of_the_datasheet() -> None:
    """87 dB below full scale, A-weighted over 20 Hz to 20 kHz (table 1)."""
    chip = inmp441.make(lambda: 0)
    chip.words(0, 1, 48000)
    spectrum = np.fft.rfft(chip.words(STARTUP, 96000, 48000))
    hertz = np.fft.rfftfreq(96000, 1 / 48000)
    inside = (hertz >= 20) & (hertz <= 20_000)
    power = 2 * np.sum(np.abs(spectrum[inside] * inmp441.a_weighting(hertz[inside])) ** 2) / 96000**2
    assert 10 * np.log10(power / ((2**23 - 1) ** 2 / 2)) == pytest.approx(-87.0, abs=0.3)


def test_a_word_is_24_bits_at_the_upper_end_of_32_and_the_line_is_let_go() -> None:
    chip = inmp441.make(lambda: 0)
    chip.tone_db = 94.0
    wires = wired(chip)
    words(wires, 0, 1)
    left, right = words(wires, STARTUP, 400)
    clean = chip.words(STARTUP, 400, RATE)
    assert np.all(np.abs((left >> 8) - clean) < 3000), "its own noise apart"
    assert set(left & 0xFF) == {0x00, 0xC0}, "the last bit is held for two clocks, then pulled down"
    assert np.all((left & 0xFF == 0xC0) == (left >> 8 & 1 == 1))
    assert not right.any()


def test_left_and_right_share_the_wires() -> None:
    one, other = inmp441.INMP441(lambda: 0), inmp441.INMP441(lambda: 0, right=True, seed=2)
    one.tone_db, other.tone_db = 94.0, 74.0
    wires = wired(one, other)
    words(wires, 0, 1)
    left, right = words(wires, STARTUP, 1600)
    assert np.std(left) / np.std(right) == pytest.approx(10, rel=0.02)


def test_it_speaks_after_2_to_the_18_clocks() -> None:
    chip = inmp441.make(lambda: 0)
    wires = wired(chip)
    left, _ = words(wires, 0, STARTUP + 100)
    assert not left[:STARTUP].any()
    assert left[STARTUP:].any()
    chip.unplugged = True
    assert not words(wires, 10_000, 100)[0].any()
    chip.unplugged = False
    left, _ = words(wires, 20_000, STARTUP + 100)
    assert not left[:STARTUP].any()
    assert left[STARTUP:].any()


@pytest.mark.parametrize("rate", [7000, 51_000])
def test_clocks_out_of_its_range_give_nothing(rate: int) -> None:
    assert inmp441.make(lambda: 0).words(0, 10, rate) is None


@pytest.mark.parametrize(("hz", "gain_db"), [(60, -3.0), (1000, 0.0), (15_000, -3.0), (30_000, -60.0)])
def test_its_frequency_response(hz: float, gain_db: float) -> None:
    found = 20 * np.log10(inmp441.response(hz, 48000))
    assert found <= gain_db + 0.2
    assert found == pytest.approx(gain_db, abs=0.2) or hz > 24_000


def test_a_full_buffer_loses_what_comes_and_keeps_frames_whole(time: Clock) -> None:
    chip = inmp441.make(time)
    chip.tone_db = 94.0
    wires = wired(chip, clock=time)
    time.now_ns = 400_000_000
    assert wires.available() == 5120 // FRAME_BYTES
    assert wires.lost_frames == 6400 - 640
    assert len(wires.take(1000)) == 5120
    time.now_ns += 20_000_000
    assert wires.available() == 320
    assert np.frombuffer(wires.take(320), dtype="<i4").reshape(-1, 2)[:, 1].any() == False  # noqa: E712


def test_reads_wait_until_the_buffer_is_full(time: Clock) -> None:
    i2s = MachineI2S(wired(clock=time), time.wait, **ARGUMENTS)
    assert i2s.readinto(bytearray(4000)) == 4000
    assert time.now_ns == pytest.approx(1000 / RATE * 1e9, abs=2e6)
    with pytest.raises(OSError, match="Invalid argument"):
        i2s.readinto(bytearray(6))


def test_as_a_stream_reads_give_what_there_is(time: Clock) -> None:
    i2s = MachineI2S(wired(clock=time), time.wait, **ARGUMENTS)
    assert i2s.ioctl(3, 1) == 0
    assert i2s.readinto(bytearray(400)) == 0
    time.now_ns += 10_000_000
    assert i2s.ioctl(3, 1) == 1
    assert i2s.readinto(bytearray(4000)) == 4 * 160
    assert i2s.readinto(bytearray(4000)) == 0


def test_with_a_callback_reads_return_at_once_and_the_buffer_fills_behind(time: Clock) -> None:
    chip = inmp441.make(time)
    chip.tone_db = 94.0
    i2s = MachineI2S(VirtualI2S([chip], time), time.wait, **ARGUMENTS)
    full: list[int] = []
    buf = bytearray(4096 * 4)
    i2s.irq(lambda _: full.append(time.now_ns))
    assert i2s.readinto(buf) == len(buf)
    for _ in range(30):
        time.now_ns += 10_000_000
        i2s.run_scheduled()
    assert len(full) == 1
    assert full[0] / 1e9 == pytest.approx(4096 / RATE, abs=0.011)
    assert i2s.readinto(buf) == len(buf)
    for _ in range(30):
        time.now_ns += 10_000_000
        i2s.run_scheduled()
    assert len(full) == 2
    assert np.std(np.frombuffer(buf, dtype="<i4") >> 8) == pytest.approx(420_426 / np.sqrt(2), rel=0.02)
    i2s.irq(None)
    assert i2s.readinto(bytearray(16)) == 16


@pytest.mark.parametrize(("bits", "stereo", "size"), [(16, 0, 2), (16, 1, 4), (32, 0, 4), (32, 1, 8)])
def test_formats(time: Clock, bits: int, stereo: int, size: int) -> None:
    chip = inmp441.make(time)
    chip.tone_db = 110.0
    wires = VirtualI2S([chip], time)
    i2s = MachineI2S(wires, time.wait, **{**ARGUMENTS, "bits": bits, "format": stereo})
    i2s.readinto(bytearray(size * STARTUP))
    buf = bytearray(size * 1600)
    assert i2s.readinto(buf) == len(buf)
    found = np.frombuffer(buf, dtype=f"<i{bits // 8}").reshape(1600, 1 + stereo)
    assert np.std(found[:, 0]) / 2 ** (bits - 1) == pytest.approx(10 ** (-10 / 20) / np.sqrt(2), rel=0.01)
    assert not stereo or not found[:, 1].any()


@pytest.mark.parametrize("wrong", [{"ws": 12}, {"mode": 1}, {"bits": 24}, {"format": 2}])
def test_what_machine_i2s_refuses(time: Clock, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="invalid"):
        MachineI2S(VirtualI2S((), time), time.wait, **{**ARGUMENTS, **wrong})
