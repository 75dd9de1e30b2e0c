"""A small engine for the gateway's tests: a real HTTP server in a process of its own.

Arguments: port, log file, and a name or nothing. What has a name waits until a file beside the log has it as suffix:
the engine before it listens, an answer whose request says ``"hold": NAME``, a stream after its first part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, log, held = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def wait_for(name: str) -> None:
    while name and not log.with_suffix(f".{name}").exists():
        time.sleep(0.01)


class Server(ThreadingHTTPServer):
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._note("")
        self._send(b"{}")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._note(content.decode())
        body = json.loads(content)
        if not body.get("stream"):
            wait_for(body.get("hold", ""))
        if body.get("die"):
            print("the engine dies of a broken heart", flush=True)
            os._exit(3)
        if body.get("stream"):
            self._stream(body["hold"])
        else:
            self._send(json.dumps({"echo": body, "environment": dict(os.environ)}).encode())

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, held: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"data: one\n\n", b"data: two\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            wait_for(held)
        self.wfile.write(b"0\r\n\r\n")

    def _note(self, content: str) -> None:
        line = {"path": self.path, "authorization": self.headers.get("Authorization", ""), "content": content}
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    # a worker of the engine's own, which must not be left behind either
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("the engine starts", flush=True)
    log.with_suffix(".made").write_text(f"{os.getpid()} {worker.pid}", encoding="utf-8")
    log.with_suffix(".made").rename(log.with_suffix(".pids"))
    wait_for(held)
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever).start()
