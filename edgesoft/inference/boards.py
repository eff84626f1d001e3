"""A few boards that people have, and whether a model has room on them."""

from __future__ import annotations

from typing import NamedTuple

from edgesoft.targets.cost import Cost

CODE_BYTES = 8 * 2**10
"""Flash for code: the model's functions take two to four thousand bytes, start-up and a small program around them the rest."""
STACK_BYTES = 2 * 2**10
"""RAM for the stack and a small program's own variables."""


class Board(NamedTuple):
    """One board."""

    name: str
    processor: str
    flash: int
    """Bytes."""
    ram: int
    """Bytes."""
    source: str
    """Where its maker states them."""

    def has_room(self, cost: Cost, input_bytes: int) -> bool:
        """Whether a model in C fits, with its input and a small program beside it."""
        needed_ram = cost.ram_bytes + input_bytes + STACK_BYTES
        return cost.constant_bytes + CODE_BYTES <= self.flash and needed_ram <= self.ram


KIB, MIB = 2**10, 2**20
# Boards whose processor reads constants from flash as they stand: on AVR (Arduino Uno R3) they would have to be copied into its 2 KB.
BOARDS = (
    Board("BBC micro:bit V1", "nRF51822, Cortex-M0", 256 * KIB, 16 * KIB, "tech.microbit.org/hardware/1-5-revision"),
    Board("STM32 Blue Pill", "STM32F103C8, Cortex-M3", 64 * KIB, 20 * KIB, "st.com, STM32F103C8 data sheet"),
    Board("Arduino Uno R4 Minima", "RA4M1, Cortex-M4", 256 * KIB, 32 * KIB, "docs.arduino.cc/hardware/uno-r4-minima"),
    Board("BBC micro:bit V2", "nRF52833, Cortex-M4", 512 * KIB, 128 * KIB, "tech.microbit.org/hardware"),
    Board("NUCLEO-F446RE", "STM32F446RE, Cortex-M4", 512 * KIB, 128 * KIB, "st.com, STM32F446xE data sheet"),
    Board("Arduino Nano 33 BLE", "nRF52840, Cortex-M4", MIB, 256 * KIB, "docs.arduino.cc/hardware/nano-33-ble"),
    Board("Raspberry Pi Pico", "RP2040, Cortex-M0+", 2 * MIB, 264 * KIB, "raspberrypi.com, Pico data sheet"),
    Board("ESP32-C3-DevKitM-1", "ESP32-C3, RISC-V", 4 * MIB, 400 * KIB, "espressif.com, ESP32-C3 data sheet"),
    Board("Raspberry Pi Pico 2", "RP2350, Cortex-M33", 4 * MIB, 520 * KIB, "raspberrypi.com, Pico 2 data sheet"),
    Board("Teensy 4.1", "i.MX RT1062, Cortex-M7", 8126464, MIB, "pjrc.com/store/teensy41.html"),
)
