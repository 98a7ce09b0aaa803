"""Who sits before a directory and lies: real sockets, real TLS, answers put together by hand."""

import socket
import ssl
import threading
import time

SUCCESS = b"\x0a\x01\x00\x04\x00\x04\x00"


def message(number, operation):
    body = b"\x02\x01" + bytes([number]) + operation
    return b"\x30\x84" + len(body).to_bytes(4, "big") + body


def bound(number):
    return message(number, b"\x61\x07" + SUCCESS)


def done(number):
    return message(number, b"\x65\x07" + SUCCESS)


def entry(number, name=b"uid=eve,dc=example,dc=com"):
    values = b"\x31\x05\x04\x03u-1"
    pair = b"\x30" + bytes([len(b"\x04\x09entryUUID" + values)]) + b"\x04\x09entryUUID" + values
    body = b"\x04" + bytes([len(name)]) + name + b"\x30" + bytes([len(pair)]) + pair
    return message(number, b"\x64" + bytes([len(body)]) + body)


# What each says to (operation, number); None: as a server that lets everybody in and knows one person.
LIES = {
    "StartTLS refused": lambda tag, number: message(number, b"\x78\x07\x0a\x01\x02\x04\x00\x04\x00") if tag == 0x77 else None,
    "StartTLS answered, and a yes slipped in": lambda tag, number: (
        message(number, b"\x78\x07" + SUCCESS) + bound(number + 1) + entry(number + 2) + done(number + 2)) if tag == 0x77 else None,
    "StartTLS answered, then no TLS": lambda tag, number: "plain" if tag == 0x77 else None,
    "silence": lambda tag, number: b"" if tag == 0x60 else None,
    "the end": lambda tag, number: "end" if tag == 0x60 else None,
    "the yes to another question": lambda tag, number: bound(number + 5) if tag == 0x60 else None,
    "two people": lambda tag, number: entry(number) + entry(number, b"uid=mallory,dc=example,dc=com") + done(number) if tag == 0x63 else None,
    "a person without a name": lambda tag, number: entry(number, b"") + done(number) if tag == 0x63 else None,
    "people without end": lambda tag, number: entry(number) * 3_000 if tag == 0x63 else None,
    "a message of two gigabytes": lambda tag, number: b"\x30\x84\x7f\xff\xff\xff" + b"x" * 500_000 if tag == 0x63 else None,
    "nonsense": lambda tag, number: b"HTTP/1.1 200 OK\r\n\r\n" if tag == 0x60 else None,
    "a drip": lambda tag, number: "drip" if tag == 0x63 else None,
}


class Liar:
    def __init__(self, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.lie, self.clear = self.listener.getsockname()[1], None, bytearray()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(30)
        isEncrypted = False
        try:
            while True:
                data = connection.recv(65_536)
                if not data:
                    return
                if not isEncrypted:
                    self.clear += data
                # 30 LEN 02 01 ID OP …; questions are short enough for one piece.
                start = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
                number, tag = data[start + 2], data[start + 3]
                said = LIES[self.lie](tag, number)
                if tag == 0x77 and said is None:
                    connection.sendall(message(number, b"\x78\x07" + SUCCESS))
                    connection, isEncrypted = self.context.wrap_socket(connection, server_side=True), True
                elif said == "plain":
                    connection.sendall(message(number, b"\x78\x07" + SUCCESS))
                    connection.sendall(b"220 this is no TLS\r\n" * 50)
                elif said == "end":
                    return
                elif said == "drip":
                    for byte in entry(number) * 100:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.2)
                elif said is not None:
                    connection.sendall(said)
                elif tag == 0x60:
                    connection.sendall(bound(number))
                elif tag == 0x63:
                    connection.sendall(done(number))
        except (OSError, ssl.SSLError, IndexError):
            pass
        finally:
            connection.close()
