"""End the live sessions of one client at once: kick.py NAME SOCKET... (management sockets). Prints how many.

client-kill sends the client a RESTART, so it reconnects immediately and meets what the server now thinks of it.
"""
import socket, sys


def ask(stream, command, end):
    stream.write(command + "\n")
    stream.flush()
    lines = []
    for line in stream:
        if line.startswith(">"):
            continue
        lines.append(line.rstrip())
        if line.startswith(end) or line.startswith("ERROR"):
            break
    return lines


kicked = 0
for path in sys.argv[2:]:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    try:
        s.connect(path)
    except OSError:
        continue  # not running
    with s.makefile("rw") as stream:
        rows = [r.split("\t") for r in ask(stream, "status 3", "END")]
        head = next((r for r in rows if r[:2] == ["HEADER", "CLIENT_LIST"]), [])[1:]
        for row in rows:
            if row[0] == "CLIENT_LIST":
                client = dict(zip(head[1:], row[1:]))
                if sys.argv[1] in (client["Common Name"], client["Username"], "*"):
                    ask(stream, f"client-kill {client['Client ID']}", "SUCCESS")
                    kicked += 1
print(kicked)
