"""Takes the options that Baton gives TensorBoard, and serves the names of the event files."""

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--logdir", type=Path, required=True)
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--reload_interval", type=int, required=True)
options = parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        names = "\n".join(
            ["event files:", *sorted(path.name for path in options.logdir.rglob("events.*"))]
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(names)))
        self.end_headers()
        self.wfile.write(names)


ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()
