"""Results are told to whoever was named, whatever that one answers."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetforge.pipeline.document import OnDoneSection
from assetforge.watch.notify import Notifier

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """A server that gives the answers it was told, one for each connection, then good ones."""

    def __init__(self, answers: list[bytes]) -> None:
        self.told: list[dict[str, object]] = []
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head, _, body = self._request(connection).partition(b"\r\n\r\n")
                assert head.startswith(b"POST")
                self.told.append(json.loads(body))
                connection.sendall(self._answers.pop(0) if self._answers else GOOD)

    def _request(self, connection: socket.socket) -> bytes:
        content = b""
        while not content.endswith(b"}"):
            content += connection.recv(2**16)
        return content

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    made = Receiver(list(request.param))
    yield made
    made.close()


@pytest.mark.parametrize(
    "receiver",
    [[b"nonsense\r\n\r\n"], [b""], [b"HTTP/1.1 500 No\r\n\r\n"], [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" * 9]],
    indirect=True,
    ids=["garbage", "nothing", "error", "odd headers"],
)
def test_after_a_bad_answer_the_next_result_is_told_too(receiver: Receiver, tmp_path: Path) -> None:
    notifier = Notifier(OnDoneSection(post=receiver.url), tmp_path)
    for number in range(2):
        notifier.notify({"asset": "brick", "number": number})
    deadline = time.monotonic() + 120
    while len(receiver.told) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    notifier.close()
    assert [result["number"] for result in receiver.told] == [0, 1]


@pytest.mark.parametrize("receiver", [[b"nonsense\r\n\r\n"]], indirect=True)
def test_a_bad_answer_is_reported(receiver: Receiver, tmp_path: Path) -> None:
    notifier = Notifier(OnDoneSection(post=receiver.url), tmp_path)
    notifier.notify({"asset": "brick"})
    notifier.close()
    [trouble] = notifier.troubles()
    assert trouble.startswith("on_done: ")
    assert "nonsense" in trouble


def test_half_characters_of_names_and_talkative_commands_hold_nobody_up(tmp_path: Path) -> None:
    script = "import sys; open('told', 'ab').write(sys.stdin.buffer.read() + b'\\n'); print('x' * 10**7)"
    notifier = Notifier(OnDoneSection(run=(sys.executable, "-c", script)), tmp_path)
    notifier.notify({"asset": "bad \udcff name"})
    notifier.notify({"asset": "good"})
    notifier.close()
    assert list(notifier.troubles()) == []
    first, second = (tmp_path / "told").read_text().splitlines()
    assert "bad" in first
    assert json.loads(second) == {"asset": "good"}
