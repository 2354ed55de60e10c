"""A peer that closes its half of a TLS connection, and reads on; or whose peer does. Blocking sockets: asyncio cannot.

    tls-half-close.py server --certificate FILE --key FILE    prints its port; reads to the end, then answers
    tls-half-close.py client --port PORT --authority FILE     sends, ends its half, then reads the answer
"""

import argparse
import socket
import ssl

PIECE = 64 * 1024


class TlsConnection:
    """TLS by hand over a socket: SSLSocket.unwrap() would wait for the peer's end before it lets anything be read."""

    def __init__(self, context, connection, **options):
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)
        self.wait_for(self.tls.do_handshake)

    def wait_for(self, call, *args):
        while True:
            try:
                return call(*args)
            except ssl.SSLWantReadError:
                self.flush()
                received = self.connection.recv(PIECE)
                if received:
                    self.incoming.write(received)
                else:
                    self.incoming.write_eof()
            finally:
                self.flush()

    def flush(self):
        self.connection.sendall(self.outgoing.read())

    def send(self, data):
        self.wait_for(self.tls.write, data)

    def end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def read_to_end(self):
        received = b""
        while piece := self.read():
            received += piece
        return received

    def read(self):
        try:
            return self.wait_for(self.tls.read, PIECE)
        except ssl.SSLZeroReturnError:
            return b""


parser = argparse.ArgumentParser()
parser.add_argument("side", choices=["client", "server"])
for name in "authority", "certificate", "key":
    parser.add_argument(f"--{name}")
parser.add_argument("--port", type=int)
args = parser.parse_args()
if args.side == "server":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(args.certificate, args.key)
    listening = socket.create_server(("127.0.0.1", 0))
    print("listening on", listening.getsockname()[1], flush=True)
    peer = TlsConnection(context, listening.accept()[0], server_side=True)
    assert peer.read_to_end() == b"half"
    peer.send(b"other-half")
    peer.end()
else:
    context = ssl.create_default_context(cafile=args.authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    peer = TlsConnection(context, socket.create_connection(("localhost", args.port)), server_hostname="localhost")
    peer.send(b"half")
    peer.end()
    received = peer.read_to_end()
    assert received == b"other-half", received
