"""Enough of PostgreSQL's protocol (version 3) to ask simple questions."""

import socket
import struct


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        words = b"user\0tester\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!ii", 8 + len(words), 3 << 16) + words)
        self._until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, sql):
        text = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", 4 + len(text)) + text)
        return self._until_ready()

    def _until_ready(self):
        rows = []
        while True:
            kind = self._take(1)
            (length,) = struct.unpack("!i", self._take(4))
            body = self._take(length - 4)
            if kind == b"E":
                raise RuntimeError(body)
            if kind == b"D":
                rows.append(self._row(body))
            if kind == b"Z":
                return rows

    def _row(self, body):
        (count,) = struct.unpack_from("!h", body)
        at, row = 2, []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", body, at)
            row.append(body[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return row

    def _take(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
