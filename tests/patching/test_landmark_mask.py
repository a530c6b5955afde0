"""A mask with a row for each piece is added to scores with a row for each landmark."""

import pytest
import torch

from spacy_bertfamily.patching.landmark_mask import LandmarkMask

HIDDEN = -1e9


def make_mask(rows):
    mask = torch.zeros(2, 1, rows, 16)
    mask[1, :, :, 10:] = HIDDEN
    return mask


def test_each_landmark_gets_the_mask_of_a_piece():
    scores = torch.rand(2, 3, 4, 16, requires_grad=True)
    with LandmarkMask():
        masked = scores + make_mask(16)
    assert torch.equal(masked, scores + make_mask(1))
    masked[1, :, :, :10].sum().backward()
    assert scores.grad.sum() == 3 * 4 * 10


@pytest.mark.parametrize("rows", [1, 16])
def test_masks_that_fit_are_added_as_they_are(rows):
    scores, mask = torch.rand(2, 3, 16, 16), make_mask(rows)
    mask[0, :, -1] = HIDDEN  # not as the other rows
    with LandmarkMask():
        assert torch.equal(scores + mask, torch.add(scores, mask))


def test_shapes_that_fit_nowhere_are_an_error():
    with LandmarkMask(), pytest.raises(RuntimeError, match="must match the size"):
        torch.rand(2, 3, 4, 16) + torch.zeros(2, 3, 16, 16)
