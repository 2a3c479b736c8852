"""What every planner promises, as a test class.

Here: promises that hold for any kind of target. Not here: what a language means; each planner has
its own tests of sufficiency and minimality.

To use it: derive a class named ``Test...`` in ``tests/contracts`` and give it a ``case`` fixture.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from protem.domain.commands import Command
from protem.domain.errors import InvalidError, UnplannableError
from protem.ports.planner import Planner


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerCase:
    """A planner and commands of its language.

    Attributes:
        plannable: commands that need at least one privilege each, no two the same scope.
        unplannable: well formed, but only a profile would allow it.
        rejected: something that the target does not accept.
    """

    planner: Planner
    plannable: tuple[Command, ...]
    unplannable: Command
    rejected: Command


class PlannerContract:
    """The promises."""

    @pytest.fixture
    def case(self) -> PlannerCase:
        """Return the planner under test and its commands; override it."""
        raise NotImplementedError

    async def test_a_command_has_a_scope(self, case: PlannerCase) -> None:
        """A plannable command yields privileges and the statements that will run."""
        for command in case.plannable:
            plan = await case.planner.plan(command)
            assert plan.scope
            assert plan.statements

    async def test_the_same_command_has_the_same_plan(self, case: PlannerCase) -> None:
        """Planning twice gives equal plans and equal digests."""
        for command in case.plannable:
            first, second = [await case.planner.plan(command) for _ in range(2)]
            assert first == second
            assert first.scope.digest == second.scope.digest

    async def test_different_needs_differ(self, case: PlannerCase) -> None:
        """Commands with different needs have different scopes."""
        digests = {(await case.planner.plan(c)).scope.digest for c in case.plannable}
        assert len(digests) == len(case.plannable)

    async def test_what_everyone_holds_is_part_of_the_scope(self, case: PlannerCase) -> None:
        """``held_by_everyone`` is a subset of the scope."""
        for command in case.plannable:
            plan = await case.planner.plan(command)
            assert plan.held_by_everyone <= plan.scope.privileges

    async def test_a_refusal_says_what_would_allow_it(self, case: PlannerCase) -> None:
        """An unplannable command names a next step."""
        with pytest.raises(UnplannableError) as caught:
            await case.planner.plan(case.unplannable)
        assert caught.value.message
        assert caught.value.next_step

    async def test_another_program_is_unplannable(self, case: PlannerCase) -> None:
        """A command of another language is refused, never guessed at."""
        with pytest.raises(UnplannableError):
            await case.planner.plan(Command(argv=("no-such-program-anywhere", "-x")))

    async def test_a_rejected_command_is_invalid(self, case: PlannerCase) -> None:
        """What the target rejects is invalid, and not unplannable."""
        with pytest.raises(InvalidError) as caught:
            await case.planner.plan(case.rejected)
        assert not isinstance(caught.value, UnplannableError)

    async def test_an_error_leaves_no_trace(self, case: PlannerCase) -> None:
        """After any refusal the planner answers as before."""
        before = await case.planner.plan(case.plannable[0])
        for command in (case.unplannable, case.rejected):
            with pytest.raises(InvalidError):
                await case.planner.plan(command)
        assert await case.planner.plan(case.plannable[0]) == before

    async def test_plans_can_be_made_at_the_same_time(self, case: PlannerCase) -> None:
        """Concurrent plans do not mix."""
        alone = [await case.planner.plan(command) for command in case.plannable]
        together = await asyncio.gather(*map(case.planner.plan, case.plannable * 4))
        assert together == alone * 4

    async def test_closing_twice_is_harmless(self, case: PlannerCase) -> None:
        """``close`` can be called again."""
        await case.planner.plan(case.plannable[0])
        await case.planner.close()
        await case.planner.close()
