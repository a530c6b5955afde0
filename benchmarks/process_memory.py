"""Memory of this process, in megabytes, from Linux's /proc."""

import re
from pathlib import Path


def current_megabytes() -> float:
    """RETURNS (float): The memory that this process has now."""
    return _read_status("VmRSS")


def private_megabytes() -> float:
    """RETURNS (float): The memory that this process has now, without what is mapped from files.

    Pages of mapped files count as memory of the process, but the system takes them back when others
    need memory.
    """
    return _read_status("RssAnon")


def peak_megabytes() -> float:
    """RETURNS (float): The most memory that this process has had.

    `getrusage` is no alternative: a child process inherits its parent's value there.
    """
    return _read_status("VmHWM")


def reset_peak() -> float:
    """Reset the peak to the present value, for example after loading a pipeline.

    RETURNS (float): The present value.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return peak_megabytes()


def _read_status(key: str) -> float:
    status = Path("/proc/self/status").read_text()
    kilobytes = re.findall(rf"{key}:\s+(\d+)", status)[0]
    return int(kilobytes) / 1024
