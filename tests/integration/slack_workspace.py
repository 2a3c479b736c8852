"""A web server that plays Slack: its Web API, its limits, its signatures and its ways back."""

import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlencode

TOKEN = "xoxb-1-canary-of-the-bot-token"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
WORKSPACE, CHANNEL = "T0001", "C0001"
FORM = "application/x-www-form-urlencoded"
_MOST = {"plain_text": 3000, "header": 150, "button": 75, "value": 2000, "confirm": 300}


class SlackWorkspace:
    """One workspace with one channel that our app is in.

    Attributes:
        messages: what each message is now, by its time stamp, in the order of posting.
        calls: method and arguments of each call of the API.
        replies: what was said to an address of ours.
        failure: status, body and headers to answer all calls with, when set.
    """

    def __init__(self):
        self.messages, self.calls, self.replies, self.failure = {}, [], [], None
        workspace = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                status, body, headers = workspace._take(self.path, self.headers, raw)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        here = f"http://127.0.0.1:{self._server.server_port}"
        self.api, self.hooks = f"{here}/api/", f"{here}/hooks/"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        """Go away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def texts(self):
        """Each message as one text, in the order of posting."""
        return [json.dumps(one, ensure_ascii=False) for one in self.messages.values()]

    def buttons(self, at=-1):
        """The buttons of a message, by what they do."""
        message = list(self.messages.values())[at]
        rows = [block for block in message["blocks"] if block["type"] == "actions"]
        return {button["action_id"]: button for row in rows for button in row["elements"]}

    def interaction(self, button, by="U0REVIEWER", **changed):
        """The payload that Slack sends for a click."""
        payload = {
            "type": "block_actions",
            "user": {"id": by, "username": "x", "team_id": WORKSPACE},
            "team": {"id": WORKSPACE, "domain": "acme"},
            "channel": {"id": CHANNEL, "name": "approvals"},
            "container": {"type": "message", "message_ts": "1.1", "channel_id": CHANNEL},
            "response_url": f"{self.hooks}actions/T0001/1/abc",
            "actions": [{"type": "button", **button}],
        }
        return {**payload, **changed}

    def _take(self, path, headers, raw):
        if self.failure is not None:
            return self.failure
        if path.startswith("/hooks/"):
            self.replies.append(json.loads(raw))
            return 200, b"ok", {}
        if headers["authorization"] != f"Bearer {TOKEN}":
            return _said({"ok": False, "error": "invalid_auth"})
        method, given = path.removeprefix("/api/"), json.loads(raw)
        self.calls.append((method, given))
        wrong = self._wrong(method, given)
        if wrong:
            return _said({"ok": False, "error": wrong})
        stamp = given.get("ts", f"17000.{len(self.messages) + 1:06d}")
        self.messages[stamp] = given
        return _said({"ok": True, "channel": CHANNEL, "ts": stamp})

    def _wrong(self, method, given):
        if given["channel"] != CHANNEL:
            return "channel_not_found"
        if method == "chat.update" and given["ts"] not in self.messages:
            return "message_not_found"
        blocks = given["blocks"]
        if len(blocks) > 50 or not all(map(_fits, blocks)):
            return "invalid_blocks"
        return "msg_blocks_too_long" if len(json.dumps(blocks)) > 13_000 else None


def signed(payload, at, secret=SIGNING_SECRET):
    """The body and headers of a payload that was sent at a moment."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, signature_headers(body, at, secret)


def signature_headers(body, at, secret=SIGNING_SECRET):
    """Sign as docs.slack.dev/authentication/verifying-requests-from-slack has it."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "content-type": FORM,
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }


def _said(answer):
    return 200, json.dumps(answer).encode(), {"content-type": "application/json"}


def _fits(block):
    if block["type"] == "header":
        return 0 < len(block["text"]["text"]) <= _MOST["header"]
    if block["type"] != "actions":
        return block["type"] == "rich_text" and all(part["elements"] for part in block["elements"])
    return all(
        len(button["text"]["text"]) <= _MOST["button"]
        and len(button.get("value", "")) <= _MOST["value"]
        and len(button.get("confirm", {"text": {"text": ""}})["text"]["text"]) <= _MOST["confirm"]
        for button in block["elements"]
    )
