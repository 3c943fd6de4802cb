"""Erlang/OTP gen_server on one scheduler, where `erl` and `erlc` are installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.engines.measure import Measure

SOURCE = Path(__file__).with_name("otp_peer.erl")
WORKS = ("tell", "send", "fan_in", "fan_out", "ask_1", "ask_100", "ring", "spawn", "memory")


def installed() -> bool:
    """Whether this machine can compile and run it."""
    return shutil.which("erl") is not None and shutil.which("erlc") is not None


def run(work: str) -> Measure:
    """Compile, run one work in an Erlang virtual machine, read its line."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["erlc", "-o", folder, str(SOURCE)], check=True)
        start = f'otp_peer:main(["{work}"])'
        done = subprocess.run(
            ["erl", "-noshell", "+S", "1:1", "+P", "2000000", "-pa", folder, "-eval", start],
            check=True,
            capture_output=True,
            text=True,
        )
    _, ops, wall, cpu, size, _, _ = done.stdout.split()
    measure = Measure(ops=int(ops), wall=float(wall) * 1e-6, cpu=float(cpu) * 1e-6)
    if float(size):
        measure.bytes_per_actor = float(size)
    if work == "fan_out":
        measure.note = "each actor also casts to a counter"
    return measure
