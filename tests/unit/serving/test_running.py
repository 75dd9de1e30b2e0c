"""Starting and stopping: a client is told to wait, requests in flight end, and no process is left behind."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_process import LATER_S, PATIENCE_S, Serve, alive, answers, wait_until

from raqo.errors import ConfigError


def test_until_the_engine_is_ready_clients_are_told_to_wait(serve: Serve) -> None:
    with serve(wait=False, held="start") as served:
        assert wait_until(lambda: answers(served.client))
        for response in (served.client.get("/health"), served.chat(messages=[]), served.client.get("/v1/models")):
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
        assert served.reached() == []
        served.release("start")
        assert wait_until(lambda: served.client.get("/health").status_code == 200)
        assert served.chat(messages=[]).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_requests_in_flight_end_and_takes_no_new_ones(serve: Serve, number: signal.Signals) -> None:
    with serve() as served, ThreadPoolExecutor(1) as pool:
        pids = served.engine_pids()
        assert len(pids) == 2
        assert all(map(alive, pids))
        answer = pool.submit(served.chat, hold="answer", seed=7)
        assert wait_until(lambda: bool(served.reached()))
        served.process.send_signal(number)
        address = (served.client.base_url.host, served.client.base_url.port)
        assert wait_until(lambda: not _listens(address))
        served.release("answer")
        assert answer.result().json()["echo"]["seed"] == 7
        assert served.process.wait(timeout=PATIENCE_S) == 0
        assert served.process.stdout
        assert served.process.stdout.read() == "stopped\n"
        assert wait_until(lambda: not any(map(alive, pids)))


def test_the_engine_does_not_outlive_a_killed_parent(serve: Serve) -> None:
    with serve() as served:
        pids = served.engine_pids()
        os.kill(served.process.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(map(alive, pids)))


def test_an_engine_that_ends_by_itself_is_reported_with_its_last_words(serve: Serve) -> None:
    with serve() as served:
        assert served.chat(die=True).status_code == 502
        assert served.process.wait(timeout=PATIENCE_S) == 1
        assert served.process.stdout
        said = served.process.stdout.read()
        assert "fake: ended by itself" in said
        assert "the engine dies of a broken heart" in said
        assert wait_until(lambda: not any(map(alive, served.engine_pids())))


def test_waiting_for_the_engine_is_bounded(serve: Serve) -> None:
    with serve(wait=False, held="ever", ready_s=LATER_S - 1) as served:
        assert wait_until(served.engine_started)
        served.release("later")
        assert served.process.wait(timeout=PATIENCE_S) == 1
        assert served.process.stdout
        said = served.process.stdout.read()
        assert f"was not ready within {LATER_S - 1:g} s" in said
        assert "the engine starts" in said
        assert wait_until(lambda: not any(map(alive, served.engine_pids())))


def test_a_taken_port_is_one_clear_error() -> None:
    from raqo.serving.running import Address, _socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot listen there .*--port"):
            _socket(Address(port=port))


def _listens(address: tuple[str, int | None]) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(address) == 0
