"""What two encoders compute of the same windows, side by side."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from ..encoder.module import Encoder
from ..encoder.schedule import EncoderSchedule
from ..errors import Errors
from ..patching.captured_projections import PARTS, ProjectionCapture, Projections
from ..windows.cut import Window


@dataclass(frozen=True)
class Computed:
    """What an encoder has computed of a batch.

    states (dict[int, torch.Tensor]): Hidden states by layer.
    projections (Projections): Queries, keys and values by layer; none unless they are captured.
    *Shape:* each tensor is `(windows, pieces, width)`.
    """

    states: dict[int, torch.Tensor]
    projections: Projections

    def cut(self, length: int, *, copy: bool = False) -> "Computed":
        """Leave out padding.

        length (int): The pieces of the longest window.
        copy (bool): Whether to copy, so that gradients may be computed with the tensors.
        RETURNS (Computed): With so many pieces.
        """

        def cut(x: torch.Tensor) -> torch.Tensor:
            return x[:, :length].clone() if copy else x[:, :length]

        projections = Projections()
        for part in PARTS:
            setattr(projections, part, [cut(x) for x in getattr(self.projections, part)])
        return Computed({layer: cut(x) for layer, x in self.states.items()}, projections)

    def last(self, parts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """RETURNS (tuple[torch.Tensor, torch.Tensor]): Two of the last layer's projections."""
        first, second = (getattr(self.projections, part)[-1] for part in parts)
        return first, second


@dataclass(frozen=True)
class BothComputed:
    """What a student and its teacher have computed of a batch.

    student, teacher (Computed): What they have computed.
    is_piece (torch.Tensor): Which positions are pieces, boolean, `(windows, pieces)`.
    """

    student: Computed
    teacher: Computed
    is_piece: torch.Tensor


class SideBySide:
    """Runs two encoders on the same windows.

    student (EncoderSchedule): The one that is trained.
    teacher (EncoderSchedule): The other one.
    captures (bool): Whether queries, keys and values are wanted.
    RAISES (BertFamilyError): If they are, and an encoder's type has none that can be captured.
    """

    def __init__(self, student: EncoderSchedule, teacher: EncoderSchedule, *, captures: bool):
        self.student = student
        self.teacher = teacher
        self._captures: list[ProjectionCapture] = []
        if captures:
            modules = [find_attentions(schedule.encoder) for schedule in (student, teacher)]
            self._captures = [ProjectionCapture(of_encoder) for of_encoder in modules]

    def remove(self) -> None:
        """Remove what captures."""
        for capture in self._captures:
            capture.remove()

    def run(
        self,
        windows: Sequence[Window],
        student_layers: Sequence[int],
        teacher_layers: Sequence[int],
        *,
        is_train: bool,
    ) -> Iterator[BothComputed]:
        """Run both.

        windows (Sequence[Window]): The windows.
        student_layers, teacher_layers (Sequence[int]): The hidden states that are wanted of each.
        is_train (bool): Whether gradients will come back to the student.
        YIELDS (BothComputed): Batches.
        """
        found, wanted = Projections(), Projections()
        with ExitStack() as stack:
            if self._captures:
                found, wanted = (stack.enter_context(c.collect()) for c in self._captures)
            for batch in self.student.run(windows, student_layers, is_train=is_train, cache=False):
                of_batch = [windows[row] for row in batch.rows]
                states = self.teacher.run_together(of_batch, teacher_layers)
                lengths = torch.tensor(batch.lengths)
                longest = max(batch.lengths)
                is_piece = torch.arange(longest)[None] < lengths[:, None]
                yield BothComputed(
                    Computed(batch.states, found).cut(longest),
                    # copies, since what inference gives cannot be used to compute gradients
                    Computed(states, wanted).cut(longest, copy=True),
                    is_piece.to(self.student.encoder.device),
                )
                found.clear()
                wanted.clear()


def find_attentions(encoder: Encoder) -> list[nn.Module]:
    """Find the modules that have the queries, keys and values of an encoder.

    encoder (Encoder): The encoder.
    RETURNS (list[nn.Module]): One for each layer.
    RAISES (BertFamilyError): If the encoder's type has none that are known.
    """
    spec = encoder.known_spec
    if not spec.self_attention:
        raise Errors.B427(name=encoder.settings.name, model_type=encoder.shared.config.model_type)
    layers = spec.find_layers(encoder.backbone)
    return [layer.get_submodule(spec.self_attention) for layer in layers]
