"""What happens at a step of a run, and how many steps are made next."""

from typing import NamedTuple


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


def at(step: int, *, steps: int, eval_every: int, checkpoint_every: int, stride: int) -> Event:
    """Return what happens at `step`.

    The next call makes `stride` steps where it passes over no event, else one: so two compiled
    programs suffice, wherever a run was interrupted.

    Args:
      step: number of steps that have been made.
      steps: of the run.
      eval_every: steps between evaluations, of which the first is before the first step.
      checkpoint_every: steps between checkpoints.
      stride: steps that one call makes at most.
    """
    last = step == steps
    due = {every: step % every == 0 for every in (eval_every, checkpoint_every)}
    until = min(steps - step, *(every - step % every for every in due))
    whole = step % stride == 0 and until >= stride
    return Event(
        evaluate=last or due[eval_every],
        save=last or (step > 0 and due[checkpoint_every]),
        last=last,
        count=0 if last else stride if whole else 1,
    )
