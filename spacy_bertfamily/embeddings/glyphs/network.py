"""The convolutional network that reads pictures of characters."""

import torch
from torch import nn
from torch.nn import functional

# Channels after each convolution, and groups of the last two.
CHANNELS = (32, 128, 256)
GROUPS = 16


class GlyphCNN(nn.Module):
    """Read a picture of a character in four fields, as children learn to write it.

    Glyce (Meng et al. 2019, https://arxiv.org/abs/1901.10125): a convolution, maxima over the four
    fields of the square (the Tianzige grid), and convolutions in groups, which are small enough for
    the few thousand pictures that there are. Differences: pictures of 24 pixels rather than 12, so
    a second convolution before the fields, and fewer channels.

    fonts (int): The number of fonts that each character is drawn in.
    width (int): The width of the output.
    n_classes (int): The number of characters that are told apart in training.
    """

    def __init__(self, fonts: int, width: int, n_classes: int):
        super().__init__()
        small, middle, large = CHANNELS
        self.strokes = nn.Conv2d(fonts, small, 5, stride=2, padding=2)
        self.parts = nn.Conv2d(small, middle, 3, padding=1, groups=4)
        self.fields = nn.Conv2d(middle, large, 1, groups=GROUPS)
        self.whole = nn.Conv2d(large, width, 2, groups=GROUPS)
        self.classes = nn.Linear(width, n_classes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """*Shape:* pictures `(characters, fonts, 24, 24)`, the result `(characters, width)`."""
        # maxima before the activation are the same as after it, of fewer numbers
        strokes = functional.relu(functional.max_pool2d(self.strokes(pictures), 2))  # 6 x 6
        parts = functional.relu(functional.max_pool2d(self.parts(strokes), 3))  # 2 x 2
        fields = functional.relu(self.fields(parts))
        vectors: torch.Tensor = self.whole(fields).flatten(1)
        return vectors
