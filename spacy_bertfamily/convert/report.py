"""What the converters report: a summary, and a line for each thing that was changed or left out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHOWN_LINES = 20


@dataclass(frozen=True)
class ReportLine:
    """One fact about a conversion.

    text (str): The fact in words.
    is_warning (bool): Whether something was left out.
    """

    text: str
    is_warning: bool = False


class ConversionReport(ABC):
    """What happened to a file. The base class of the converters' reports.

    written (int): The number of texts that were written.
    """

    written: int

    @abstractmethod
    def summary(self) -> str:
        """RETURNS (str): How much was read and written, in one line."""

    def details(self) -> list[ReportLine]:
        """RETURNS (list[ReportLine]): What else happened, one fact a line."""
        return []

    def lines(self) -> list[str]:
        """RETURNS (list[str]): The summary and the details in words, one fact a line."""
        return [self.summary(), *(line.text for line in self.details())]


def separators_line(count: int) -> ReportLine:
    """RETURNS (ReportLine): How many separators inside the texts were escaped."""
    return ReportLine(f"{count} separator(s) inside the texts spelled apart")


def skipped_lines(skipped: Mapping[str, Sequence[int]]) -> list[ReportLine]:
    """Say which rows were left out, and why.

    skipped (Mapping[str, Sequence[int]]): The lines of the rows, by reason.
    RETURNS (list[ReportLine]): One for each reason, with the first line numbers.
    """
    found = []
    for reason, numbers in skipped.items():
        shown = ", ".join(map(str, numbers[:SHOWN_LINES]))
        if len(numbers) > SHOWN_LINES:
            shown += f" and {len(numbers) - SHOWN_LINES} more"
        text = f"{len(numbers)} row(s) skipped, {reason}: line {shown}"
        found.append(ReportLine(text, is_warning=True))
    return found
