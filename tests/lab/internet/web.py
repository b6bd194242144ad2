"""The web server of the lab: web.py ADDRESS PORT LOG. Every page is one line, the client's source address.

GET /bytes/N answers N bytes, POST answers how many bytes came; LOG gets 'epoch-seconds address method path' per request.
"""
import http.server, sys, time


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def answer(self, body):
        with open(sys.argv[3], "a") as f:
            f.write(f"{time.time():.3f} {self.client_address[0]} {self.command} {self.path}\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(body)

    def do_GET(self):
        parts = self.path.split("/")
        if len(parts) == 3 and parts[1] == "bytes" and parts[2].isdigit():
            self.answer(b"x" * min(int(parts[2]), 100_000_000))
        else:
            self.answer(self.client_address[0].encode() + b"\n")

    def do_POST(self):
        left = total = int(self.headers.get("Content-Length", 0))
        while left > 0 and (part := self.rfile.read(min(left, 65536))):
            left -= len(part)
        self.answer(f"{total - left}\n".encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
