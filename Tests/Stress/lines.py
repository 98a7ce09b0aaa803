"""A line between a server and what it stands on, in our hands: bytes pass, wait, come late, or the line is cut. Loopback only."""

import select
import socket
import threading
import time


class Line:
    def __init__(self, target):
        self.target = target  # a port on loopback
        self.delay, self.is_cut = 0.0, False
        self.passes, self.returns = threading.Event(), threading.Event()  # what is asked, and what is answered
        self.go()
        self.open, self.lock = set(), threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                here.close()
                continue
            try:
                there = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                here.close()
                continue
            with self.lock:
                self.open.update((here, there))
            for source, sink, gate in ((here, there, self.passes), (there, here, self.returns)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink, gate), daemon=True).start()

    def _pump(self, source, sink, gate):
        try:
            while True:
                select.select([source], [], [])
                gate.wait()
                data = source.recv(65_536)
                if not data:
                    break
                if self.delay:
                    time.sleep(self.delay)
                # What was read while the line was being held goes on when it is let go.
                gate.wait()
                sink.sendall(data)
        except (OSError, ValueError):
            pass
        self._end(source, sink)

    def _end(self, *ends):
        for end in ends:
            with self.lock:
                self.open.discard(end)
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def hold(self):
        """Nothing comes through, and nobody is told."""
        self.passes.clear()
        self.returns.clear()

    def hold_answers(self):
        """What is asked comes through, and no answer."""
        self.returns.clear()

    def go(self):
        self.is_cut = False
        self.passes.set()
        self.returns.set()

    def cut(self):
        """Every connection ends, and none can be made."""
        self.is_cut = True
        self.passes.set()
        self.returns.set()
        with self.lock:
            ends = list(self.open)
        self._end(*ends)

    def close(self):
        self.listener.close()
        self.cut()
