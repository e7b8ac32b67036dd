"""A base server that costs as little as Python allows, in a process of its own: what is measured is its client."""

import argparse
import asyncio
import json
import socket
import time
from collections import deque

from tests.bench.fixed_answer import whole

CLAIM_TIMEOUT = 20.0

TASK = {
    "status": "processing",
    "created_at": "2026-11-23T10:00:00Z",
    "claimed_at": "2026-11-23T10:00:01Z",
    "completed_at": None,
    "result": None,
    "error": None,
}
HEALTHY = b'{"status": "healthy"}'
SUCCESS = b'{"status": "success"}'
NOTHING = b"null"
TAKEN = b'{"detail": "not, or no longer, yours"}'


class Tasks:
    """The tasks that wait, and who has the others."""

    def __init__(self, task_type):
        self.type = task_type
        self.added = 0
        self.waiting = deque()
        self.owners = {}
        self._claimed = deque()

    def add(self, tasks):
        self.waiting.extend(range(self.added, self.added + tasks))
        self.added += tasks

    def claim(self, worker_id):
        self._take_back()
        if not self.waiting:
            return 200, NOTHING
        number = self.waiting.popleft()
        task_id = f"00000000-0000-4000-8000-{number:012}"
        self.owners[task_id] = worker_id
        self._claimed.append((time.monotonic() + CLAIM_TIMEOUT, number, task_id))
        more = {"id": task_id, "type": self.type, "params": {"number": number}, "worker_id": worker_id}
        return 200, json.dumps(TASK | more).encode()

    def end(self, task_id, worker_id):
        if self.owners.get(task_id) != worker_id:
            return 409, TAKEN
        del self.owners[task_id]
        return 200, SUCCESS

    def _take_back(self):
        """Tasks whose claim was forgotten wait again."""
        while self._claimed and self._claimed[0][0] < time.monotonic():
            _until, number, task_id = self._claimed.popleft()
            if self.owners.pop(task_id, None):
                self.waiting.append(number)


class Conversation(asyncio.Protocol):
    """One connection.

    Args:
        pieces: Whether head and body of an answer are written apart, the second one held back until the first is
            acknowledged, as by a server that leaves Nagle's algorithm on.
    """

    def __init__(self, tasks, *, pieces):
        self._tasks = tasks
        self._pieces = pieces
        self._data = b""

    def connection_made(self, transport):
        self._transport = transport
        if self._pieces:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)

    def data_received(self, data):
        self._data += data
        while (length := whole(self._data)) is not None:
            request, self._data = self._data[:length], self._data[length:]
            head, _, body = request.partition(b"\r\n\r\n")
            status, answer = self._answer(head.split(b" ", 2)[1].decode(), body)
            self._write(b"HTTP/1.1 %d OK\r\n" % status, answer)

    def _answer(self, path, body):
        if path == "/api/health":
            return 200, HEALTHY
        said = json.loads(body)
        if path == "/api/tasks/claim":
            return self._tasks.claim(said["worker_id"])
        if path == "/bench/add":
            self._tasks.add(said)
            return 200, SUCCESS
        return self._tasks.end(path.split("/")[3], said["worker_id"])

    def _write(self, line, body):
        head = line + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if self._pieces:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)


async def main():
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("type", help="of its tasks")
    made.add_argument("--pieces", action="store_true", help="write each answer in two")
    given = made.parse_args()
    tasks = Tasks(given.type)
    server = await asyncio.get_running_loop().create_server(
        lambda: Conversation(tasks, pieces=given.pieces), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
