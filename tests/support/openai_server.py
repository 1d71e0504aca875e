"""A server on loopback that speaks as much of OpenAI's chat API as clients need.

It answers by the name of the model, keeps every request, and fails as it is told to.
"""

import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chat_stubs import filled

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass(kw_only=True)
class Behavior:
    """How a model fails: a status instead of an answer, silence, or a connection that ends."""

    status: int = 200
    hangs: bool = False
    breaks_after: int | None = None
    """Chunks of a stream; the last and the end of the response never come."""


@dataclass(frozen=True, kw_only=True)
class Request:
    path: str
    headers: dict
    body: dict

    @property
    def model(self):
        return self.body["model"]


@dataclass
class OpenAIServer:
    """Behaviors by model; models that are not named answer."""

    behaviors: dict = field(default_factory=dict)
    key: str | None = None
    """The key that a request must carry; None: any."""
    requests: list = field(default_factory=list)
    connections: list = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def reset(self, *, key=None):
        """Forget what was asked and told; tests that share a server share its clients' caches."""
        self.key = key
        for kept in (self.behaviors, self.requests, self.connections):
            kept.clear()

    @property
    def asked(self):
        """The models that were asked, in order."""
        return [request.model for request in self.requests]

    @property
    def bodies(self):
        return [request.body for request in self.requests]


def _message(body):
    """The answer: what fits the schema, else a call of the first tool, else an echo."""
    last = body["messages"][-1]
    if body.get("tools") and last["role"] != "tool":
        function = body["tools"][0]["function"]
        arguments = json.dumps(filled(function.get("parameters", {"type": "object"})))
        called = {"name": function["name"], "arguments": arguments}
        call = {"id": f"call_{len(body['messages'])}", "type": "function", "function": called}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        text = json.dumps(filled(form["json_schema"]["schema"]))
    elif form.get("type") == "json_object":
        text = '{"city": "Paris", "days": 3}'
    else:
        text = f"{body['model']} answers in four words"
    stop = body.get("stop") or []
    for word in [stop] if isinstance(stop, str) else stop:
        text = text.split(word)[0]
    return {"role": "assistant", "content": text}


def _head(body, kind):
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"]}


def _completion(body):
    message = _message(body)
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": USAGE}


def _deltas(message):
    """The parts of a message: a word at a time, or a call in two pieces."""
    yield {"role": "assistant", "content": ""}
    for place, call in enumerate(message.get("tool_calls") or []):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": place, "function": function}]}
        function = {"arguments": call["function"]["arguments"]}
        yield {"tool_calls": [{"index": place, "function": function}]}
    words = (message["content"] or "").split(" ")
    for place, word in enumerate(words if message["content"] else []):
        yield {"content": word if place == 0 else f" {word}"}


def _chunks(body):
    head, message = _head(body, "chat.completion.chunk"), _message(body)
    for delta in _deltas(message):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": USAGE}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def told(self):
        return self.server.told

    def setup(self):
        super().setup()
        self.told.connections.append(self.client_address)

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.told.requests.append(Request(path=self.path, headers=headers, body=body))
        behavior = self.told.behaviors.get(body["model"], Behavior())
        if behavior.hangs:
            self.told.released.wait(10)
            self.close_connection = True
        elif self.path != "/v1/chat/completions":
            self._refuse(404)
        elif self.told.key and headers.get("authorization") != f"Bearer {self.told.key}":
            self._refuse(401)
        elif behavior.status != 200:
            self._refuse(behavior.status)
        elif body.get("stream"):
            self._stream(body, behavior.breaks_after)
        else:
            self._answer(200, _completion(body))

    def _refuse(self, status):
        error = {"message": f"refused with {status}", "type": "test", "param": None, "code": None}
        self._answer(status, {"error": error})

    def _answer(self, status, value):
        content = json.dumps(value).encode()
        self._begin(status, "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, body, breaks_after):
        self._begin(200, "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for place, chunk in enumerate(_chunks(body)):
            if place == breaks_after:
                return
            self._piece(f"data: {json.dumps(chunk)}\n\n")
        self._piece("data: [DONE]\n\n")
        self._piece("")

    def _piece(self, text):
        """A piece of a chunked response; the empty one ends it."""
        content = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _begin(self, status, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")  # so that no client keeps a socket


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client that left before its answer is no news."""


@contextlib.contextmanager
def openai_server(**settings):
    """Run a server on a free port of loopback; settings are those of `OpenAIServer`."""
    told = OpenAIServer(**settings)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.told = told
        told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.released.set()
            server.shutdown()
            thread.join()
