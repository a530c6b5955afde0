"""What the processor is: its maker, and whether it has instructions for 16 bits. No torch."""

import platform
import re
from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Names of the instructions that multiply bfloat16, on x86 and on ARM.
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


@cache
def processor_maker() -> str:
    """RETURNS (str): What names the processor's maker, such as `AuthenticAMD`; empty if unknown."""
    text = _read_info()
    if text is None:  # not Linux; Windows has the maker in the processor's description
        return platform.processor()
    found = re.search(r"^vendor_id\s*:\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


@cache
def lacks_bfloat16() -> bool:
    """RETURNS (bool): Whether the processor is known to have no instructions for bfloat16."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", _read_info() or "", re.MULTILINE)
    return found is not None and BFLOAT16.isdisjoint(found.group(1).split())


def _read_info() -> str | None:
    """RETURNS (str | None): What Linux says of the processor; None elsewhere."""
    try:
        return CPU_INFO.read_text()
    except OSError:
        return None
