"""Every state that a protocol can reach, breadth first, and the shortest way to one that is wrong.

Here: the search, the promises asked in every state and of every step, whether every state can still
come to an end, traces to what is wrong, and traces at random. Not here: any protocol.

Invariants: states are kept whole, not as fingerprints, so that none is taken for another; a trace
is of the fewest steps possible.
"""

from __future__ import annotations

import gc
import time
from array import array
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What a search found.

    Attributes:
        broken: the promise that does not hold, or "" when all do.
        trace: the steps to where it does not, each with the state that it leads to.
        seconds: of processor time.
    """

    states: int
    steps: int
    depth: int
    seconds: float
    broken: str = ""
    trace: list = field(default_factory=list)


def explore(protocol, promises, *, at_most: int = 5_000_000) -> Explored:
    """Visit every state; stop at the first that breaks a promise.

    Args:
        protocol: has ``initial``, ``successors``, ``canonical`` (which of several states that are
            the same but for names to keep).
        promises: has ``broken`` and ``broken_by``; ``finished`` and ``helps``: from every state
            steps that help must lead to one that is finished, or ``CAN_END`` is broken.
        at_most: give up, loudly, beyond this many states.
    """
    began = time.process_time()
    gc.disable()  # millions of small tuples and no cycle among them
    try:
        return _Search(protocol, promises, at_most).run(began)
    finally:
        gc.enable()


def wander(protocol, chance, weights: dict, *, steps: int) -> list:
    """Return a random trace: a kind of step by weight (usually 10), then any step of that kind."""
    state = chance.choice(protocol.initial())
    trace = [(None, state)]
    while len(trace) <= steps and (found := protocol.successors(state)):
        kinds = sorted({step.name for step, _ in found})
        (kind,) = chance.choices(kinds, [weights.get(name, 10) for name in kinds])
        trace.append(chance.choice([one for one in found if one[0].name == kind]))
        state = trace[-1][1]
    return trace


def follow(protocol, start, names: list) -> list:
    """Return the trace from ``start`` whose steps have these names and numbers of control planes.

    Raises:
        LookupError: when the protocol does not take one of them.
    """
    trace = [(None, start)]
    for name in names:
        found = [one for one in protocol.successors(trace[-1][1]) if one[0][:2] == name]
        if not found:
            raise LookupError(f"no {name} after {len(trace) - 1} steps")
        trace.append(found[-1])
    return trace


class _Search:
    def __init__(self, protocol, promises, at_most: int) -> None:
        self.protocol, self.promises, self.at_most = protocol, promises, at_most
        self.states = list(protocol.initial())
        self.number = {state: at for at, state in enumerate(self.states)}
        self.parents = array("i", [-1] * len(self.states))
        self.first_way = array("I")  # into ``ways``, by state
        self.ways = array("I")
        self.steps = 0

    def run(self, began: float) -> Explored:
        broken, at = self._visit_all()
        trace = [] if broken is None else self._trace(*at)
        if broken is None:
            trapped = self._trapped()
            if trapped is not None:
                broken, trace = self.promises.CAN_END, self._trace(trapped, None)
        return Explored(
            states=len(self.states),
            steps=self.steps,
            depth=self._depth(),
            seconds=time.process_time() - began,
            broken=broken or "",
            trace=trace,
        )

    def _visit_all(self):
        protocol, states, number = self.protocol, self.states, self.number
        promises, canonical = self.promises, protocol.canonical
        for at, state in enumerate(states):  # grows while it is read
            broken = promises.broken(state)
            if broken is not None:
                return broken, (at, None)
            self.first_way.append(len(self.ways))
            for step, after in protocol.successors(state):
                self.steps += 1
                broken = promises.broken_by(state, step, after)
                if broken is not None:
                    return broken, (at, (step, after))
                kept = canonical(after)
                found = number.setdefault(kept, len(states))
                if found == len(states):
                    states.append(kept)
                    self.parents.append(at)
                if promises.helps(step):
                    self.ways.append(found)
            if len(states) > self.at_most:
                raise MemoryError(f"more than {self.at_most} states; choose smaller lengths")
        return None, None

    def _trapped(self) -> int | None:
        """Return a state without a way to the end, by giving every other one a mark."""
        good = bytearray(map(self.promises.finished, self.states))
        self.first_way.append(len(self.ways))
        changed = True
        while changed:  # few rounds: most ways lead on, to states found later
            changed = False
            for at in range(len(good) - 1, -1, -1):
                if not good[at]:
                    ways = self.ways[self.first_way[at] : self.first_way[at + 1]]
                    if any(good[way] for way in ways):
                        good[at] = changed = True
        trapped = good.find(0)
        return None if trapped < 0 else trapped

    def _depth(self) -> int:
        depth, at = 0, len(self.states) - 1
        while self.parents[at] >= 0:
            depth, at = depth + 1, self.parents[at]
        return depth

    def _trace(self, at: int, last) -> list:
        path = [at]
        while self.parents[path[-1]] >= 0:
            path.append(self.parents[path[-1]])
        path.reverse()
        trace = [(None, self.states[path[0]])]
        wanted = [self.states[found] for found in path[1:]]
        if last is not None:
            wanted.append(self.protocol.canonical(last[1]))
        for want in wanted:  # by true names all the way, though the search took twins for one
            steps = self.protocol.successors(trace[-1][1])
            trace.append(next(one for one in steps if self.protocol.canonical(one[1]) == want))
        return trace
