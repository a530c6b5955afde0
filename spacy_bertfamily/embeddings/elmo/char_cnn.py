"""From the characters of words to their vectors."""

import torch
from torch import nn
from torch.nn import functional

from .characters import TABLE_ROWS
from .options import ElmoOptions


class Highway(nn.Module):
    """Mix a nonlinear map of the input with the input: c · relu(x Wᵗ + b) + (1 - c) · x.

    Highway networks (Srivastava et al. 2015, https://arxiv.org/abs/1505.00387).

    width (int): The width of input and output.
    """

    def __init__(self, width: int):
        super().__init__()
        self.transform = nn.Linear(width, width)
        self.carry = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """*Shape:* x and the result are `(words, width)`."""
        carry = torch.sigmoid(self.carry(x))
        return carry * functional.relu(self.transform(x)) + (1 - carry) * x


class CharacterCNN(nn.Module):
    """Convolutions over a word's characters, their maxima, highway layers and a projection.

    options (ElmoOptions): The sizes.
    """

    def __init__(self, options: ElmoOptions):
        super().__init__()
        self.embedding = nn.Embedding(TABLE_ROWS, options.character_dim)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(options.character_dim, number, width) for width, number in options.filters
        )
        self.activation = torch.tanh if options.activation == "tanh" else functional.relu
        self.highways = nn.Sequential(
            *(Highway(options.n_filters) for _ in range(options.n_highway))
        )
        self.projection = nn.Linear(options.n_filters, options.projection_dim)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """*Shape:* ids `(words, characters)`, the result `(words, projection_dim)`."""
        characters = self.embedding(ids).transpose(1, 2)  # (words, character_dim, characters)
        outputs = []
        for convolution in self.convolutions:
            maxima = convolution(characters).amax(dim=2)
            outputs.append(self.activation(maxima))
        projected: torch.Tensor = self.projection(self.highways(torch.cat(outputs, dim=1)))
        return projected
