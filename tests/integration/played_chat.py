"""A real HTTP server that plays Slack's Web API, or a Teams workflow, and keeps what it gets."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class PlayedChat:
    """Answers every call as it is set up to."""

    def __init__(self):
        self.status, self.headers, self.error = 200, {}, None
        self.calls, self.posted = [], set()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                method = self.path.rpartition("/")[2]
                chat.calls.append((method, json.loads(body), dict(self.headers)))
                form, stamp = chat.calls[-1][1], f"170000.{len(chat.calls):06}"
                said = {"ok": True, "ts": stamp}
                if method == "chat.postMessage":
                    chat.posted.add(stamp)
                if method == "chat.update" and form["ts"] not in chat.posted:
                    said = {"ok": False, "error": "message_not_found"}
                if chat.error is not None:
                    said = {"ok": False, "error": chat.error}
                answer = json.dumps(said).encode()
                self.send_response(chat.status)
                for name, value in chat.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def of(self, method):
        """What was sent to one method."""
        return [form for name, form, _ in self.calls if name == method]

    def stop(self):
        """Go away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
