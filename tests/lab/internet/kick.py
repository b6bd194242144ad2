"""End the live sessions of one client at once, or tell it something: kick.py NAME [--say TEXT] SOCKET... (management
sockets). Prints to how many sessions it was done.

client-kill sends the client a RESTART, so it reconnects immediately and meets what the server now thinks of it.
client-pending-auth is the one command by which a server sends a client words of its own choice (INFO_PRE). It wants the number of
the session's key, which nothing tells: the first few are tried, and what goes to a session that is not there goes nowhere.
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
name, paths, words = sys.argv[1], sys.argv[2:], None
if paths[:1] == ["--say"]:
    words, paths = paths[1], paths[2:]
for path in paths:
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
                if name in (client["Common Name"], client["Username"], "*"):
                    number = client["Client ID"]
                    orders = [f"client-kill {number}"]
                    if words is not None:
                        orders = [f'client-pending-auth {number} {key} "{words}" 10' for key in range(8)]
                    answers = [ask(stream, order, "SUCCESS") for order in orders]
                    kicked += any(answer and answer[-1].startswith("SUCCESS") for answer in answers)
print(kicked)
