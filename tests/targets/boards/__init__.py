"""Microcontrollers that QEMU emulates, with the memory that they have."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Board:
    machine: str
    """What QEMU calls it."""
    processor: tuple[str, ...]
    """The compiler's flags."""
    flash: tuple[int, int]
    """Address and bytes."""
    ram: tuple[int, int]
    cpu: str | None = None

    def build(self, sources, program, *, stack=2048):
        """Compile and link; returns what the compiler said, and raises CalledProcessError."""
        # The linker script's MEMORY takes numbers only.
        script = (HERE / "board.ld").read_text()
        script = script.replace("DEFINED(FLASH) ? FLASH : 0", hex(self.flash[0])).replace(
            "RAM, LENGTH", f"{hex(self.ram[0])}, LENGTH"
        )
        script = (
            script.replace("FLASH_SIZE", str(self.flash[1]))
            .replace("RAM_SIZE", str(self.ram[1]))
            .replace("STACK", str(stack))
        )
        link = program.with_suffix(".ld")
        link.write_text(script)
        return subprocess.run(
            ["arm-none-eabi-gcc", *self.processor, "-mthumb", "-Os", "-std=gnu99", "-ffunction-sections", "-fdata-sections",
             "-Wl,--gc-sections", "--specs=nano.specs", "-nostartfiles", "-T", link, HERE / "start.c", *sources, "-lm", "-o", program],
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip

    def run(self, program):
        return subprocess.run(
            ["qemu-system-arm", "-M", self.machine, *(["-cpu", self.cpu] if self.cpu else []), "-nographic", "-semihosting",
             "-monitor", "none", "-serial", "null", "-kernel", program],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip


MICROBIT = Board("microbit", ("-mcpu=cortex-m0",), (0, 256 * 1024), (0x20000000, 16 * 1024))
"""BBC micro:bit v1: nRF51822, Cortex-M0."""
NETDUINO = Board(
    "netduinoplus2",
    ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    (0x08000000, 1024 * 1024),
    (0x20000000, 128 * 1024),
)
"""Netduino Plus 2: STM32F405, Cortex-M4 with floating-point unit."""


def missing():
    """What the tests on boards need and is not here."""
    return [tool for tool in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(tool) is None]
