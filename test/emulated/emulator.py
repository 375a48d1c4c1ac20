"""Runs static programs on an x86-64 CPU that this machine need not be: Bochs emulates the
processor, a kernel of Debian's runs on it, and `init.cpp` runs the programs. There is no
firmware and no disk: the memory's content at reset is one file, and `rom.S` jumps into it."""

import os
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HEDDLE_BUILD_DIR", ROOT / "build")) / "emulator"
MIB = 1 << 20
# Where things are in memory; rom.S gets them when setup.sh asks `addresses`.
MEMORY, BLOCK = 1024 * MIB, 8 * MIB
BOOT_PARAMS, COMMAND_LINE, KERNEL, FILES = 0x10000, 0x20000, MIB, 128 * MIB
# No firmware: nothing describes buses or interrupts. A second of the CPU's counter is what
# Bochs takes for one (`ips`), and what takes time to set up and is not needed is left out.
KERNEL_COMMAND = ("console=ttyS0 quiet nokaslr acpi=off pci=off noapic lsm= mitigations=off tsc=reliable "
                  "tsc_early_khz=50000 panic=-1 reboot=t")
CONFIG = """\
cpu: model=ryzen, add_features="{features}", ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}, block_size={block}
romimage: file={build}/rom, options=none
vgaromimage: file={build}/rom
optramimage1: file={image}, address=0x0
display_library: nogui
port_e9_hack: enabled=1
com1: enabled=1, mode=file, dev={console}
log: {log}
panic: action=fatal
clock: sync=none
"""


@dataclass
class Done:
    """What a command left: its status, what it printed, and the bytes of /out."""
    returncode: int
    stdout: str
    stderr: str
    file: bytes


def archive(files):
    """A cpio archive, form newc (Documentation/driver-api/early-userspace/buffer-format.rst), of
    executables: {name: bytes}."""
    out = bytearray()

    def pad():
        out.extend(bytes(-len(out) % 4))

    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        fields = number, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0
        out += b"070701" + b"".join(b"%08x" % value for value in fields) + name.encode() + b"\0"
        pad()
        out += content
        pad()
    return bytes(out)


def image(kernel, files):
    """The memory at reset: boot parameters, command line, kernel (a bzImage) and files."""
    header = kernel[0x1f1:0x202 + kernel[0x201]]
    assert header[0x202 - 0x1f1:0x206 - 0x1f1] == b"HdrS", "no bzImage"
    boot = bytearray(4096)
    boot[0x1f1:0x1f1 + len(header)] = header
    boot[0x210] = 0xff  # type_of_loader: none of the named ones
    struct.pack_into("<II", boot, 0x218, FILES, len(files))  # ramdisk_image, ramdisk_size
    struct.pack_into("<I", boot, 0x228, COMMAND_LINE)
    ranges = (0, 0x9f000), (MIB, MEMORY - MIB)  # usable, as e820 would have it
    boot[0x1e8] = len(ranges)
    for number, (start, size) in enumerate(ranges):
        struct.pack_into("<QQI", boot, 0x2d0 + 20 * number, start, size, 1)
    code = kernel[(kernel[0x1f1] + 1) * 512:]  # after the sectors of real-mode code
    parts = {BOOT_PARAMS: boot, COMMAND_LINE: KERNEL_COMMAND.encode() + b"\0", KERNEL: code, FILES: files}
    memory = bytearray(FILES + len(files))
    for at, part in parts.items():
        memory[at:at + len(part)] = part
    return memory


def parse(output, count):
    """The results in what came through the debug port, after Bochs's own greeting."""
    found, at = [], 0
    while match := re.compile(rb"done (\d+) (\d+) (\d+) (\d+)\n").search(output, at):
        status, *sizes = map(int, match.groups())
        at, parts = match.end(), []
        for size in sizes:
            parts.append(output[at:at + size])
            at += size
        found.append(Done(status, parts[0].decode(), parts[1].decode(), parts[2]))
    assert len(found) == count and at <= len(output), f"{len(found)} of {count} commands ran"
    return found


def run(directory, features, programs, commands, timeout=1800):
    """Boots once and runs `commands` (lists of words, the first a key of `programs`, which are paths)
    one after another on a CPU of x86-64-v3 that has
    `features` too, words of Bochs's. Gives a Done for each."""
    files = {"init": (BUILD / "init").read_bytes(),
             "commands": "".join(f"/{' '.join(map(str, words))}\n" for words in commands).encode()}
    files.update((name, Path(path).read_bytes()) for name, path in programs.items())
    memory, console, log, output = (Path(directory) / name for name in ("memory", "console", "log", "output"))
    memory.write_bytes(image((BUILD / "kernel").read_bytes(), archive(files)))
    config = Path(directory) / "config"
    config.write_text(CONFIG.format(features=" ".join(features), memory=MEMORY // MIB, block=BLOCK // 1024,
                                    build=BUILD, image=memory, console=console, log=log))
    with output.open("wb") as out:
        subprocess.run([BUILD / "bochs", "-q", "-f", config], stdin=subprocess.DEVNULL, stdout=out,
                       stderr=subprocess.STDOUT, timeout=timeout)
    memory.unlink()
    try:
        return parse(output.read_bytes(), len(commands))
    except AssertionError as error:
        seen = console.read_text(errors="replace") if console.exists() else ""
        raise AssertionError(f"{error}\n{seen[-2000:]}\n{log.read_text(errors='replace')[-2000:]}") from None


if __name__ == "__main__":
    print(*(f"-D{name}={globals()[name]:#x}" for name in ("MEMORY", "BLOCK", "BOOT_PARAMS", "KERNEL")), sep="\n")
