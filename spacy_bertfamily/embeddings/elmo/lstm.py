"""A layer of LSTM cells whose states are projected and clipped, over sequences of any lengths."""

from dataclasses import dataclass

import torch
from torch import nn

FORGET_BIAS = 1.0


@dataclass(frozen=True)
class LSTMState:
    """What a layer keeps from one word to the next, for each row of a batch.

    hidden (torch.Tensor): The projected state, `(rows, projection_dim)`.
    cell (torch.Tensor): The cell, `(rows, cell_dim)`.
    """

    hidden: torch.Tensor
    cell: torch.Tensor


class ProjectedLSTM(nn.Module):
    """LSTM with a projection of its state (Sak et al. 2014, https://arxiv.org/abs/1402.1128).

    The cell is clipped before it is used, and the projected state after it was computed, as in
    TensorFlow's `LSTMCell`, which ELMo was trained with. (torch's `LSTM` does not clip.)

    input_dim (int): The width of the input.
    cell_dim (int): The width of the cell.
    projection_dim (int): The width of the output.
    cell_clip (float): The largest absolute value in a cell; 0 for any.
    projection_clip (float): The largest absolute value in the output; 0 for any.
    """

    def __init__(
        self,
        input_dim: int,
        cell_dim: int,
        projection_dim: int,
        cell_clip: float,
        projection_clip: float,
    ):
        super().__init__()
        # the rows are those of four gates: input, candidate, forget, output
        self.input = nn.Linear(input_dim, 4 * cell_dim)
        self.recurrent = nn.Linear(projection_dim, 4 * cell_dim, bias=False)
        self.projection = nn.Linear(cell_dim, projection_dim, bias=False)
        self.cell_clip = cell_clip or float("inf")
        self.projection_clip = projection_clip or float("inf")

    def forward(
        self, x: torch.Tensor, lengths: list[int], state: LSTMState | None = None
    ) -> tuple[torch.Tensor, LSTMState]:
        """Read the rows of a batch from left to right.

        *Shape:* x `(rows, longest, input_dim)`; the result `(rows, longest, projection_dim)`, zeros
        beyond a row's length.

        x (torch.Tensor): The words, the longest row first.
        lengths (list[int]): The number of words of each row, in falling order.
        state (LSTMState | None): Where each row goes on; None for zeros.
        RETURNS (tuple[torch.Tensor, LSTMState]): The output, and the state after each row's end.
        """
        rows, longest, _ = x.shape
        if state is None:
            hidden = x.new_zeros(rows, self.projection.out_features)
            cell = x.new_zeros(rows, self.projection.in_features)
        else:
            hidden, cell = state.hidden, state.cell
        inputs = self.input(x).unbind(1)  # sliced by step, each gradient would be as large as all
        outputs = []
        live = rows
        for step in range(longest):
            while lengths[live - 1] <= step:
                live -= 1
            new_hidden, new_cell = self._step(inputs[step][:live], hidden[:live], cell[:live])
            hidden = torch.cat([new_hidden, hidden[live:]])
            cell = torch.cat([new_cell, cell[live:]])
            outputs.append(_pad_rows(new_hidden, rows))
        return torch.stack(outputs, dim=1), LSTMState(hidden, cell)

    def _step(
        self, inputs: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gates = inputs + self.recurrent(hidden)
        enter, candidate, forget, leave = gates.chunk(4, dim=1)
        kept = torch.sigmoid(forget + FORGET_BIAS) * cell
        cell = kept + torch.sigmoid(enter) * torch.tanh(candidate)
        cell = cell.clamp(-self.cell_clip, self.cell_clip)
        hidden = self.projection(torch.sigmoid(leave) * torch.tanh(cell))
        return hidden.clamp(-self.projection_clip, self.projection_clip), cell


def _pad_rows(x: torch.Tensor, rows: int) -> torch.Tensor:
    """RETURNS (torch.Tensor): The tensor with rows of zeros below, `(rows, width)`."""
    missing = rows - len(x)
    return torch.cat([x, x.new_zeros(missing, x.shape[1])]) if missing else x
