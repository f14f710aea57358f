#!/usr/bin/env python3
"""A stand-in for MiniMax that answers with fixed bytes, as fast as Python can, for the measurements in this folder.

It knows nothing of the sandbox: a server that is measured against it gets what the wire asks for and no more. It listens on
two ports, one of them with TLS where a certificate is given, and prints their addresses as a line of JSON.

    python3 bench/fake_minimax.py [CERTIFICATE KEY]

`POST /control` sets how long an answer and a download take, and how long a task runs; `GET /control` counts the requests by path, lists
the tasks, and says when each was asked about.
"""

import asyncio
import collections
import itertools
import json
import ssl
import sys
import time
import urllib.parse
import zlib

VIDEO_BYTES = 200_000_000
# A frame of silence: MPEG 1, layer 3, 128 kbit/s, 32 kHz, mono.
SPEECH = (bytes([0xFF, 0xFB, 0x98, 0xC0]) + bytes(572)) * 6
CHUNK = bytes(1 << 20)


def picture():
    """A grey PNG of 512 x 512 pixels."""

    def part(name, data):
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    side = 512
    head = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x80" * side) * side)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def film_head():
    """The start of an MP4: its type, and a box for everything that follows."""
    kind = b"ftypisom" + (512).to_bytes(4, "big") + b"isommp42"
    kind = (len(kind) + 4).to_bytes(4, "big") + kind
    return kind + (VIDEO_BYTES - len(kind)).to_bytes(4, "big") + b"mdat"


PICTURE, FILM_HEAD = picture(), film_head()
GOOD = {"status_code": 0, "status_msg": "success"}
SPEECH_ANSWER = {
    "data": {"audio": SPEECH.hex(), "status": 2},
    "extra_info": {
        "audio_length": 108, "audio_sample_rate": 32000, "audio_size": len(SPEECH), "bitrate": 128000,
        "word_count": 4, "usage_characters": 20, "audio_format": "mp3", "audio_channel": 1,
    },
    "trace_id": "fixed", "base_resp": GOOD,
}
CHAT_ANSWER = {
    "id": "fixed", "object": "chat.completion", "model": "MiniMax-M3",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A short answer."}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, "base_resp": GOOD,
}
VOICE = {"voice_id": "male-qn-qingse", "voice_name": "A voice", "description": [], "created_time": "1970-01-01"}


class State:
    """The settings of the measurements, and their counters."""

    def __init__(self):
        self.settings = {"answer_seconds": 0.0, "link_seconds": 0.0, "task_seconds": 0.0}
        self.counts = collections.Counter()
        self.numbers = itertools.count(1)
        # When each task began, and when it was polled.
        self.tasks, self.looks = {}, {}


class Connection(asyncio.Protocol):
    """One connection: HTTP/1.1, requests one after another, bodies with a length."""

    def __init__(self, state, base):
        self.state, self.base, self.buffer, self.queue, self.busy = state, base, b"", [], False

    def connection_made(self, transport):
        self.transport = transport
        self.room = asyncio.Event()
        self.room.set()

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    def connection_lost(self, _):
        self.room.set()

    def data_received(self, data):
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            length = 0
            for line in head[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
                elif name.lower() == "expect":
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            method, target, _ = head[0].split(" ", 2)
            self.queue.append((method, target, body))
            if not self.busy:
                self.busy = True
                asyncio.ensure_future(self.serve())

    async def serve(self):
        while self.queue and not self.transport.is_closing():
            await self.answer(*self.queue.pop(0))
        self.busy = False

    async def answer(self, method, target, body):
        path, _, query = target.partition("?")
        state, wait = self.state, 0.0
        if path == "/control":
            if method == "POST":
                state.settings.update(json.loads(body))
                state.counts.clear()
            return self.json({"settings": state.settings, "counts": state.counts, "looks": state.looks, "tasks": list(state.tasks)})
        state.counts[path.rstrip("0123456789") or path] += 1
        if path.startswith("/cdn/"):
            await asyncio.sleep(state.settings["link_seconds"])
            return await self.film() if path.endswith(".mp4") else self.bytes("image/png", PICTURE)
        answer, paid = self.api(path, dict(urllib.parse.parse_qsl(query)), body)
        if paid and (wait := state.settings["answer_seconds"]):
            await asyncio.sleep(wait)
        self.json(answer)

    def api(self, path, query, body):
        """The answer, and whether it is delayed."""
        if path == "/v1/t2a_v2":
            return SPEECH_ANSWER, True
        if path == "/v1/chat/completions":
            return CHAT_ANSWER, True
        if path == "/v1/image_generation":
            number, count = next(self.state.numbers), int(json.loads(body).get("n") or 1)
            links = [f"{self.base}/cdn/{number}-{index}.png" for index in range(count)]
            done = {"success_count": str(count), "failed_count": "0"}
            return {"id": f"{number:032x}", "data": {"image_urls": links}, "metadata": done, "base_resp": GOOD}, True
        if path in ("/v1/video_generation", "/v2/video_generation"):
            task = str(next(self.state.numbers))
            self.state.tasks[task] = time.monotonic()
            return {"task_id": task, "base_resp": GOOD}, True
        if path == "/v1/query/video_generation":
            task = query["task_id"]
            answer = {"task_id": task, "status": "Processing", "base_resp": GOOD}
            if self.over(task):
                answer.update(status="Success", file_id=str(10**15 + int(task)), video_width=1366, video_height=768)
            return answer, False
        if path.startswith("/v2/query/video_generation/"):
            task = path.rpartition("/")[2]
            view = {"id": task, "task_type": "generation", "status": "running", "model": "MiniMax-H3"}
            if self.over(task):
                view.update(status="succeeded", content={"url": f"{self.base}/cdn/{task}.mp4"})
            return {"task": view}, False
        if path == "/v1/files/retrieve":
            number = int(query["file_id"])
            file = {
                "file_id": number, "bytes": VIDEO_BYTES, "created_at": 1_700_000_000, "filename": "output.mp4",
                "purpose": "video_generation", "download_url": f"{self.base}/cdn/{number}.mp4",
            }
            return {"file": file, "base_resp": GOOD}, False
        if path == "/v1/get_voice":
            return {"system_voice": [VOICE], "voice_cloning": None, "voice_generation": None, "base_resp": GOOD}, False
        return {"base_resp": {"status_code": 2013, "status_msg": f"no such path: {path}"}}, False

    def over(self, task):
        now = time.monotonic()
        self.state.looks.setdefault(task, []).append(now)
        return now - self.state.tasks.get(task, 0.0) >= self.state.settings["task_seconds"]

    def json(self, value):
        self.bytes("application/json", json.dumps(value).encode())

    def bytes(self, kind, body):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    async def film(self):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {VIDEO_BYTES}\r\n\r\n"
        self.transport.write(head.encode() + FILM_HEAD)
        left = VIDEO_BYTES - len(FILM_HEAD)
        while left and not self.transport.is_closing():
            await self.room.wait()
            self.transport.write(CHUNK[:left])
            left -= min(left, len(CHUNK))


async def main():
    loop, state = asyncio.get_running_loop(), State()
    base = []
    plain = await loop.create_server(lambda: Connection(state, base[0]), "127.0.0.1", 0)
    base.append(f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}")
    addresses = {"http": base[0]}
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        # Links use plain HTTP, so that a download costs every server the same.
        secure = await loop.create_server(lambda: Connection(state, base[0]), "127.0.0.1", 0, ssl=context)
        addresses["https"] = f"https://localhost:{secure.sockets[0].getsockname()[1]}"
    print(json.dumps(addresses), flush=True)
    # Ends together with its parent.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
