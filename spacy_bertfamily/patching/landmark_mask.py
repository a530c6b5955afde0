"""The attention mask of Nyströmformer's landmarks.

- Changes: the sum of a tensor and a mask while the context is entered, in this thread only.
- Why: in transformers 5 the mask has a row for each piece, while the scores that it is added to
  have a row for each landmark; torch raises an error. All rows of the mask are the same, since
  padding is all that it hides. In transformers 4 it has one row, and nothing is changed.
- Tried with: torch 2.13.0; transformers 4.53.2 and 5.24.0.
- Undone: at the end of the context.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

ADD = (torch.Tensor.add, torch.Tensor.__add__)


class LandmarkMask(TorchFunctionMode):
    """A context in which a mask for pieces can be added to the scores of landmarks."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in ADD and len(args) == 2 and _is_for_pieces(*args):
            scores, mask = args
            args = (scores, mask[:, :, :1])
        return func(*args, **(kwargs or {}))


def _is_for_pieces(scores: Any, mask: Any) -> bool:
    """RETURNS (bool): Whether a mask has a row for each piece, and the scores have other rows.

    *Shape:* scores `(windows, heads, landmarks, pieces)`, mask `(windows, 1, pieces, pieces)`.
    """
    return (
        isinstance(mask, torch.Tensor)
        and isinstance(scores, torch.Tensor)
        and scores.dim() == mask.dim() == 4
        and mask.shape[1] == 1
        and mask.shape[2] == mask.shape[3] == scores.shape[3]
        and scores.shape[2] not in (1, mask.shape[2])
    )
