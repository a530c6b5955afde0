"""Small files that ask for much memory or time, and a process with little of both to read them."""

import base64
import json
import pickle
import resource
import shutil
import sys
import time
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.storage.delta import CHECKSUM, METADATA_KEY, checksum, read_delta

from .backbones import make_backbone
from .files import change_json, load_tensors
from .pipelines import add_transformer

BOTTLENECK = "spacy-bertfamily.Bottleneck.v1"
SMALL = {"@adapters": BOTTLENECK, "size": 4}
# What a process may allocate for all cases together, in bytes. Each of them asks for more.
ROOM = 1_500_000_000
DOUBLE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
BYTES = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}


class Sized:
    """An object that is pickled as a call that allocates ten gigabytes."""

    def __reduce__(self):
        return bytearray, (10**10,)


# Backbones. Each function changes the files of a tiny BERT, or makes another type.


def repeated_weights(folder):
    """One stored zero is the table of 100 million pieces."""
    weights = load_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weights["embeddings.word_embeddings.weight"] = torch.zeros(1).expand(10**8, 32)
    torch.save(weights, folder / "pytorch_model.bin")
    change_json(folder / "config.json", vocab_size=10**8)


def packed_weights(folder):
    """A compressed .bin file; torch itself stores without compression."""
    _save_bin(folder, {"weight": torch.zeros(10**6)})
    path, packed = folder / "pytorch_model.bin", folder / "packed"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    packed.replace(path)


def sized_object(folder):
    """A pickle that makes a string of bytes whose size is a number in it."""
    _save_bin(folder, {})
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Sized()}, protocol=2))


def _save_bin(folder, tensors):
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")


def many_layers(folder):
    change_json(folder / "config.json", num_hidden_layers=3_000)


def many_layers_and_names(folder):
    """Layers that the weights lack, beside as many tensors that no layer has."""
    weights = load_tensors(folder / "model.safetensors")
    weights.update({f"more.{number}": torch.zeros(1) for number in range(200)})
    save_file(weights, folder / "model.safetensors")
    change_json(folder / "config.json", num_hidden_layers=240)


def many_decoder_layers(folder):
    shutil.rmtree(folder)
    make_backbone("bart", folder)
    change_json(folder / "config.json", decoder_layers=10**6)


def repeated_blocks(folder):
    shutil.rmtree(folder)
    make_backbone("funnel", folder)
    change_json(folder / "config.json", block_repeats=[10**9, 1, 1])


def wide_windows(folder):
    shutil.rmtree(folder)
    make_backbone("longformer", folder)
    change_json(folder / "config.json", attention_window=10**8)


def distant_piece(folder):
    """An added piece with a number for which a table of all pieces takes four gigabytes."""
    shutil.rmtree(folder)
    make_backbone("prophetnet", folder)
    piece = {"content": "zzzz", "special": True, "lstrip": False, "rstrip": False}
    piece.update(normalized=False, single_word=False)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({"added_tokens_decoder": {"500000000": piece}}))


def many_extra_pieces(folder):
    (folder / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "ByT5Tokenizer", "extra_ids": 10**7}
    change_json(folder / "tokenizer_config.json", **settings)


def doubled_letters(folder):
    _normalize(folder, [DOUBLE] * 34)


def nested_steps(folder):
    inner = {"type": "Sequence", "normalizers": [DOUBLE] * 17}
    _normalize(folder, [inner, {"type": "NFC"}, inner])


def doubling_of_an_added_piece(folder):
    """The piece is normalised when the tokenizer is made."""
    _normalize(folder, [DOUBLE] * 34)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf8"))
    piece = dict(content["added_tokens"][-1], id=200, content="a", normalized=True, special=False)
    change_json(path, added_tokens=[*content["added_tokens"], piece])


def growing_by_expressions(folder):
    everywhere = {"type": "Replace", "pattern": {"Regex": ""}, "content": "aaaaaaaaa"}
    _normalize(folder, [everywhere] * 9)


def growing_by_a_table(folder):
    """SentencePiece's table of replaced characters, twice."""
    strings = b"x" * 50_000 + b"\0"
    table = base64.b64encode((4).to_bytes(4, "little") + bytes(4) + strings).decode()
    _normalize(folder, [{"type": "Precompiled", "precompiled_charsmap": table}] * 2)


def doubling_of_bytes(folder):
    pre_tokenizer = {"type": "Sequence", "pretokenizers": [BYTES] * 34}
    change_json(folder / "tokenizer.json", pre_tokenizer=pre_tokenizer)


def _normalize(folder, steps):
    normalizer = {"type": "Sequence", "normalizers": steps}
    change_json(folder / "tokenizer.json", normalizer=normalizer)


# by function: what the error says
BACKBONES = {
    repeated_weights: r"B082.*embedd.* 12,800,000,000 bytes, but only 4 are",
    packed_weights: "B025.*compressed",
    sized_object: "B025.*more than tensors",
    many_layers: r"B046.*num_hidden_layers = 3000, allowed is .* from 1 to 250",
    many_layers_and_names: r"B047.*more than [\d,]+ modules.*numbers in 255 tensors",
    many_decoder_layers: r"B047.*more than [\d,]+ modules",
    repeated_blocks: r"B046.*block_repeats = \[1000000000, 1, 1\]",
    wide_windows: "B046.*windows of 1 pieces are padded to 100,000,000",
    distant_piece: "B048.*up to number 500000000",
    many_extra_pieces: "B085.*extra_ids = 10000000",
    doubled_letters: "B084.*more than 1,000 times as long.*Replace",
    nested_steps: "B084.*Replace",
    doubling_of_an_added_piece: "B084.*Replace",
    growing_by_expressions: "B084.*Regex",
    growing_by_a_table: "B084.*Precompiled",
    doubling_of_bytes: "B084.*ByteLevel",
}

# Adapters. Each function writes files to an empty folder.


def tiny_reduction_factor(folder):
    _write_native(folder, {"@adapters": BOTTLENECK, "size": None, "reduction_factor": 1.2e-7})


def tall_stack(folder):
    members = {f"member{number}": {**SMALL, "size": 4096} for number in range(1000)}
    _write_native(folder, {"@adapters": "spacy-bertfamily.Stack.v1", "adapters": members})


def stack_of_small_members(folder):
    members = {f"member{number}": {**SMALL, "size": 1} for number in range(1000)}
    _write_native(folder, {"@adapters": "spacy-bertfamily.Stack.v1", "adapters": members})


def wide_pal(folder):
    _write_native(folder, {"@adapters": "spacy-bertfamily.PAL.v2", "size": 12 * 10**7})


def repeated_adapter(folder):
    torch.save({"lora": torch.zeros(1).expand(2 * 10**9)}, folder / "adapter_model.bin")
    _write_peft_config(folder)


def high_rank(folder):
    save_file({"lora": torch.zeros(4)}, folder / "adapter_model.safetensors")
    _write_peft_config(folder)


def _write_native(folder, block):
    about = {"adapter": {"name": "x", "config": block}}
    metadata = {METADATA_KEY: json.dumps(about)}
    save_file({"a": torch.zeros(1)}, folder / "spacy_adapter.safetensors", metadata=metadata)


def _write_peft_config(folder):
    settings = {"peft_type": "LORA", "r": 10**8, "target_modules": ["query"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


ADAPTERS = {
    tiny_reduction_factor: r"B068.*ask for at least [\d,]+ numbers, but it holds 1 numbers",
    tall_stack: r"B068.*ask for at least [\d,]+ numbers",
    stack_of_small_members: r"B068.*ask for (more than [\d,]+ modules|at least [\d,]+ numbers)",
    wide_pal: r"B068.*ask for at least [\d,]+ numbers",
}
PEFT_ADAPTERS = {
    repeated_adapter: r"B082.*'lora' takes 8,000,000,000 bytes, but only 4 are",
    high_rank: r"B068.*ask for at least [\d,]+ numbers, but it holds 4 numbers",
}


# Stored pipelines. Each function changes the record of the adapters in the delta.


def large_adapter(adapters):
    adapters["more"]["size"] = 10**8


def many_adapters(adapters):
    """Each has fewer numbers than any single adapter may have."""
    more = {**adapters["more"], "size": 20_000}
    adapters.update({f"more{number}": more for number in range(500)})


DELTAS = {large_adapter: "B045.*delta", many_adapters: "B045.*delta"}


def change_record(folder, change):
    """Apply a function to the record of the adapters of a stored pipeline."""
    path = folder / "transformer" / "delta.safetensors"
    content = path.read_bytes()
    tensors, _, _ = read_delta(content, str(path))
    size = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][METADATA_KEY])
    change(about["adapters"]["adapters"])
    about[CHECKSUM] = checksum(about, tensors)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(about)})


def write_cases(folder, with_peft):
    """Write all files, and what is expected of them.

    folder (Path): The folder.
    with_peft (bool): Whether peft is installed.
    """
    import spacy

    tiny = make_backbone("bert", folder / "tiny")
    nlp = spacy.blank("en")
    add_transformer(nlp, str(tiny), trainable=["adapter"], adapter=SMALL)
    nlp.initialize()
    nlp.get_pipe("transformer").add_adapter("more", {**SMALL, "size": 5})
    (folder / "pipelines").mkdir()
    for change in DELTAS:
        nlp.to_disk(folder / "pipelines" / change.__name__)
        change_record(folder / "pipelines" / change.__name__, change)
    for write in BACKBONES:
        write(Path(shutil.copytree(tiny, folder / "backbones" / write.__name__)))
    for write in {**ADAPTERS, **(PEFT_ADAPTERS if with_peft else {})}:
        (folder / "adapters" / write.__name__).mkdir(parents=True)
        write(folder / "adapters" / write.__name__)


def read_cases(folder):
    """Read all files with little memory, and print what happened as JSON.

    folder (Path): The folder of `write_cases`.
    """
    import spacy

    torch.set_num_threads(1)
    nlp = spacy.blank("en")
    add_transformer(nlp, str(folder / "tiny"), trainable=["adapter"], adapter=SMALL)
    nlp.initialize()
    transformer = nlp.get_pipe("transformer")
    _limit_memory()
    found = {}
    for path in (folder / "pipelines").iterdir():
        found[path.name] = _try(lambda path=path: spacy.load(path))
    for path in (folder / "backbones").iterdir():
        found[path.name] = _try(lambda path=path: load_backbone(str(path)))
        found[f"{path.name} in a pipeline"] = _try(lambda path=path: _make_pipeline(path))
    for path in (folder / "adapters").iterdir():
        found[path.name] = _try(lambda path=path: transformer.load_adapter(path, name="x"))
    print(json.dumps(found))


def _make_pipeline(folder):
    import spacy

    nlp = spacy.blank("en")
    add_transformer(nlp, str(folder), trainable=[])
    nlp.initialize()
    nlp("a é " * 20)


def _limit_memory():
    status = Path("/proc/self/status").read_text(encoding="utf8")
    peak = 1024 * int(status.split("VmPeak:")[1].split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (peak + ROOM, peak + ROOM))


def _try(read):
    """RETURNS (dict[str, Any]): The error's message, and the seconds until then."""
    start = time.perf_counter()
    try:
        read()
        message = "loaded"
    except BertFamilyError as e:
        message = str(e)
    except BaseException as e:  # also MemoryError, and panics of Rust
        message = repr(e)
    return {"message": message, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    read_cases(Path(sys.argv[1]))
