"""The format of the library adapters (AdapterHub): bottlenecks, with adapter_config.json."""

from pathlib import Path

from ..adapters import Adapter, AdapterModules, Bottleneck
from ..backbone.safety import read_tensors
from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors
from ..storage.delta import Reference
from .adapterhub_config import make_config_file, read_backbone, read_config_file
from .adapterhub_settings import check_settings, read_settings, write_settings
from .base import Format, StoredAdapter, Tensors, tensors_of, write_json, write_tensors

FILES = ("adapter.safetensors", "pytorch_adapter.bin")
CONFIG = "adapter_config.json"
# The library's path of an adapter inside a layer, by model type and site.
BERT_PATHS = {"attention": "attention.output", "ffn": "output"}
SITE_PATHS = {
    "bert": BERT_PATHS,
    "deberta-v2": BERT_PATHS,
    "electra": BERT_PATHS,
    "roberta": BERT_PATHS,
    "xlm-roberta": BERT_PATHS,
    # The library's adapters after ALBERT's attention read the layer's input instead of the
    # attention's output, which is another model.
    "albert": {"ffn": "output_adapters"},
    "distilbert": {"attention": "attention_adapters", "ffn": "output_adapters"},
}
PARTS = {"down": "adapter_down.0", "up": "adapter_up"}
# What early versions of the library have in names of tensors instead of `adapters`.
OLD_KEYS = (
    "attention_text_task_adapters",
    "attention_text_lang_adapters",
    "layer_text_task_adapters",
    "layer_text_lang_adapters",
)


def read(file: Path, encoder: Encoder) -> StoredAdapter:
    """Read an adapter.

    file (Path): The file with the tensors.
    encoder (Encoder): The encoder that gets it.
    RETURNS (StoredAdapter): The adapter.
    RAISES (BertFamilyError): If a file is damaged, or we have no such adapter.
    """
    path = file.parent / CONFIG
    content = read_config_file(path)
    config = content["config"]
    tensors = {_current_key(key, encoder): tensor for key, tensor in read_tensors(file).items()}
    is_old = "version" not in content
    placement = check_settings(path, config, is_old)
    size = _find_size(path, tensors)
    depth = len(encoder.known_spec.find_layers(encoder.backbone))
    settings = read_settings(config, placement, size, depth, is_old)
    return StoredAdapter(file, content["name"], settings, tensors, read_backbone(file, content))


def _current_key(key: str, encoder: Encoder) -> str:
    """RETURNS (str): The name of a tensor in the current version, relative to the backbone."""
    for old in OLD_KEYS:
        key = key.replace(f".{old}.", ".adapters.")
    return key.removeprefix(f"{encoder.backbone.base_model_prefix}.")


def _find_size(path: Path, tensors: Tensors) -> int:
    """Find the size that all bottlenecks have. RAISES (BertFamilyError): If sizes differ."""
    suffix = f"{PARTS['down']}.weight"
    sizes = {len(tensor) for key, tensor in tensors.items() if key.endswith(suffix)}
    if len(sizes) != 1:
        raise Errors.B068(file=str(path), reason=f"the bottlenecks have the sizes {sorted(sizes)}")
    return sizes.pop()


def tensor_names(
    settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str
) -> dict[str, str]:
    """Name the tensors of an adapter as the library does.

    settings (Adapter): The adapter's settings.
    modules (AdapterModules): Its modules.
    encoder (Encoder): The encoder.
    name (str): The adapter's name.
    RETURNS (dict[str, str]): The format's names of tensors, by our names.
    RAISES (BertFamilyError): If the library has no such model.
    """
    model_type = encoder.shared.config.model_type
    site_paths = SITE_PATHS.get(model_type)
    if site_paths is None:
        raise _no_exchange(name, f"has other models than {model_type!r}")
    found = {}
    layer_paths = encoder.known_spec.layer_paths(encoder.backbone)
    for own in tensors_of(modules):
        _, depth, site, part, kind = own.split(".")
        if site not in site_paths:
            raise _no_exchange(name, f"computes something else at the {site} of {model_type!r}")
        if int(depth) >= len(layer_paths):
            reason = "has one adapter for all depths of a layer that is called several times"
            raise _no_exchange(name, reason)
        path = f"{layer_paths[int(depth)]}.{site_paths[site]}"
        found[own] = f"{path}.adapters.{name}.{PARTS[part]}.{kind}"
    return found


def _no_exchange(name: str, reason: str) -> BertFamilyError:
    reason = f"the library adapters {reason}"
    return Errors.B072(name=name, format="adapterhub", reason=reason)


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter.

    folder (Path): An existing folder.
    name (str): The adapter's name.
    settings (Adapter): Its settings.
    encoder (Encoder): The encoder that holds it.
    reference (Reference): The backbone.
    RAISES (BertFamilyError): If it is no bottleneck, or the library has no such model.
    """
    if not isinstance(settings, Bottleneck):
        reason = "only bottlenecks are the same thing there"
        raise Errors.B072(name=name, format="adapterhub", reason=reason)
    modules = encoder.modules_of(name)
    own = tensors_of(modules)
    names = tensor_names(settings, modules, encoder, name)
    tensors = {names[ours]: own[ours] for ours in names}
    depth = len(encoder.known_spec.find_layers(encoder.backbone))
    config = write_settings(settings, encoder.width, depth)
    write_tensors(folder / FILES[0], tensors, reference)
    write_json(folder / CONFIG, make_config_file(name, config, encoder, reference))


FORMAT = Format(FILES, read, tensor_names, write)
