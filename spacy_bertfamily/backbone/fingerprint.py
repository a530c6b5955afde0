"""Hash a backbone's weights, which identify it whatever its name is."""

import hashlib
from collections.abc import Mapping

import torch


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """Hash the names, types, shapes and bytes of all tensors, in the order of the names.

    weights (Mapping[str, torch.Tensor]): The tensors.
    RETURNS (str): The SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
