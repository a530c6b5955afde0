"""Find the files of a checkpoint: safetensors before .bin, whole or in shards with an index."""

from pathlib import Path

from ..errors import Errors
from .safety import check_link, read_json

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
SHARD_SUFFIXES = tuple(Path(name).suffix for name in WEIGHT_FILES)


def find_weight_files(folder: Path) -> list[Path]:
    """Find the files of a checkpoint: safetensors before .bin, whole or in shards.

    folder (Path): The backbone's folder.
    RETURNS (list[Path]): The files, none of which is a link to a file elsewhere.
    RAISES (BertFamilyError): If there are none, the index or shards are missing, or the index is
        broken.
    """
    for name in WEIGHT_FILES:
        path = folder / name
        index = folder / f"{name}.index.json"
        if path.is_file():
            check_link(path)
            return [path]
        if index.is_file():
            check_link(index)
            return _find_shards(index)
    for name in WEIGHT_FILES:
        path = Path(name)
        shards = sorted(folder.glob(f"{path.stem}-*-of-*{path.suffix}"))
        if shards:
            shard, index_name = shards[0].name, f"{name}.index.json"
            raise Errors.B541(folder=str(folder), shard=shard, index=index_name)
    raise Errors.B024(folder=str(folder), missing=" or ".join(WEIGHT_FILES))


def _find_shards(index: Path) -> list[Path]:
    """Find the shards that an index names.

    index (Path): The index.
    RETURNS (list[Path]): The shards, in the order of their names.
    RAISES (BertFamilyError): If the index names no shards or other files than shards, or if shards
        are missing.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        reason = "its entry 'weight_map' does not name the shard of each tensor"
        raise Errors.B025(file=str(index), reason=reason)
    for name in weight_map.values():
        if not _is_shard_name(name):
            reason = (
                f"it names the shard {name!r:.100}, but a shard is a file in the same folder, with "
                f"the ending {' or '.join(SHARD_SUFFIXES)}"
            )
            raise Errors.B025(file=str(index), reason=reason)
    shards = [index.parent / name for name in sorted(set(weight_map.values()))]
    for path in shards:
        check_link(path)
    missing = [path.name for path in shards if not path.is_file()]
    if missing:
        raise Errors.B540(index=str(index), missing=missing)
    return shards


def _is_shard_name(name: object) -> bool:
    """RETURNS (bool): Whether an entry of an index can name a shard beside it."""
    if not isinstance(name, str) or not name.isprintable() or len(name.encode("utf8")) > 255:
        return False
    return Path(name).name == name and Path(name).suffix in SHARD_SUFFIXES
