"""A stand-in of Conductor: hands out what was put there, takes results, and takes back what it hears no more of."""

import asyncio
import json
import sys
import time
from collections import deque
from urllib.parse import parse_qs, urlsplit

from tests.bench.fixed_answer import whole

TIMEOUT = 5.0
"""Seconds after which a task without a result is handed out again."""

TASK = {"taskType": "nothing", "taskDefName": "nothing", "status": "IN_PROGRESS", "workflowInstanceId": "w"}


class Queue:
    """The tasks that wait, and those that are out."""

    def __init__(self):
        self.waiting = deque()
        self.out = {}
        self.wanted = deque()

    def add(self, number):
        self.waiting.append(number)
        while self.wanted and self.waiting:
            future = self.wanted.popleft()
            if not future.done():
                future.set_result(None)
                break

    async def poll(self, most, patience):
        """Tasks, at once or as soon as there is one; none when the patience is over."""
        self._take_back()
        if not self.waiting:
            future = asyncio.get_running_loop().create_future()
            self.wanted.append(future)
            await asyncio.wait([future], timeout=patience)
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        self.out.update(dict.fromkeys(taken, time.monotonic()))
        return [TASK | {"taskId": str(number), "inputData": {"number": number}} for number in taken]

    def end(self, number):
        self.out.pop(number, None)

    def _take_back(self):
        now = time.monotonic()
        late = [number for number, at in self.out.items() if now - at > TIMEOUT]
        for number in late:
            del self.out[number]
        self.waiting.extend(late)


class Conversation(asyncio.Protocol):
    """One connection; a request at a time."""

    def __init__(self, queue):
        self.queue = queue
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while (length := whole(self.data)) is not None:
            request, self.data = self.data[:length], self.data[length:]
            head, _, body = request.partition(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            self._serve(method, urlsplit(target), body)

    def _serve(self, method, target, body):
        if "/poll/" in target.path:
            asked = parse_qs(target.query)
            most, patience = int(asked["count"][0]), int(asked.get("timeout", ["0"])[0]) / 1000
            self.polling = asyncio.ensure_future(self._poll(most, patience))
        elif target.path == "/bench/add":
            self.queue.add(int(body))
            self._answer(200, b"{}")
        elif target.path == "/api/tasks" and method == "POST":
            self.queue.end(int(json.loads(body)["taskId"]))
            self._answer(200, b'"w"')
        else:
            self._answer(404, b"{}")

    async def _poll(self, most, patience):
        self._answer(200, json.dumps(await self.queue.poll(most, patience)).encode())

    def _answer(self, status, body):
        head = (
            f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)


async def main():
    queue = Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(queue), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
