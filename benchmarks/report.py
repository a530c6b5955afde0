"""Write the tables of benchmarks into pages of the documentation."""

import os
import platform
import re
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Instructions that decide how fast the encoders are.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def processor_name() -> str:
    """RETURNS (str): The processor's name, its cores, and its instructions for matrices."""
    if not CPU_INFO.is_file():
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    text = CPU_INFO.read_text()
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    known = flags.group(1).split() if flags else []
    found = ", ".join(flag for flag in INSTRUCTIONS if flag in known)
    return f"{name.group(1) if name else platform.machine()}, {os.cpu_count()} cores ({found})"


def publish(name: str, text: str, page: Path | None) -> None:
    """Print a text, and put it between the comments `<!-- name -->` and `<!-- /name -->` of a page.

    name (str): The name in the comments.
    text (str): What is printed and written.
    page (Path | None): The page; None to print only.
    """
    print(text, flush=True)
    if page is None:
        return
    content = page.read_text(encoding="utf8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    assert 0 <= content.find(start) < content.find(end), f"{page} has no place for {name}"
    place = re.compile(rf"{start}.*?{end}", re.DOTALL)
    block = f"{start}\n{text.strip()}\n{end}"
    page.write_text(place.sub(lambda _: block, content), encoding="utf8")
