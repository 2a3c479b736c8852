"""Calendars of rotas: turns over a change of clocks, overrides, hostile feeds."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from protem.domain.errors import InvalidError, RefusedError, RetryLaterError
from protem.domain.oncall import ScheduleName
from protem.domain.secret import Secret
from protem.rota.calendar_file import CalendarFile
from protem.rota.ics_feed import IcsFeed
from protem.rota.pagerduty import PagerDutySchedule, pagerduty_source
from protem.rota.people import People
from protem.rota.web_source import checked_address
from protem.testing.rota_contract import ANA, BEN

DB = ScheduleName("db")
PEOPLE = People(accounts={"ana": ANA, "ben": BEN, "ana@example.com": ANA, "ben@example.com": BEN})
BERLIN = ZoneInfo("Europe/Berlin")
TURNS = """
time_zone = "Europe/Berlin"
[[rotation]]
people = ["ana", "ben"]
starts = 2026-10-19T09:00:00
"""


def berlin(*parts):
    """A moment by the clock in Berlin."""
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)


async def on_call(tmp_path, text, moment):
    """Who is on call at a moment, read a day before."""
    path = tmp_path / "rota.toml"
    path.write_text(text)
    rota = CalendarFile(schedule=DB, path=path, people=PEOPLE)
    answer = await rota.shifts(now=moment - timedelta(days=1), until=moment + timedelta(days=1))
    return answer.on_call(moment)


async def test_a_turn_begins_at_the_same_time_by_the_wall_in_winter(tmp_path):
    """The clocks go back on 2026-10-25; the handover on the 26th is at 09:00 there, 08:00 UTC."""
    handover = berlin(2026, 10, 26, 9, 0)
    assert handover == datetime(2026, 10, 26, 8, 0, tzinfo=UTC)
    assert await on_call(tmp_path, TURNS, handover - timedelta(seconds=1)) == {ANA}
    assert await on_call(tmp_path, TURNS, handover) == {BEN}
    assert await on_call(tmp_path, TURNS, berlin(2026, 11, 2, 9, 0)) == {ANA}


async def test_before_the_first_turn_nobody_is_on_call(tmp_path):
    """And long after it the turns still go round."""
    assert await on_call(tmp_path, TURNS, berlin(2026, 10, 19, 8, 59)) == frozenset()
    assert await on_call(tmp_path, TURNS, berlin(2046, 10, 22, 9, 0)) in ({ANA}, {BEN})


async def test_a_handover_that_the_clocks_skip_happens_once(tmp_path):
    """02:30 does not come on 2026-03-29; somebody is on call all the time, one at a time."""
    text = TURNS.replace("2026-10-19T09:00:00", "2026-03-28T02:30:00") + "days = 1\n"
    moment = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    seen = []
    for _ in range(12):
        (who,) = await on_call(tmp_path, text, moment)
        seen.append(who)
        moment += timedelta(minutes=15)
    changes = [one for one, after in pairwise(seen) if one != after]
    assert (seen[0], seen[-1], len(changes)) == (ANA, BEN, 1)


async def test_an_override_takes_the_place_of_the_turn(tmp_path):
    """For as long as it lasts, and the rest of the turn stays."""
    text = TURNS + (
        '[[override]]\nperson = "ben"\nstarts = 2026-10-20T09:00:00\nends = 2026-10-21T09:00:00\n'
    )
    assert await on_call(tmp_path, text, berlin(2026, 10, 20, 8, 0)) == {ANA}
    assert await on_call(tmp_path, text, berlin(2026, 10, 20, 9, 0)) == {BEN}
    assert await on_call(tmp_path, text, berlin(2026, 10, 21, 9, 0)) == {ANA}


@pytest.mark.parametrize(
    "text",
    [
        "", "time_zone = 'Mars/Olympus'", "time_zone = 1", "nonsense", "time_zone = 'UTC'\nx = 1",
        "time_zone = 'UTC'\n[[rotation]]\npeople = []\nstarts = 2026-01-01T00:00:00",
        "time_zone = 'UTC'\n[[rotation]]\npeople = ['a']\nstarts = 2026-01-01T00:00:00Z",
        "time_zone = 'UTC'\n[[rotation]]\npeople = ['a']\nstarts = 2026-01-01T00:00:00\ndays = 0",
        "time_zone = 'UTC'\n[[shift]]\nperson = 'a'\nstarts = 2026-01-02\nends = 2026-01-01",
        "time_zone = 'UTC'\n[[rotation]]\npeople = ['a']\nstarts = 9999-12-31T00:00:00\ndays = 366",
    ],
)  # fmt: skip
async def test_a_file_that_is_wrong_is_refused_by_its_key(tmp_path, text):
    """Never read as an empty rota; a rotation that begins when time ends is nobody's."""
    try:
        assert await on_call(tmp_path, text, berlin(2026, 10, 20, 8, 0)) == frozenset()
    except RefusedError:
        return
    assert "9999" in text


async def test_a_file_may_name_accounts_as_they_are(tmp_path):
    """Written for Protem, it needs no mapping; an odd name leads nowhere."""
    path = tmp_path / "rota.toml"
    path.write_text(TURNS.replace('"ben"', '"zoe", "a b", "https://idp|1"'))
    own = People(accounts={"ana": ANA}, issuer="local")
    rota = CalendarFile(schedule=DB, path=path, people=own)
    answer = await rota.shifts(now=berlin(2026, 10, 20), until=berlin(2026, 11, 20))
    assert [str(shift.person) for shift in answer.shifts] == [
        "local|ana", "local|zoe", "https://idp|1", "local|ana",
    ]  # fmt: skip
    assert answer.unknown == ("a b",)


def calendar(*events, head=""):
    """A calendar of raw events."""
    body = "".join(f"BEGIN:VEVENT\nUID:{n}\n{text}\nEND:VEVENT\n" for n, text in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{head}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


async def from_ics(tmp_path, text, moment, zone="Europe/Berlin"):
    """Who is on call at a moment by a calendar."""
    path = tmp_path / "feed.ics"
    path.write_text(text)
    rota = IcsFeed(schedule=DB, address=path, people=PEOPLE, zone=ZoneInfo(zone))
    answer = await rota.shifts(now=moment, until=moment + timedelta(hours=12))
    return {who.subject for who in answer.on_call(moment)}, answer.unknown


WEEKLY = (
    "DTSTART;TZID=Europe/Berlin:20261019T090000\nDTEND;TZID=Europe/Berlin:20261020T090000\n"
    "RRULE:FREQ=WEEKLY\nSUMMARY:ana"
)


@pytest.mark.parametrize(
    ("moment", "who"),
    [
        (berlin(2026, 10, 26, 8, 59), set()),
        (berlin(2026, 10, 26, 9, 0), {"ana"}),
        (berlin(2026, 10, 27, 8, 59), {"ana"}),
        (berlin(2026, 10, 27, 9, 0), set()),
    ],
)
async def test_recurring_events_follow_the_wall(tmp_path, moment, who):
    """Weekly at 09:00 there, before and after the clocks were put back."""
    assert (await from_ics(tmp_path, calendar(WEEKLY), moment))[0] == who


async def test_times_without_a_zone_are_by_the_settings(tmp_path):
    """And a day is from midnight to midnight there."""
    floating = "DTSTART:20261020T090000\nDTEND:20261020T170000\nSUMMARY:Ana"
    whole_day = "DTSTART;VALUE=DATE:20261020\nDTEND;VALUE=DATE:20261021\nSUMMARY:ben"
    text = calendar(floating, whole_day)
    assert (await from_ics(tmp_path, text, berlin(2026, 10, 20, 9, 0)))[0] == {"ana", "ben"}
    assert (await from_ics(tmp_path, text, berlin(2026, 10, 20, 8, 59)))[0] == {"ben"}
    assert (await from_ics(tmp_path, text, berlin(2026, 10, 21, 0, 0)))[0] == set()


async def test_cancelled_and_declined_put_nobody_on_call(tmp_path):
    """Several attendees are several people; a title does not stand in for who declined."""
    when = "DTSTART:20261020T000000Z\nDTEND:20261021T000000Z\n"
    events = [
        when + "STATUS:CANCELLED\nSUMMARY:ana",
        when + "ATTENDEE;PARTSTAT=DECLINED:mailto:ana@example.com\nSUMMARY:ana",
        when + "ATTENDEE:mailto:x@example.com\nATTENDEE:MAILTO:Ben@example.com\nSUMMARY:ana",
    ]
    found = await from_ics(tmp_path, calendar(*events), berlin(2026, 10, 20, 9, 0))
    assert found == ({"ben"}, ("x@example.com",))


@pytest.mark.parametrize(
    "text",
    [
        "", "not a calendar", "BEGIN:VCALENDAR", "\x00\xff",
        calendar(WEEKLY.replace("WEEKLY", "SECONDLY")),
        calendar(WEEKLY.replace("WEEKLY", "DAILY;BYSECOND=1,2,3")),
        calendar(WEEKLY.replace("WEEKLY", "NEVER")),
        calendar(WEEKLY.replace("20261019T090000", "99999999T999999")),
    ],
)  # fmt: skip
async def test_hostile_calendars_are_refused(tmp_path, text):
    """By one error, in time, never as an empty rota."""
    with pytest.raises(RefusedError):
        await from_ics(tmp_path, text, berlin(2026, 10, 26, 9, 0))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "ftp://x",
        "https://",
        "https://u:p@x/",
        "file:///etc/passwd",
        "[",
        "",
    ],
)
def test_a_rota_is_read_over_tls_only(url):
    """Or from this machine."""
    with pytest.raises(InvalidError):
        checked_address(url)
    assert checked_address("https://example.com/x?token=1")
    assert checked_address("http://127.0.0.1:1/x")


async def test_nothing_listens_and_the_token_is_in_no_error():
    """A rota that is down says so without its key."""
    web = pagerduty_source(Secret("y_secret"))
    rota = PagerDutySchedule(
        schedule=DB, schedule_id="P1", people=PEOPLE, web=web, api="http://127.0.0.1:9"
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(RetryLaterError) as caught:
        await rota.shifts(now=now, until=now + timedelta(days=1))
    assert "y_secret" not in repr(caught.value) + str(caught.value)
    await rota.close()
