"""How long a policy decision takes, beside the bare engine and other ways to ask.

Peers in the same process, interleaved, medians of rounds:
- the bare engine: ``cedarpy.is_authorized`` with a parsed handle of the matching policies and the
  entities of one request; told every fact, and told only those that the policies mention;
- the engine with policy text in every call;
- pycasbin, with the same rules as a model file's matcher.

Our decision is whole: question in, decision out, ``auto_approve`` included.
Usage: PYTHONPATH=src python benchmarks/policy_decision.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import casbin
import cedarpy
from measuring import figure

from protem.domain.decisions import Outcome, PolicyAction, Question
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.domain.targets import Target
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.cedar_question import cedar_question
from protem.policy.policy_folder import read_texts

SIZES = (10, 100, 1_000)
QUESTIONS = 20
MENTIONED = frozenset({"duration", "writes", "whole_table", "tags"})
"""The facts that the policies below speak of."""
CASBIN_MODEL = """
[request_definition]
r = groups, env, act, minutes, writes
[policy_definition]
p = group, env, act, minutes
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.env == p.env && r.act == p.act && p.group in r.groups && r.minutes <= whole(p.minutes) \
&& not r.writes
"""


@dataclass(frozen=True)
class Setup:
    """Everything that is timed at one number of policies."""

    ours: CedarPolicy
    text: str
    casbin: casbin.Enforcer
    questions: Sequence[Question]


def policy_text(count: int) -> str:
    """``count`` permits of the usual shape, one waiver and one forbid."""
    permits = "\n".join(
        f'@id("r{at}") @approvals("1") @approvers("owners-{at}") @max_duration("4h")\n'
        f'permit (principal in Protem::Group::"team-{at}", action == Protem::Action::"request",'
        f' resource in Protem::Label::"service=s{at}")\n'
        'when { context.duration <= duration("1h") && !context.writes };'
        for at in range(count)
    )
    return (
        permits
        + """
    @id("waive") permit (principal, action == Protem::Action::"auto_approve",
      resource in Protem::Label::"env=staging") unless { context.tags.contains("pii") };
    @id("no") forbid (principal, action == Protem::Action::"request", resource)
      when { context.whole_table && context.tags.contains("pii") };
    """
    )


def ask(at: int, *, allowed: bool) -> Question:
    """A request that policy ``at`` permits, or would but for its length."""
    groups = frozenset({GroupName(f"team-{at}"), GroupName("everyone")})
    return Question(
        action=PolicyAction.REQUEST,
        principal=Principal(
            id=PrincipalId(issuer="local", subject=f"user{at}"), display="", groups=groups
        ),
        at=datetime(2026, 1, 5, 10, tzinfo=UTC),
        target=Target(
            name=TargetName(f"db-{at}"),
            scheme="postgresql",
            labels={"env": "staging" if at % 2 else "prod", "service": f"s{at}", "owner": "dba"},
        ),
        scope=Scope(
            Privilege(kind="table", path=("shop", "orders"), action="SELECT", part=part)
            for part in ("id", "status", "customer")
        ),
        program="psql",
        duration=timedelta(minutes=30) if allowed else timedelta(hours=3),
        reason="customer 7 cannot pay",
        ticket="INC-421",
    )


def set_up(count: int) -> Setup:
    """Parse everything once."""
    model = casbin.Model()
    model.load_model_from_text(CASBIN_MODEL)
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("whole", int)
    enforcer.add_policies([[f"team-{at}", f"s{at}", "request", "60"] for at in range(count)])
    text = policy_text(count)
    numbers = [at * count // QUESTIONS for at in range(QUESTIONS)]
    return Setup(
        ours=CedarPolicy(read_texts([("bench.cedar", text)])),
        text=text,
        casbin=enforcer,
        questions=[ask(at, allowed=True) for at in numbers],
    )


def bare_calls(
    setup: Setup, facts: frozenset[str] | None = None
) -> list[tuple[dict, cedarpy.PolicySet, list]]:
    """Request, handle of the matching policies as written, and entity slice, by question.

    With ``facts``, request and entities hold these attributes alone, as ours do.
    """
    calls = []
    permits = {}
    for part in setup.text.split('@id("')[1:]:
        permits[part.partition('"')[0]] = f'@id("{part}'
    for question in setup.questions:
        asked = cedar_question(question).telling(facts)
        rule = question.target.labels["service"].replace("s", "r")
        handle = cedarpy.PolicySet.from_str(permits[rule] + permits["no"])
        request = asked.request(PolicyAction.REQUEST) | {"context": json.loads(asked.context)}
        calls.append((request, handle, json.loads(asked.entities)))
    return calls


def check(setup: Setup) -> None:
    """Refuse to time engines that do not agree."""
    calls = bare_calls(setup)
    for question, (request, handle, entities) in zip(setup.questions, calls, strict=True):
        decided = setup.ours.decide(question).outcome is not Outcome.DENIED
        assert decided
        assert cedarpy.is_authorized(request, handle, entities).allowed
        assert casbin_asks(setup, question)
    for at in range(QUESTIONS):
        question = ask(at % 10, allowed=False)
        assert setup.ours.decide(question).outcome is Outcome.DENIED
        assert not casbin_asks(setup, question)


def casbin_asks(setup: Setup, question: Question) -> bool:
    """Ask pycasbin the same."""
    labels = question.target.labels
    minutes = question.duration.total_seconds() / 60
    groups = list(question.principal.groups)
    return setup.casbin.enforce(groups, labels["service"], "request", minutes, False)


def median_us(work: Callable[[int], object], times: int) -> float:
    """Median microseconds of one call."""
    took = []
    for at in range(times):
        start = time.perf_counter_ns()
        work(at % QUESTIONS)
        took.append(time.perf_counter_ns() - start)
    return statistics.median(took) / 1_000


def measure(setups: dict[int, Setup], rounds: int) -> dict[tuple[str, int], float]:
    """Median of rounds, peers interleaved."""
    figures: dict[tuple[str, int], list[float]] = {}
    bare = {count: bare_calls(setup) for count, setup in setups.items()}
    few = {count: bare_calls(setup, MENTIONED) for count, setup in setups.items()}
    for _ in range(rounds):
        for count, setup in setups.items():
            denied = [ask(at % 10, allowed=False) for at in range(QUESTIONS)]

            def engine(at: int, calls=bare[count]) -> object:
                return cedarpy.is_authorized(*calls[at])

            def engine_few(at: int, calls=few[count]) -> object:
                return cedarpy.is_authorized(*calls[at])

            def by_text(at: int, calls=bare[count], text=setup.text) -> object:
                return cedarpy.is_authorized(calls[at][0], text, calls[at][2])

            work = {
                "bare engine": (engine, 1_000),
                "bare, few facts": (engine_few, 1_000),
                "ours": (lambda at, s=setup: s.ours.decide(s.questions[at]), 1_000),
                "ours, denied": (lambda at, s=setup, q=denied: s.ours.decide(q[at]), 500),
                "policy text": (by_text, max(20, 2_000 // count)),
                "pycasbin": (lambda at, s=setup: casbin_asks(s, s.questions[at]), 200),
            }
            for name, (call, times) in work.items():
                figures.setdefault((name, count), []).append(median_us(call, times))
    return {key: statistics.median(values) for key, values in figures.items()}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    setups = {count: set_up(count) for count in SIZES}
    for setup in setups.values():
        check(setup)
    found = measure(setups, rounds)
    print(f"{'p50, microseconds':<20}" + "".join(f"{count:>10}" for count in SIZES))
    for name in dict.fromkeys(name for name, _ in found):
        print(f"{name:<20}" + "".join(f"{found[name, count]:>10.1f}" for count in SIZES))
    ours = {count: found["ours", count] for count in SIZES}
    goals = [
        ("G1 p50 to bare engine, 100 policies", ours[100] / found["bare engine", 100], 1.5, False),
        (
            "G1 the same, told only needed facts",
            ours[100] / found["bare, few facts", 100],
            1.5,
            False,
        ),
        ("G2 p50 at 1,000 to p50 at 10", ours[1_000] / ours[10], 2.0, False),
        ("G3 rate to policy text, 100", found["policy text", 100] / ours[100], 30.0, True),
        ("G3 rate to pycasbin, 100", found["pycasbin", 100] / ours[100], 5.0, True),
    ]
    for name, ratio, goal, at_least in goals:
        figure(name[:2], name[3:], ratio, f"{'>=' if at_least else '<='}{goal:g}")


if __name__ == "__main__":
    main()
