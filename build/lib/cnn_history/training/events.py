"""What happens at a step of a run, and how many steps are made next."""

from typing import NamedTuple

from cnn_history.experiment import Plan


class Event(NamedTuple):
    """What happens at a step.

    Attributes:
      evaluate: whether the test error is measured.
      save: whether the state is saved.
      last: whether the run ends here.
      count: the steps that the next call of the compiled program makes; 0 at the last.
    """

    evaluate: bool
    save: bool
    last: bool
    count: int


def at(step: int, plan: Plan, stride: int) -> Event:
    """Return what happens at `step`.

    The next call makes `stride` steps where it passes over no event, else one: so two compiled
    programs suffice, wherever a run was interrupted.

    Args:
      step: number of steps that have been made.
      plan: of the run; its first evaluation is before the first step.
      stride: steps that one call makes at most.
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
