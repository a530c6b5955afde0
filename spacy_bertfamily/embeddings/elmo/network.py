"""The network of ELMo: word vectors, and two stacks of LSTM layers that read both ways."""

import torch
from torch import nn
from torch.nn import functional

from .char_cnn import CharacterCNN
from .lstm import LSTMState, ProjectedLSTM
from .options import ElmoOptions

# The states of the layers, from the lowest up; of the forward direction, then of the backward one.
NetworkState = tuple[list[LSTMState], list[LSTMState]]


class ElmoNetwork(nn.Module):
    """Deep contextualized word representations (Peters et al. 2018, 1802.05365 on arXiv).

    options (ElmoOptions): The sizes.
    """

    def __init__(self, options: ElmoOptions):
        super().__init__()
        self.options = options
        self.dropout = 0.0  # of the layers' input, in training
        self.characters = CharacterCNN(options)
        self.forward_layers = nn.ModuleList(make_layers(options))
        self.backward_layers = nn.ModuleList(make_layers(options))

    def forward(
        self, words: torch.Tensor, lengths: list[int], state: NetworkState | None = None
    ) -> tuple[list[torch.Tensor], NetworkState]:
        """Read sentences, the first and last word of which are the marks of begin and end.

        *Shape:* words `(sentences, longest, projection_dim)`; each result `(sentences, longest, 2 *
        projection_dim)`.

        words (torch.Tensor): The words' vectors, made by `characters`; the longest sentence first.
        lengths (list[int]): The number of words of each sentence, in falling order.
        state (NetworkState | None): Where each row goes on; None for zeros.
        RETURNS (tuple[list[torch.Tensor], NetworkState]): The vectors themselves, twice beside each
            other, then each layer's output; and the states after the sentences.
        """
        order = reversed_order(lengths, words.shape[1]).to(words.device)
        before: tuple[list[LSTMState] | None, list[LSTMState] | None] = state or (None, None)
        ahead, ahead_state = self._run(self.forward_layers, words, lengths, before[0])
        back, back_state = self._run(
            self.backward_layers, _reorder(words, order), lengths, before[1]
        )
        layers = [torch.cat([words, words], dim=2)]
        for forward_output, backward_output in zip(ahead, back):
            layers.append(torch.cat([forward_output, _reorder(backward_output, order)], dim=2))
        return layers, (ahead_state, back_state)

    def _run(
        self,
        layers: nn.ModuleList,
        x: torch.Tensor,
        lengths: list[int],
        states: list[LSTMState] | None,
    ) -> tuple[list[torch.Tensor], list[LSTMState]]:
        outputs, new_states = [], []
        for number, layer in enumerate(layers):
            dropped = functional.dropout(x, self.dropout, self.training)
            y, new_state = layer(dropped, lengths, states[number] if states else None)
            if number and self.options.skip_connections:
                y = y + x
            outputs.append(y)
            new_states.append(new_state)
            x = y
        return outputs, new_states


def make_layers(options: ElmoOptions) -> list[ProjectedLSTM]:
    """RETURNS (list[ProjectedLSTM]): The LSTM layers of one direction."""
    sizes = (options.projection_dim, options.cell_dim, options.projection_dim)
    clips = (options.cell_clip, options.projection_clip)
    return [ProjectedLSTM(*sizes, *clips) for _ in range(options.n_layers)]


def reversed_order(lengths: list[int], longest: int) -> torch.Tensor:
    """Number the words of each row from its end; what is beyond the end stays.

    lengths (list[int]): The number of words of each row.
    longest (int): The length of the longest row.
    RETURNS (torch.Tensor): `(rows, longest)`. Applied twice it changes nothing.
    """
    positions = torch.arange(longest)
    ends = torch.tensor(lengths)[:, None]
    return torch.where(positions < ends, ends - 1 - positions, positions)


def _reorder(x: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return x.gather(1, order[:, :, None].expand_as(x))
