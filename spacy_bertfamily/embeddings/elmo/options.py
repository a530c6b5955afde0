"""The options of an ELMo: the sizes of its network, from `options.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import srsly

from ...errors import Errors
from .characters import MAX_CHARACTERS, TABLE_ROWS

ACTIVATIONS = ("relu", "tanh")
# The sizes of a network that is not an error of the file: some ten times the largest that is known.
MOST = 65536


@dataclass(frozen=True)
class ElmoOptions:
    """The sizes of an ELMo.

    character_dim (int): The width of a character's vector.
    filters (tuple[tuple[int, int], ...]): The convolutions over characters: width and number of
        outputs of each.
    activation (str): `relu` or `tanh`, after the convolutions.
    n_highway (int): The number of highway layers after the convolutions.
    projection_dim (int): The width of a word's vector and of the state that one direction gives.
    cell_dim (int): The width of an LSTM's cell.
    n_layers (int): The number of LSTM layers of each direction.
    cell_clip (float): The largest absolute value in a cell; 0 for any.
    projection_clip (float): The largest absolute value in a projected state; 0 for any.
    skip_connections (bool): Whether a layer's input is added to its output, from the second on.
    """

    character_dim: int
    filters: tuple[tuple[int, int], ...]
    activation: str
    n_highway: int
    projection_dim: int
    cell_dim: int
    n_layers: int
    cell_clip: float = 3.0
    projection_clip: float = 3.0
    skip_connections: bool = True

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a token's vector: both directions."""
        return 2 * self.projection_dim

    @property
    def n_filters(self) -> int:
        """RETURNS (int): The outputs of all convolutions together."""
        return sum(number for _, number in self.filters)

    def to_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The content of an `options.json`."""
        values = asdict(self)
        return {
            "lstm": {
                "cell_clip": values["cell_clip"],
                "proj_clip": values["projection_clip"],
                "use_skip_connections": values["skip_connections"],
                "n_layers": values["n_layers"],
                "projection_dim": values["projection_dim"],
                "dim": values["cell_dim"],
            },
            "char_cnn": {
                "embedding": {"dim": values["character_dim"]},
                "filters": [list(one) for one in self.filters],
                "n_highway": values["n_highway"],
                "n_characters": TABLE_ROWS,
                "max_characters_per_token": MAX_CHARACTERS,
                "activation": values["activation"],
            },
        }


def read_options(path: Path) -> ElmoOptions:
    """Read and check an `options.json`.

    path (Path): The file.
    RETURNS (ElmoOptions): The options.
    RAISES (BertFamilyError): If the file is not JSON, or a size is missing or not allowed.
    """
    try:
        content = srsly.read_json(path)
        options = _parse(content)
    except (OSError, ValueError, TypeError, KeyError) as e:
        reason = f"{e} is missing" if isinstance(e, KeyError) else str(e)
        raise Errors.B600(file=str(path), reason=reason) from e
    return options


def _parse(content: Any) -> ElmoOptions:
    lstm, characters = content["lstm"], content["char_cnn"]
    _check_equal(characters, "n_characters", TABLE_ROWS)
    _check_equal(characters, "max_characters_per_token", MAX_CHARACTERS)
    if characters["activation"] not in ACTIVATIONS:
        allowed = " or ".join(ACTIVATIONS)
        raise ValueError(f"activation is {characters['activation']!r} instead of {allowed}")
    filters = [(_whole(width), _whole(number)) for width, number in characters["filters"]]
    options = ElmoOptions(
        character_dim=_whole(characters["embedding"]["dim"]),
        filters=tuple(filters),
        activation=characters["activation"],
        n_highway=_whole(characters["n_highway"]),
        projection_dim=_whole(lstm["projection_dim"]),
        cell_dim=_whole(lstm["dim"]),
        n_layers=_whole(lstm["n_layers"]),
        cell_clip=_clip(lstm.get("cell_clip")),
        projection_clip=_clip(lstm.get("proj_clip")),
        skip_connections=_flag(lstm.get("use_skip_connections", False)),
    )
    _check_sizes(options)
    return options


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _clip(value: Any) -> float:
    clip = 0.0 if value is None else float(value)
    if not 0 <= clip < float("inf"):
        raise ValueError(f"{value!r} is no limit of values")
    return clip


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"use_skip_connections is {value!r} instead of true or false")
    return value


def _check_equal(options: Mapping[str, Any], name: str, expected: int) -> None:
    if options[name] != expected:
        raise ValueError(f"{name} is {options[name]} instead of {expected}")


def _check_sizes(options: ElmoOptions) -> None:
    if not options.filters:
        raise ValueError("filters is empty")
    sizes = {
        "embedding.dim": options.character_dim,
        "projection_dim": options.projection_dim,
        "dim": options.cell_dim,
        "n_layers": options.n_layers,
    }
    for width, number in options.filters:
        sizes[f"the filter [{width}, {number}]"] = number
        if not 1 <= width <= MAX_CHARACTERS:
            raise ValueError(f"a filter of width {width} does not fit {MAX_CHARACTERS} characters")
    for name, size in sizes.items():
        if not 1 <= size <= MOST:
            raise ValueError(f"{name} is {size}")
    if not 0 <= options.n_highway <= MAX_CHARACTERS:
        raise ValueError(f"n_highway is {options.n_highway}")
