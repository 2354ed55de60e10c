import asyncio


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def serve(_control):
    return asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
