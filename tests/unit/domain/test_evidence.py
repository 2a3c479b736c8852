"""Evidence as values: bounds, hostile links, and the form that is approved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protem.domain.commands import Command
from protem.domain.errors import InvalidError
from protem.domain.evidence import MAX_DETAIL, MAX_LINK, MAX_LINKS, Evidence, EvidenceKind, Exhibit
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.offers import Narrowing, is_narrower, narrowed
from protem.domain.plans import Plan, Trait
from protem.domain.principals import PrincipalId
from protem.domain.request_wording import MANY_ROWS, changed_tables, exhibit_text, touches_many
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope

AT = datetime(2026, 1, 5, 13, 5, 1, tzinfo=UTC)
COUNTED = Exhibit(kind=EvidenceKind.DRY_RUN, at=AT, rows=3)
CHANGING = replace(COUNTED, changed=("shop.orders",))
CHANGES = Scope([Privilege(kind="table", path=("shop", "orders"), action="UPDATE")])
REVISION = RequestRevision(
    grant_id=GrantId("0" * 26),
    number=1,
    principal=PrincipalId(issuer="local", subject="dana"),
    target=TargetName("orders-db"),
    command=Command(argv=("psql",)),
    plan=Plan(scope=CHANGES),
    duration=timedelta(minutes=15),
)


def with_evidence(**what):
    """The usual revision with evidence."""
    return replace(REVISION, evidence=Evidence(**what))


@pytest.mark.parametrize(
    "link",
    [
        "http://alerts.example/1",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//alerts.example/1",
        "alerts.example",
        "",
        "https://",
        "https://user:word@alerts.example/1",
        "https://alerts.example/\u202ereversed",
        "https://alerts.example/a b\n",
        "https://alerts.example/\x1b[2J",
        "https://\u0430lerts.example/",
        "https://alerts.example/" + "x" * MAX_LINK,
    ],
)
def test_a_link_that_may_not_be_followed_is_refused(link):
    """Only https in plain characters and bounded length, or this very machine."""
    with pytest.raises(InvalidError):
        with_evidence(links=(link,))


def test_links_are_counted():
    """As many as the bound, and not one more."""
    link = "https://alerts.example/1"
    assert len(with_evidence(links=(link,) * MAX_LINKS).evidence.links) == MAX_LINKS
    with pytest.raises(InvalidError):
        with_evidence(links=(link,) * (MAX_LINKS + 1))


def test_evidence_is_part_of_what_is_approved():
    """Another link, count or moment is another digest; the form reads back to the same value."""
    link = "https://alerts.example/1"
    said = [
        REVISION,
        with_evidence(links=(link,)),
        with_evidence(links=(link + "2",)),
        with_evidence(exhibits=(COUNTED,)),
        with_evidence(exhibits=(replace(COUNTED, rows=4),)),
        with_evidence(exhibits=(CHANGING,)),
        with_evidence(exhibits=(replace(COUNTED, at=AT + timedelta(seconds=1)),)),
        with_evidence(exhibits=(replace(COUNTED, rows=None, why_not="busy"),)),
    ]
    assert len({revision.digest for revision in said}) == len(said)
    for revision in said[1:]:
        form = revision.to_json()["evidence"]
        assert Evidence.from_json(form) == revision.evidence


def test_a_request_without_evidence_reads_as_it_always_did():
    """No field says that there is none, so that digests of old requests stay the same."""
    assert "evidence" not in REVISION.to_json()


def test_an_offer_keeps_the_evidence():
    """What is taken away is time or privileges, never what speaks for the request."""
    asked = with_evidence(exhibits=(COUNTED,))
    offer = narrowed(asked, Narrowing(duration=timedelta(minutes=5)), number=2)
    assert offer.evidence == asked.evidence
    assert is_narrower(offer, asked)
    assert not is_narrower(replace(offer, evidence=Evidence()), asked)


def test_an_exhibit_says_a_count_or_why_there_is_none():
    """Neither, both, or a count below zero is no exhibit."""
    for wrong in ({"rows": None}, {"why_not": "busy"}, {"rows": -1}, {"rows": 2**60}):
        with pytest.raises(InvalidError):
            replace(COUNTED, **wrong)


def test_a_plan_over_the_bound_is_cut_loudly():
    """It is as long as the bound, and its end says that there was more."""
    long = Exhibit(kind=EvidenceKind.EXPLAIN, at=AT, rows=1, cost=1, detail="x" * (MAX_DETAIL + 1))
    assert len(long.detail) == MAX_DETAIL
    assert long.detail.endswith("the plan is longer)")


def test_an_exhibit_reads_as_one_line():
    """What would happen, to how many rows of which tables, and when that was tried."""
    said = "Would touch 3 rows of shop.orders (dry run, rolled back, 13:05:01Z)"
    assert exhibit_text(CHANGING) == said
    assert exhibit_text(replace(COUNTED, rows=1)).startswith("Would return 1 row (")
    explained = replace(COUNTED, kind=EvidenceKind.EXPLAIN, cost=20)
    assert exhibit_text(explained) == "EXPLAIN expects 3 rows, cost 20 (13:05:01Z)"
    missing = replace(COUNTED, rows=None, why_not="no\x1b[2J answer")
    assert "could not be had: no\\x1b[2J answer" in exhibit_text(missing)


def test_a_hostile_table_name_is_escaped_in_the_line():
    """A name that would reorder the line is shown as what it is, quoted as SQL would."""
    hostile = Privilege(kind="table", path=("shop", "\u202eorders"), action="DELETE")
    plan = Plan(scope=Scope([hostile]), traits=frozenset({Trait.WRITES}))
    named = replace(COUNTED, changed=changed_tables(plan))
    assert 'shop."\\u202eorders"' in exhibit_text(named)
    assert "\\u202e" in exhibit_text(replace(COUNTED, changed=("\u202e",)))


def test_only_a_command_that_writes_names_changed_tables():
    """Locking rows needs the privilege to change them, and changes nothing."""
    assert changed_tables(Plan(scope=CHANGES)) == ()
    assert changed_tables(Plan(scope=CHANGES, traits=frozenset({Trait.WRITES}))) == ("shop.orders",)


def test_many_rows_are_a_risk_when_they_change():
    """From the bound on, and only where the statement changes something."""
    assert touches_many(replace(CHANGING, rows=MANY_ROWS))
    assert not touches_many(replace(CHANGING, rows=MANY_ROWS - 1))
    assert not touches_many(replace(COUNTED, rows=MANY_ROWS))
