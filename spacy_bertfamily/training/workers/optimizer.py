"""An optimizer whose gradients are added up over all workers, once in each step."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from thinc.api import Optimizer, get_array_module, torch2xp, xp2torch
from thinc.types import FloatsXd

from ...errors import Errors
from ..optimizer_keys import Key, Parameter, parameters_by_name
from .group import WorkerGroup
from .updates import ShardedUpdates

HAS_GRADIENT, SHAPES = "has_gradient", "shapes"


@dataclass
class Gradient:
    """A gradient of this worker, and how it is to be applied."""

    value: torch.Tensor
    lr_scale: float


class WorkersOptimizer:
    """Stands for the optimizer in spaCy's loop, which calls it as if it trained alone.

    Called with a gradient, it only keeps it. At the end of a step the workers agree on which
    parameters have a gradient on any of them, add up all gradients at once, and make the step of
    each parameter, so that all have the same weights afterwards. Clipping and weight decay are the
    optimizer's, so they follow the sum.

    optimizer (Optimizer): Makes the steps.
    group (WorkerGroup): The workers.
    nlp (Language): The pipeline that is trained.
    updates (ShardedUpdates): Where the gradients come from.
    """

    def __init__(
        self, optimizer: Optimizer, group: WorkerGroup, nlp: Language, updates: ShardedUpdates
    ):
        self.optimizer = optimizer
        self.group = group
        self.nlp = nlp
        self.updates = updates
        # Of the steps so far: how many, and the bytes of gradients that each worker added up.
        self.steps = 0
        self.gradient_bytes = 0
        self._gradients: dict[Key, Gradient] = {}

    @property
    def averages(self) -> dict[Key, FloatsXd] | None:
        """RETURNS (dict[tuple[int, str], FloatsXd] | None): The averages of the weights."""
        return self.optimizer.averages

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Keep a gradient until the end of the step, and zero it.

        key (tuple[int, str]): The id of a node or shim, and the parameter's name.
        weights (FloatsXd): The weights; they stay as they are.
        gradient (FloatsXd): The gradient.
        lr_scale (float): A factor of the learning rate.
        RETURNS (tuple[FloatsXd, FloatsXd]): The weights and the gradient.
        """
        value = xp2torch(gradient).detach().to(self.group.device, torch.float32, copy=True)
        if key in self._gradients:  # a model that two components share
            value += self._gradients[key].value
        self._gradients[key] = Gradient(value, lr_scale)
        gradient *= 0
        return weights, gradient

    def step_schedules(self) -> None:
        """Finish a step: spaCy's loop calls this once all components have passed on gradients.

        RAISES (BertFamilyError): If the workers do not train the same parameters on the same data.
        """
        if self.updates.updates:  # none if a step before the checkpoint is repeated
            self._make_step()
        self.updates.step += 1
        self.optimizer.step_schedules()

    def _make_step(self) -> None:
        parameters = parameters_by_name(self.nlp)
        given, self._gradients = self._gradients, {}
        known = {parameter.key for parameter in parameters.values()}
        strange = [key for key in given if key not in known]
        if strange:
            raise Errors.B526(keys=", ".join(map(str, strange)))
        names = self._agree(parameters, given)
        values = self._add_up(parameters, names, given)
        for name, value in zip(names, values):
            parameter = parameters[name]
            gradient = given.get(parameter.key)
            lr_scale = 1.0 if gradient is None else gradient.lr_scale
            self._apply(parameter, value, lr_scale)
        self.steps += 1

    def _agree(self, parameters: dict[str, Parameter], given: dict[Key, Gradient]) -> list[str]:
        """Agree on the state after the step's updates, and on what is to be added up.

        RETURNS (list[str]): The names of the parameters that have a gradient on any worker.
        """
        mask = [parameter.key in given for parameter in parameters.values()]
        shapes = zlib.crc32(str([parameter.shape for parameter in parameters.values()]).encode())
        facts = self.group.highest(
            {
                HAS_GRADIENT: np.array(mask, dtype="int64"),
                SHAPES: np.array([shapes, -shapes]),
                **self.updates.facts(),
            }
        )
        if facts[SHAPES].sum() != 0:
            raise Errors.B527(step=self.updates.step)
        self.updates.finish_step(facts)
        return [name for name, is_used in zip(parameters, facts[HAS_GRADIENT]) if is_used]

    def _add_up(
        self, parameters: dict[str, Parameter], names: list[str], given: dict[Key, Gradient]
    ) -> list[torch.Tensor]:
        """Add up gradients in one message, zeros for those that this worker lacks.

        RETURNS (list[torch.Tensor]): The sums by name, on the group's device.
        """
        values: list[torch.Tensor] = []
        for name in names:
            gradient = given.get(parameters[name].key)
            if gradient is None:
                values.append(torch.zeros(parameters[name].shape, device=self.group.device))
            else:
                values.append(gradient.value)
        if not values:
            return []
        joined = torch.cat([value.reshape(-1) for value in values])
        self.gradient_bytes += joined.numel() * joined.element_size()
        self.group.add(joined)
        parts = joined.split([value.numel() for value in values])
        return [part.view(value.shape) for part, value in zip(parts, values)]

    def _apply(self, parameter: Parameter, gradient: torch.Tensor, lr_scale: float) -> None:
        weights: Any = parameter.get_weights()
        xp = get_array_module(weights)
        array: Any = gradient.cpu().numpy() if xp is np else torch2xp(gradient)
        stepped, _ = self.optimizer(parameter.key, weights, array, lr_scale=lr_scale)
        if stepped is not weights:
            weights[...] = stepped
