"""Every rota keeps the promises of ``protem.testing.rota_contract``: files and real servers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from protem.domain.instants import format_instant
from protem.domain.oncall import ScheduleName
from protem.domain.secret import Secret
from protem.rota.calendar_file import CalendarFile
from protem.rota.ics_feed import IcsFeed
from protem.rota.pagerduty import PagerDutySchedule, pagerduty_source
from protem.rota.people import People
from protem.rota.web_source import WebSource
from protem.testing.rota_contract import ANA, BEN, RotaContract, RotaUnderTest

DB = ScheduleName("db")
PEOPLE = People(accounts={"ana@example.com": ANA, "ben@example.com": BEN, "ana": ANA, "ben": BEN})


class Pages:
    """A server on this machine that answers what it is told to, and keeps what it was asked."""

    def __init__(self):
        pages = self
        self.status, self.body, self.calls = 200, b"", []
        self.answer = lambda _query: self.body

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments):
                """Say nothing."""

            def do_GET(self):
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                pages.calls.append((parts.path, query, dict(self.headers)))
                body = pages.answer(query)
                self.send_response(pages.status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        """Close the socket: from now on nobody listens there."""
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()


@pytest.fixture
def pages():
    """A server that runs for one test."""
    server = Pages()
    yield server
    server.stop()


def wall(moment):
    """A moment as a file in UTC has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


class TestCalendarFile(RotaContract):
    """A TOML file."""

    @pytest.fixture
    async def under(self, tmp_path):
        """Single shifts in UTC."""
        path = tmp_path / "rota.toml"

        async def say(shifts):
            lines = ['time_zone = "UTC"']
            for name, starts, ends in shifts:
                lines += ["[[shift]]", f'person = "{name}"']
                lines += [f"starts = {wall(starts)}", f"ends = {wall(ends)}"]
            path.write_text("\n".join(lines))

        async def break_it():
            path.write_text("[[shift")

        return RotaUnderTest(
            rota=CalendarFile(schedule=DB, path=path, people=PEOPLE), say=say, break_it=break_it
        )


def ics(shifts):
    """A calendar with one event a shift."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test"]
    for number, (name, starts, ends) in enumerate(shifts):
        lines += ["BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20260101T000000Z"]
        lines += [f"DTSTART:{starts:%Y%m%dT%H%M%SZ}", f"DTEND:{ends:%Y%m%dT%H%M%SZ}"]
        lines += [f"ATTENDEE:mailto:{name}@example.com", "SUMMARY:on call", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


class TestIcsFeed(RotaContract):
    """A calendar on a server."""

    @pytest.fixture
    async def under(self, pages):
        """Events by attendees."""

        async def say(shifts):
            pages.body = ics(shifts)

        async def break_it():
            pages.stop()

        rota = IcsFeed(
            schedule=DB, address=f"{pages.url}/feed.ics", people=PEOPLE, web=WebSource("calendar")
        )
        yield RotaUnderTest(rota=rota, say=say, break_it=break_it)
        await rota.close()


def oncalls(shifts, query):
    """What PagerDuty answers: pages of entries, in the shape of its documentation."""
    offset = int(query["offset"][0])
    entries = [
        {
            "user": {
                "id": f"P{name.upper()}",
                "type": "user",
                "summary": name.title(),
                "email": f"{name}@example.com",
            },
            "schedule": {"id": "PI7DH85", "type": "schedule_reference", "summary": "DB"},
            "escalation_policy": {"id": "PT20YPA", "type": "escalation_policy_reference"},
            "escalation_level": 1,
            "start": format_instant(starts),
            "end": format_instant(ends),
        }
        for name, starts, ends in shifts
    ]
    elsewhere = [dict(entry, schedule={"id": "PELSE"}) for entry in entries[:1]]
    nowhere = [dict(entry, schedule=None, start=None, end=None) for entry in entries[:1]]
    all_of_them = entries + elsewhere + nowhere
    first, rest = all_of_them[:2], all_of_them[2:]
    more = offset == 0 and bool(rest)
    page = first if offset == 0 else rest
    return {"oncalls": page, "limit": 100, "offset": offset, "more": more, "total": None}


class TestPagerDuty(RotaContract):
    """PagerDuty's API, answered from its documented shape by a server on this machine."""

    @pytest.fixture
    async def under(self, pages):
        """Entries in pages."""

        async def say(shifts):
            pages.answer = lambda query: json.dumps(oncalls(shifts, query)).encode()

        async def break_it():
            pages.status = 503

        rota = PagerDutySchedule(
            schedule=DB,
            schedule_id="PI7DH85",
            people=PEOPLE,
            web=pagerduty_source(Secret("y_NbAkKc66ryYTWUXYEu")),
            api=pages.url,
        )
        yield RotaUnderTest(rota=rota, say=say, break_it=break_it)
        await rota.close()
