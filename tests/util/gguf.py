"""Small GGUF files, written by the library gguf as llama.cpp's own converter writes them."""

import json
from pathlib import Path

from .extras import require

gguf = require("gguf")

F32 = gguf.GGMLQuantizationType.F32


def write_gguf(model, tokenizer_folder, path, quantised=F32, leave_out=(), **entries) -> Path:
    """Write a model and a tokenizer as a GGUF file.

    model (PreTrainedModel): The model: of the type llama, qwen2 or gpt2.
    tokenizer_folder (Path): Has a tokenizer.json with a BPE.
    path (Path): The file.
    quantised (GGMLQuantizationType): The type of matrices whose rows it allows.
    leave_out (Sequence[str]): Tensors that are not written, by their names in the file.
    **entries: Further entries, with `__` for dots; None for one that is not written.
    RETURNS (Path): The file.
    """
    architecture = entries.pop("architecture", model.config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    values = {
        "general.name": "tiny",
        **_config_entries(model.config, architecture),
        **_tokenizer_entries(tokenizer_folder, model.config),
        **{name.replace("__", "."): value for name, value in entries.items()},
    }
    for name, value in values.items():
        if value is not None:
            kind = gguf.GGUFValueType.get_type(value)
            if name.endswith("_id"):
                kind = gguf.GGUFValueType.UINT32
            writer.add_key_value(name, value, kind)
    for name, tensor in _tensors(model).items():
        if name in leave_out:
            continue
        is_small = tensor.dim() == 1 or tensor.shape[-1] % 32
        kind = F32 if is_small else quantised
        data = gguf.quantize(tensor.numpy(), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _config_entries(config, architecture):
    entries = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "attention.head_count": config.num_attention_heads,
        "feed_forward_length": getattr(config, "n_inner", None) or config.intermediate_size,
    }
    if config.model_type == "gpt2":
        entries["attention.layer_norm_epsilon"] = config.layer_norm_epsilon
    else:
        entries["attention.head_count_kv"] = config.num_key_value_heads
        entries["attention.layer_norm_rms_epsilon"] = config.rms_norm_eps
        entries["rope.freq_base"] = 10000.0
        entries["vocab_size"] = config.vocab_size
    return {f"{architecture}.{name}": value for name, value in entries.items()}


def _tokenizer_entries(folder, config):
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf8"))
    vocabulary = content["model"]["vocab"]
    special = {token["content"]: token["id"] for token in content["added_tokens"]}
    vocabulary = {**vocabulary, **special}
    pieces = sorted(vocabulary, key=vocabulary.get)
    unused = [f"[PAD{number}]" for number in range(len(pieces), config.vocab_size)]
    merges = [m if isinstance(m, str) else " ".join(m) for m in content["model"]["merges"]]
    is_bytes = "<0x00>" not in vocabulary
    entries = {
        "tokenizer.ggml.model": "gpt2" if is_bytes else "llama",
        "tokenizer.ggml.tokens": pieces + unused,
        "tokenizer.ggml.token_type": [3 if piece in special else 1 for piece in pieces]
        + [5] * len(unused),
        "tokenizer.ggml.merges": merges,
    }
    if is_bytes:
        entries["tokenizer.ggml.pre"] = "qwen2" if config.model_type == "qwen2" else "gpt-2"
    else:
        entries["tokenizer.ggml.scores"] = [-float(i) for i in range(config.vocab_size)]
        entries["tokenizer.ggml.unknown_token_id"] = vocabulary["<unk>"]
    bos, eos = ("<|endoftext|>",) * 2 if is_bytes else ("<s>", "</s>")
    entries["tokenizer.ggml.bos_token_id"] = vocabulary[bos]
    entries["tokenizer.ggml.eos_token_id"] = vocabulary[eos]
    return entries


def _tensors(model):
    """RETURNS (dict[str, torch.Tensor]): The weights by their names and in their form in GGUF."""
    config = model.config
    architecture = next(
        key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == config.model_type
    )
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads}
    heads["k_proj"] = getattr(config, "num_key_value_heads", None)
    tensors = {}
    for own, tensor in model.state_dict().items():
        if config.tie_word_embeddings and own == "lm_head.weight":
            continue
        parts = own.split(".")
        if config.model_type == "llama" and parts[-2] in heads:
            tensor = _interleave(tensor, heads[parts[-2]])
        if config.model_type == "gpt2" and tensor.dim() == 2 and ".h." in own:
            tensor = tensor.T
        stem, _, suffix = own.rpartition(".")
        name = names.get_name(stem)
        if name is not None:
            tensors[f"{name}.{suffix}"] = tensor.detach().contiguous()
    return tensors


def _interleave(tensor, heads):
    """Put the halves that rotate together side by side, as llama.cpp has them."""
    halves = tensor.view(heads, 2, -1, tensor.shape[-1])
    return halves.transpose(1, 2).reshape(tensor.shape)
