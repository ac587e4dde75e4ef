#!/usr/bin/python3
# Stands in for Mailpit: takes every mail (SMTP, port 1025) and counts them (HTTP, port 8025).
#   /mailpit           serves
#   /mailpit readyz    asks whether it does
import json
import socket
import sys
import threading

subjects = []


def lines(connection):
    return connection.makefile("rb"), lambda text: connection.sendall(text.encode() + b"\r\n")


def smtp(connection):
    read, say = lines(connection)
    say("220 mailpit")
    for line in read:
        verb = line[:4].upper()
        if verb == b"DATA":
            say("354 go on")
            mail = []
            for part in read:
                if part.rstrip(b"\r\n") == b".":
                    break
                mail.append(part.decode(errors="replace").rstrip())
            subjects.append(next((part[9:] for part in mail if part.startswith("Subject: ")), ""))
            say("250 taken")
        elif verb == b"QUIT":
            say("221 goodbye")
            break
        else:
            say("250 mailpit")
    connection.close()


def http(connection):
    read, _ = lines(connection)
    words = read.readline().split()
    while read.readline().strip():
        pass
    path = words[1].decode() if len(words) > 1 else "/"
    known = {"/readyz": "ok", "/api/v1/messages": json.dumps(
        {"total": len(subjects), "messages": [{"Subject": subject} for subject in subjects]})}
    body = known.get(path, "not found").encode()
    status = "200 OK" if path in known else "404 Not Found"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)
    connection.close()


def serve(port, answer):
    listener = socket.create_server(("0.0.0.0", port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


if sys.argv[1:] == ["readyz"]:
    with socket.create_connection(("127.0.0.1", 8025), timeout=2) as asked:
        asked.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        sys.exit(0 if b" 200 " in asked.recv(64) else 1)
threading.Thread(target=serve, args=(1025, smtp), daemon=True).start()
serve(8025, http)
