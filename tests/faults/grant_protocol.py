"""The protocol by which a grant comes and goes, as states and steps small enough to read.

Here: two control planes that share one store, one target, the network between, a person who uses
one grant, an observer, and time. Every step is one that the real code takes in one piece: a
transaction, a call leaving, a call taking effect, an answer. Between any two steps anything else
may happen, for as long as it likes: that is delay and pause. Not here: what is promised
(``grant_promises``), the search (``explore``) and the proof that the code takes the same steps
(``replay_on_code``).

One grant is enough: leases, versions, orders and marks are of one grant each; no step reads two.
A version is a flag: whether what a control plane holds in memory is what the store holds now. Only
equality is ever asked, and a version never comes back. ``stuck`` is an ``ending`` here: the same
steps lead from both. Attempts are not counted: they only set how long a retry waits.

Assumed, not shown: a call whose answer arrived takes no effect again (TCP; a relay that repeats
answered calls needs tombstones at the target); a call takes effect at one moment, at which its
deadlines hold; the control planes agree on the time.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.protocol_state import (
    ABSENT,
    BEGINS_ENDING,
    DEAD,
    ENDED,
    ENDS,
    GONE,
    GRACE,
    HOLDS,
    IDLE,
    LIVE,
    MADE,
    NOBODY,
    NOT_ENDED,
    PROVISIONS,
    PUT_OFF,
    REFUSED,
    UNKNOWN,
    USABLE,
    Plane,
    Row,
    Rules,
    State,
    Step,
    Target,
)

_NEVER = 99
_OUTCOMES = frozenset({BEGINS_ENDING, MADE, GONE, PUT_OFF, REFUSED, UNKNOWN, NOT_ENDED})
Add = Callable[[tuple[Step, State]], None]


class GrantProtocol:
    """``successors`` is the protocol: one method for each who acts."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        shorter = 0 if rules.order_lasts_as_long_as_lease else rules.margin
        self.order = rules.lease - shorter

    def initial(self) -> list[State]:
        """Return the states a run can begin in: an approved grant, and how late the target is."""
        return [State(skew=skew) for skew in self.rules.skews]

    def successors(self, s: State) -> list[tuple[Step, State]]:
        """Return every step that can be taken now, and where it leads."""
        found: list[tuple[Step, State]] = []
        add = found.append
        self._person(s, add)
        for p in (0, 1):
            self._work(s, p, add)
            self._call(s, p, add)
            self._crash(s, p, add)
        self._network(s, add)
        self._observer(s, add)
        later = self._tick(s)
        if later != s:
            add((Step("tick"), later))
        return found

    def canonical(self, s: State) -> State:
        """Return the one of two states that differ only in which control plane is called 0."""
        one, two = s.planes
        if one < two or (one == two and s.row.owner != 1):
            return s
        owner = 1 - s.row.owner if s.row.owner in (0, 1) else s.row.owner
        return s._replace(row=s.row._replace(owner=owner), planes=(two, one))

    # A person: one transaction each, at either control plane.

    def _person(self, s: State, add: Add) -> None:
        rules, row, target = self.rules, s.row, s.target
        if row.state == "approved":  # the control planes are alike: let 0 be the one
            active = Row("provisioning", rules.term, order_left=self.order)
            add((Step("activate", 0, 1), self._lease(s, active, 0)))
        elif row.state == "active" and row.expires_left > 0 and not row.extended:
            longer = row._replace(
                expires_left=row.expires_left + rules.extension,
                told=False,
                order_left=self.order,
                due_left=0,
                extended=True,
            )
            add((Step("extend", 0, 2), s._replace(row=longer, planes=_stale(s))))
        if row.state in USABLE:
            ending = _ending(row)
            after = s._replace(row=ending, planes=_stale(s))
            for p in (0, 1):
                ours = rules.end_works_beside_own_task and row.owner == p
                if row.lease_left > 0 and not ours:
                    add((Step("revoke", p, 1), after))
                elif not s.planes[p].queued:  # of tasks that wait, one is followed
                    add((Step("revoke", p, 1), self._lease(after, ending, p)))
        if target.present and target.expires_left + s.skew > 0 and not target.session:
            add((Step("log in"), s._replace(target=target._replace(session=True))))

    # A control plane: transactions, each of which looks at the lease, and what it does by itself.

    def _work(self, s: State, p: int, add: Add) -> None:
        rules, row, me = self.rules, s.row, s.planes[p]
        free = row.lease_left == 0 or rules.claim_ignores_lease
        if row.state in LIVE and row.due_left == 0 and free and not me.queued:
            add((Step("claim", p), self._lease(s, row, p)))
        if me.phase == IDLE and me.queued:
            if row.owner == p:
                idle = s._replace(planes=_with(s, p, Plane()))
                add((Step("resume", p), self._lease(idle, row, p)))
            else:
                add((Step("resume", p), s._replace(planes=_with(s, p, Plane()))))
        elif me.phase == HOLDS:
            add((Step("begin", p), self._begin(s, p)))
        elif me.phase in _OUTCOMES:
            add(self._record(s, p))

    def _lease(self, s: State, row: Row, p: int) -> State:
        """Give ``p`` the lease on ``row``, and the row itself, once it has time for it."""
        me = s.planes[p]
        row = row._replace(owner=p, lease_left=self.rules.lease)
        if me.phase != IDLE and not self.rules.end_works_beside_own_task:
            return s._replace(row=row, planes=_with(s, p, me._replace(queued=True)))
        if me.phase != IDLE:  # the other task's call goes on; its outcome is dropped
            s = self._abandon(s, p)[-1]
        plane = Plane(
            HOLDS,
            fresh=True,
            state=row.state,
            told=row.told,
            expires_left=row.expires_left if row.state in USABLE else -GRACE,
            order_left=row.order_left,
        )
        return s._replace(row=row, planes=_with(s, p, plane))

    def _begin(self, s: State, p: int) -> State:
        """Do the first part of what is due for the grant as held; ``plan`` in the code."""
        rules, row, me = self.rules, s.row, s.planes[p]
        if me.state == "ending":
            early = row.unsettled_left + rules.margin > 0 and not rules.ended_without_settling
            call = Plane(ENDS, me.fresh, early=early, queued=me.queued)
            return s._replace(planes=_with(s, p, call))
        if me.expires_left <= 0:
            call = Plane(BEGINS_ENDING, me.fresh, queued=me.queued)
            return s._replace(planes=_with(s, p, call))
        if me.state == "active" and me.told:
            if row.owner == p:
                row = row._replace(owner=NOBODY, lease_left=0)
            return s._replace(row=row, planes=_with(s, p, Plane(queued=me.queued)))
        order_left = me.order_left
        if order_left < rules.call:
            if row.owner != p:
                return s._replace(planes=_with(s, p, Plane(queued=me.queued)))
            if not me.fresh and not rules.renew_ignores_version:
                queued = me.queued
                s = self._lease(s._replace(planes=_with(s, p, Plane())), row, p)
                return s._replace(planes=_with(s, p, s.planes[p]._replace(queued=queued)))
            order_left = self.order
            row = row._replace(lease_left=rules.lease)
        call = Plane(
            PROVISIONS,
            me.fresh,
            expires_left=me.expires_left,
            order_left=order_left,
            queued=me.queued,
        )
        return s._replace(row=row, planes=_with(s, p, call))

    def _record(self, s: State, p: int) -> tuple[Step, State]:
        """Write the outcome if lease and version are still ours; go on if more is due."""
        rules, row, me = self.rules, s.row, s.planes[p]
        s = s._replace(planes=_with(s, p, Plane(queued=me.queued)))
        if row.owner != p and not rules.record_ignores_lease:
            return Step("record", p), s
        if row.owner == p:
            row = row._replace(owner=NOBODY, lease_left=0)
        saves = 0
        if me.fresh or rules.record_ignores_version:
            row, saves = self._outcome(row, me), 1
        elif me.phase == UNKNOWN and row.state in LIVE and not rules.conflict_forgets_unsettled:
            later = max(row.unsettled_left, me.order_left)
            row, saves = row._replace(unsettled_left=later), 1
        s = s._replace(row=row, planes=_stale(s) if saves else s.planes)
        if row.state in LIVE and row.due_left <= 0 and row.lease_left == 0:
            queued, planes = me.queued, _with(s, p, Plane())
            s = self._lease(s._replace(planes=planes), row, p)
            s = s._replace(planes=_with(s, p, s.planes[p]._replace(queued=queued)))
        return Step("record", p, saves), s

    def _outcome(self, row: Row, me: Plane) -> Row:
        """Return the row after a try: the transitions of ``domain.grants``."""
        rules = self.rules
        if me.phase in (BEGINS_ENDING, REFUSED):
            return _ending(row)
        if me.phase == MADE:
            due = max(row.expires_left, 0)
            return row._replace(state="active", told=True, order_left=-GRACE, due_left=due)
        if me.phase in (UNKNOWN, PUT_OFF):
            late = me.order_left if me.phase == UNKNOWN else -GRACE
            later = max(late, row.unsettled_left)
            return row._replace(due_left=me.retry_left, unsettled_left=later)
        if me.phase == NOT_ENDED:
            return row._replace(due_left=_NEVER if rules.failed_end_is_forgotten else me.retry_left)
        early = me.early
        if rules.settling_judged_after_the_call:
            early = row.unsettled_left + rules.margin > 0
        return row._replace(due_left=row.unsettled_left + rules.margin) if early else ENDED

    # The target and the network.

    def _call(self, s: State, p: int, add: Add) -> None:
        """What becomes of a call on its way to the target, and of its answer."""
        me, retry = s.planes[p], self.rules.retry
        if me.phase == PROVISIONS:
            if self._takes(s, me.order_left, me.expires_left):
                target = _provisioned(s.target, me.expires_left)
                made = s._replace(planes=_with(s, p, me._replace(phase=MADE)), target=target)
                if self.rules.network_repeats_answered_calls:
                    made = made._replace(late=(me.order_left, me.expires_left))
                add((Step("target provisions", p), made))
            no = Plane(REFUSED, me.fresh, queued=me.queued)
            add((Step("target refuses", p), s._replace(planes=_with(s, p, no))))
        if me.phase in (PROVISIONS, MADE):
            retry = max(0, min(retry, me.expires_left))  # a retry must not hide the expiry
            lost = me._replace(phase=UNKNOWN, expires_left=-GRACE, retry_left=retry)
        elif me.phase in (ENDS, GONE):
            lost = me._replace(phase=NOT_ENDED, early=False, retry_left=retry)
        else:
            return
        if me.phase == ENDS:
            gone = s._replace(planes=_with(s, p, me._replace(phase=GONE)), target=ABSENT)
            add((Step("target ends", p), gone))
        if me.phase in (PROVISIONS, ENDS):
            later = lost if me.phase == ENDS else lost._replace(phase=PUT_OFF, order_left=-GRACE)
            add((Step("target puts off", p), s._replace(planes=_with(s, p, later))))
        for after in self._abandon(s, p):
            add((Step("give up", p), after._replace(planes=_with(s, p, lost))))

    def _takes(self, s: State, order_left: int, expires_left: int) -> bool:
        """Whether the target, by its own clock, makes what an order says."""
        rules = self.rules
        least = 0 if rules.target_deadline_off_by_one else 1
        in_time = order_left + s.skew >= least or rules.target_ignores_deadline
        return in_time and expires_left + s.skew > 0

    def _abandon(self, s: State, p: int) -> list[State]:
        """Leave the call of ``p`` to the network, which follows one late call at a time: any."""
        me = s.planes[p]
        if me.phase == ENDS:
            return [s._replace(late_end=True)]
        if me.phase != PROVISIONS or not self._takes(s, me.order_left, me.expires_left):
            return [s]
        late = s._replace(late=(me.order_left, me.expires_left))
        return [late] if s.late is None else [s, late]

    def _network(self, s: State, add: Add) -> None:
        """Late calls arrive; what ends without the store ends."""
        row, target = s.row, s.target
        if s.late is not None:
            made = _provisioned(target, s.late[1])
            add((Step("late provision"), s._replace(target=made, late=None)))
        if s.late_end:
            add((Step("late end"), s._replace(target=ABSENT, late_end=False)))
        over = row.state == "ending" or (row.state in USABLE and row.expires_left <= 0)
        swept = target.expires_left + s.skew <= 0
        if target.present and over and row.due_left == 0:
            add((Step("end unrecorded"), s._replace(target=ABSENT)))
        if target.present and swept:
            add((Step("sweep"), s._replace(target=ABSENT)))

    def _observer(self, s: State, add: Add) -> None:
        """Reads the target, then the grant, and ends what no live grant explains."""
        row, live = s.row, s.row.state in LIVE
        if self.rules.observer_reads_grants_first:
            if not live and s.saw is None:
                add((Step("look"), s._replace(saw=(True, False))))
            elif s.saw is not None:
                add((Step("end orphan"), s._replace(saw=None, target=ABSENT)))
            return
        over = row.state in USABLE and row.expires_left <= 0
        seen = (s.target.present, over)
        if any(seen) and seen != s.saw:
            add((Step("look"), s._replace(saw=seen)))
        if s.saw is None:
            return
        if s.saw[1] and row.state in USABLE:
            row = _ending(row)
            after = s._replace(row=row, planes=_stale(s), saw=None)
            add((Step("judge", saves=1), after))
        elif live or not s.saw[0]:
            add((Step("judge"), s._replace(saw=None)))
        else:
            add((Step("end orphan"), s._replace(saw=None, target=ABSENT)))

    def _crash(self, s: State, p: int, add: Add) -> None:
        """Kill a control plane and start it again: it knows nothing, and has another name."""
        rules, row, me = self.rules, s.row, s.planes[p]
        if me == Plane() and row.owner != p:
            return
        if row.owner == p:
            alive = row.lease_left > 0 and not rules.restart_drops_leases
            row = row._replace(owner=DEAD) if alive else row._replace(owner=NOBODY, lease_left=0)
        for after in self._abandon(s, p):
            plane = Plane()
            if rules.restart_resends and me.phase == PROVISIONS:
                plane = me._replace(order_left=self.order, queued=False)
            add((Step("crash", p), after._replace(row=row, planes=_with(s, p, plane))))

    def _tick(self, s: State) -> State:
        """Let time pass."""
        row, late = s.row, s.late
        if row.state in LIVE:
            lease = max(row.lease_left - 1, 0)
            row = row._replace(
                expires_left=_less(row.expires_left),
                order_left=_less(row.order_left),
                unsettled_left=_less(row.unsettled_left),
                due_left=row.due_left if row.due_left == _NEVER else max(row.due_left - 1, 0),
                lease_left=lease,
                owner=NOBODY if row.owner == DEAD and lease == 0 else row.owner,
            )
        if late is not None:
            late = (_less(late[0]), _less(late[1]))
            late = late if self._takes(s, *late) else None
        planes = [
            plane._replace(
                expires_left=_less(plane.expires_left),
                order_left=_less(plane.order_left),
                retry_left=max(plane.retry_left - 1, 0),
            )
            if plane.phase != IDLE
            else plane
            for plane in s.planes
        ]
        target = s.target
        if target.present:
            target = target._replace(expires_left=_less(target.expires_left))
        return s._replace(row=row, planes=(planes[0], planes[1]), target=target, late=late)


def _ending(row: Row) -> Row:
    return row._replace(state="ending", told=False, order_left=-GRACE, due_left=0)


def _less(left: int) -> int:
    return left - 1 if left > -GRACE else left


def _with(s: State, p: int, plane: Plane) -> tuple[Plane, Plane]:
    return (plane, s.planes[1]) if p == 0 else (s.planes[0], plane)


def _stale(s: State) -> tuple[Plane, Plane]:
    """The row has another version now: nobody holds it as it is."""
    one, two = s.planes
    return (
        one._replace(fresh=False) if one.fresh else one,
        two._replace(fresh=False) if two.fresh else two,
    )


def _provisioned(target: Target, expires_left: int) -> Target:
    """Make the privilege, or move its deadline, which only moves later."""
    return Target(True, max(target.expires_left, expires_left), target.session)
