"""Evaluations, checkpoints and the end of a run, by step."""

from typing import NamedTuple

from cnn_history.experiment import Plan


class Event(NamedTuple):
    """The events of a step.

    Attributes:
      evaluate: whether to measure the test error.
      save: whether to save the state.
      last: whether the run ends here.
      count: number of steps in the next call of the compiled program; 0 at the last step.
    """

    evaluate: bool
    save: bool
    last: bool
    count: int


def at(step: int, plan: Plan, stride: int) -> Event:
    """Return the events of `step`.

    The next call makes `stride` steps if there is no event among them, otherwise one. So two
    compiled programs suffice, wherever a run was interrupted.

    Args:
      step: number of steps made.
      plan: plan of the run; its first evaluation is before the first step.
      stride: most steps per call.
    """
    last = step == plan.steps
    every = plan.eval_every, plan.checkpoint_every
    until = min(plan.steps - step, *(n - step % n for n in every))
    whole = step % stride == 0 and until >= stride
    return Event(
        evaluate=last or step % plan.eval_every == 0,
        save=last or (step > 0 and step % plan.checkpoint_every == 0),
        last=last,
        count=0 if last else stride if whole else 1,
    )
