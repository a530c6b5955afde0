"""The two language models that train an ELMo: from each word to the next, and to the one before."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from .network import ElmoNetwork
from .options import ElmoOptions


class SampledSoftmax(nn.Module):
    """Cross-entropy over a few sampled words, from a vocabulary sorted by frequency.

    Words are drawn by a log-uniform distribution, which is close to that of words by their rank.
    The logit of a drawn word is lowered by the logarithm of how often it is expected to be drawn,
    so that the loss estimates that of all words (importance sampling, Bengio and Senécal 2008,
    https://doi.org/10.1109/TNN.2007.912312).

    width (int): The width of the states.
    vocab_size (int): The number of words.
    n_samples (int): The number of words that are drawn for each batch.
    """

    def __init__(self, width: int, vocab_size: int, n_samples: int):
        super().__init__()
        self.output = nn.Linear(width, vocab_size)
        self.n_samples = n_samples
        nn.init.normal_(self.output.weight, std=width**-0.5)
        nn.init.zeros_(self.output.bias)

    def forward(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """*Shape:* states `(words, width)`, targets `(words,)`; the result is the mean loss."""
        vocab_size = self.output.out_features
        if not self.training or self.n_samples >= vocab_size:
            return functional.cross_entropy(self.output(states), targets)
        uniform = torch.rand(self.n_samples, device=states.device)
        drawn = ((uniform * math.log(vocab_size + 1)).exp().long() - 1).clamp(max=vocab_size - 1)
        weight, bias = self.output.weight, self.output.bias
        right = (states * weight[targets]).sum(1) + bias[targets]
        others = functional.linear(states, weight[drawn], bias[drawn]) - self._log_expected(drawn)
        others = others.masked_fill(drawn[None] == targets[:, None], float("-inf"))
        logits = torch.cat([right[:, None], others], dim=1)
        return (logits.logsumexp(1) - right).mean()

    def _log_expected(self, words: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): The logarithm of how often words are expected to be drawn."""
        rank = words.float()
        share = ((rank + 2) / (rank + 1)).log() / math.log(self.output.out_features + 1)
        return (share * self.n_samples).log()


class BidirectionalLM(nn.Module):
    """An ELMo with what predicts words from its highest states.

    options (ElmoOptions): The sizes of the network.
    vocab_size (int): The number of words that are told apart.
    n_samples (int): The number of words that are drawn for each batch.
    dropout (float): The share of each layer's input that is left out in training.
    """

    def __init__(self, options: ElmoOptions, vocab_size: int, n_samples: int, dropout: float):
        super().__init__()
        self.network = ElmoNetwork(options)
        self.network.dropout = dropout
        self.softmax = SampledSoftmax(options.projection_dim, vocab_size, n_samples)

    def forward(
        self, characters: torch.Tensor, words: torch.Tensor, lengths: Sequence[int]
    ) -> torch.Tensor:
        """Compute the loss of sentences: the mean of both directions, in nats for each word.

        *Shape:* characters `(different words, characters of a word)`, words `(sentences, longest,
        2)`: the number of each word's row in `characters`, and its number in the vocabulary.

        characters (torch.Tensor): The spelling of all words.
        words (torch.Tensor): The sentences, with the marks of begin and end.
        lengths (Sequence[int]): The number of words of each, in falling order.
        """
        spelled, targets = words.unbind(2)
        vectors = self.network.characters(characters)[spelled]
        layers, _ = self.network(vectors, list(lengths))
        ahead, back = layers[-1].chunk(2, dim=2)
        ends = torch.tensor(lengths, device=words.device)[:, None]
        has_next = torch.arange(1, words.shape[1], device=words.device) < ends
        forward_loss = self.softmax(ahead[:, :-1][has_next], targets[:, 1:][has_next])
        backward_loss = self.softmax(back[:, 1:][has_next], targets[:, :-1][has_next])
        loss: torch.Tensor = (forward_loss + backward_loss) / 2
        return loss
