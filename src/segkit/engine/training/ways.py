"""How training goes, as plugins: the optimizers and schedules that segkit brings. Torch-free."""

from __future__ import annotations

from segkit.api import Optimizer, Schedule

_OPTIM, _RATE = "segkit.engine.training.optim", "segkit.engine.training.schedule"

ADAMW = Optimizer("adamw", "Adam with decoupled weight decay.", f"{_OPTIM}:make_adamw")
ADAM = Optimizer("adam", "Adam with the decay in the gradient.", f"{_OPTIM}:make_adam")
SGD = Optimizer("sgd", "Gradient descent with momentum.", f"{_OPTIM}:make_sgd")

CONSTANT = Schedule("constant", "One rate throughout.", f"{_RATE}:constant")
STEP = Schedule("step", "A factor every so many epochs.", f"{_RATE}:step")
POLY = Schedule("poly", "A power of the share of epochs that is left.", f"{_RATE}:poly")
COSINE = Schedule("cosine", "Half a cosine, down to the floor.", f"{_RATE}:cosine")
COSINE_RESTARTS = Schedule(
    "cosine_restarts", "Cosines, one after the other.", f"{_RATE}:cosine_restarts"
)
PLATEAU = Schedule("plateau", "Lower when the validation score stands still.", f"{_RATE}:constant")
