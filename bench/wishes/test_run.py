#!/usr/bin/env python3
"""Proves the runner with a small endpoint instead of a chat model, and with the real program.

    python3 bench/wishes/test_run.py target/debug/minimax-mcp
"""

import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

sys.dont_write_bytecode = True
import score

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = ""

FOX = ("text_to_image", {"prompt": "A fox", "aspect_ratio": "16:9"})
SPOKEN = ("text_to_audio", {"text": "A fox"})
WHISPER = {"text": "Hush", "emotion": "whisper"}

# What the model answers in its first, second, … turn: a call or a text.
MODELS = {
    "right": {"fox": [FOX, "Here it is."], "whisper": [("text_to_audio", {**WHISPER, "model": "speech-2.6-hd"}), "Done."], "lost": ["Shall I make it again?"]},
    "wrong": {"fox": [SPOKEN, "Here it is."], "whisper": [("speak", {"text": "Hush"}), "Done."], "lost": [FOX, "I made it again."]},
    "twice": {"fox": [FOX, FOX, "Here are both."], "whisper": ["I cannot do that."], "lost": [("list_jobs", {}), "Shall I make it again?"]},
    "late": {
        "fox": [("text_to_image", {"prompt": "A fox", "aspect_ratio": "5:4"}), FOX, "Here it is."],
        "whisper": [("text_to_audio", {**WHISPER, "model": "speech-2.8-hd"}), ("text_to_audio", {**WHISPER, "model": "speech-2.6-turbo"}), "Done."],
        "lost": ["Shall I make it again?"],
    },
}

WISHES = [
    {"id": "fox", "wish": "fox: draw a fox, 16:9.", "right": [{"tool": "text_to_image", "arguments": {"prompt": {"like": "fox", "example": "A fox"}, "aspect_ratio": "16:9"}}]},
    {
        "id": "whisper",
        "trap": "illegal combination",
        "wish": "whisper: whisper Hush.",
        "right": [{"tool": "text_to_audio", "arguments": {"text": {"like": "hush", "example": "Hush"}, "emotion": "whisper", "model": {"is": ["speech-2.6-hd", "speech-2.6-turbo"]}}}],
    },
    {
        "id": "lost",
        "trap": "after an error",
        "faults": [{"path": "/v1/image_generation", "times": 1, "act": "reset_after"}],
        "before": [{"user": "Draw an owl.", "tool": "text_to_image", "arguments": {"prompt": "An owl"}, "keep": {"image-lost1": "job_id"}, "reply": "The connection broke."}],
        "wish": "lost: where is it?",
        "right": [{"ask": True}],
        "never": [{"tool": "text_to_image", "why": "paid twice"}],
    },
]


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers as the model of the request's name would."""

    seen = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers.get("Authorization"), body))
        messages = body["messages"]
        last = max(index for index, message in enumerate(messages) if message["role"] == "user")
        wish = messages[last]["content"].split(":")[0]
        turn = sum(message["role"] == "assistant" for message in messages[last:])
        said = MODELS[body["model"]][wish][turn]
        message = {"role": "assistant", "content": said if isinstance(said, str) else ""}
        if not isinstance(said, str):
            function = {"name": said[0], "arguments": json.dumps(said[1])}
            message["tool_calls"] = [{"id": f"call_{turn}", "type": "function", "function": function}]
        answer = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Runner(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_port}/v1"
        cls.folder = tempfile.TemporaryDirectory()
        data = json.loads((HERE / "wishes.json").read_text(encoding="utf-8"))
        cls.wishes = pathlib.Path(cls.folder.name) / "wishes.json"
        cls.wishes.write_text(json.dumps({**data, "wishes": WISHES}), encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.folder.cleanup()

    def run_it(self, *options):
        command = [sys.executable, "-B", HERE / "run.py", "--program", PROGRAM, "--wishes", self.wishes, *options]
        ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        return ended.stdout

    def scored(self, model, first, second, wasted, *said):
        record = pathlib.Path(self.folder.name) / f"{model}.jsonl"
        live = self.run_it("--base-url", self.url, "--model", model, "--record", record)
        # Replaying the answers without the model gives the same score.
        self.assertEqual(self.run_it("--replay", record), live)
        self.assertRegex(live, rf"right first call: +{first} of 3")
        self.assertRegex(live, rf"right after one error: +{second} of 3")
        self.assertRegex(live, rf"needless paid calls: +{wasted} ")
        for part in said:
            self.assertIn(part, live)

    def test_right_answers_are_right(self):
        Endpoint.seen.clear()
        self.scored("right", 3, 0, 0)
        path, key, body = Endpoint.seen[0]
        self.assertEqual((path, key), ("/v1/chat/completions", None))
        self.assertIn("text_to_image", {tool["function"]["name"] for tool in body["tools"]})
        self.assertIn("Costs money", body["messages"][0]["content"])
        self.assertNotIn("Sandbox", body["messages"][0]["content"])

    def test_a_wrong_tool_is_wrong_and_its_price_is_wasted(self):
        self.scored("wrong", 0, 0, 3, "WRONG  fox", "WRONG  whisper", "text_to_image: paid twice")

    def test_a_second_purchase_is_noticed(self):
        self.scored("twice", 2, 0, 1, "fox: text_to_image", "more than was asked for", "WRONG  whisper: no call")

    def test_a_free_refusal_and_then_the_right_call_are_told_apart(self):
        self.scored("late", 1, 2, 0, "late   fox", "late   whisper")

    def test_the_answers_of_a_reader_are_played_and_doubts_counted(self):
        answers = pathlib.Path(self.folder.name) / "reader.jsonl"
        doubt = {"about": "which model whispers", "changes": True}
        lines = [
            {"id": "fox", "calls": [{"tool": FOX[0], "arguments": FOX[1]}], "doubts": []},
            {"id": "whisper", "calls": [{"tool": "text_to_audio", "arguments": WHISPER}], "doubts": [doubt]},
            {"id": "lost", "calls": [], "said": "Shall I?", "doubts": []},
        ]
        answers.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        said = self.run_it("--replay", answers)
        self.assertRegex(said, "right first call: +2 of 3")
        self.assertIn("at 1 (33.3 %) they could change", said)

    def test_a_reader_sees_the_tools_and_not_the_answers(self):
        said = self.run_it("--list")
        for part in ["### generate_video", "whisper: whisper Hush.", "Draw an owl.", "image-lost1", "/home/ana"]:
            self.assertIn(part, said)
        for part in ["speech-2.6-hd\"", "illegal combination", "paid twice", str(self.folder.name)]:
            self.assertNotIn(part, said)

    def test_the_right_answers_of_the_wishes_score_as_right(self):
        self.assertRegex(self.run_it("--right"), "right first call: +3 of 3")


class Patterns(unittest.TestCase):
    def test_patterns(self):
        for pattern, right, wrong in [
            ("16:9", "16:9", "9:16"),
            (6, "6", 7),
            (True, "true", False),
            ({"is": [1, 2]}, 2, 3),
            ({"like": "^a fox"}, "A fox", "fox"),
            ({"from": 2, "to": 3}, 2.5, 4),
            ({"has": ["a", {"like": "b"}]}, ["xb", "a"], ["a"]),
            ({"fields": {"type": "x"}}, {"type": "x", "more": 1}, {"type": "y"}),
            ({"earlier": "job_id"}, "video-1", "video-2"),
        ]:
            self.assertTrue(score.matches(pattern, right, "job video-1"), pattern)
            self.assertFalse(score.matches(pattern, wrong, "job video-1"), pattern)
            self.assertFalse(score.matches(pattern, None, "job video-1"), pattern)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
