"""What identifies a backbone: its weights, not its name."""

import hashlib
from collections.abc import Mapping

import torch


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of all tensors, in the order of the names.

    RETURNS (str): 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
