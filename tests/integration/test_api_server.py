"""The real server: starting, stopping, several workers, and ports that are taken."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from foretaste.api.server import background_server, check_port, free_port, serve
from foretaste.errors import ConfigurationError, PortInUseError, ServingError

pytestmark = pytest.mark.integration
LIST = "/api/v1/recommendations/user/u-000"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_answers_takes_events_and_stops_when_asked(settings, workers):
    with background_server(settings.model_copy(update={"workers": workers})) as server:
        with httpx.Client(base_url=server.url) as client:
            before = [item["item_id"] for item in client.get(LIST).json()["items"]]
            client.post("/api/v1/interactions", json={"user_id": "u-000", "item_id": before[0], "type": "purchase"})
            for _ in range(10):  # whichever worker answers
                assert before[0] not in [item["item_id"] for item in client.get(LIST).json()["items"]]
        start = time.monotonic()
        assert server.stop() in {0, -signal.SIGTERM}
        assert time.monotonic() - start < 8
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_port_in_use_is_said_before_anything_starts(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)) as caught:
            serve(settings.model_copy(update={"api_port": port}))
        assert "--port" in caught.value.hint
        with pytest.raises(PortInUseError), background_server(settings.model_copy(update={"api_port": port})):
            pass


def test_a_second_server_on_the_port_of_a_first_one_is_refused(settings):
    with background_server(settings) as server, pytest.raises(PortInUseError):
        serve(server.settings)


def test_an_address_of_another_machine_is_a_wrong_setting():
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        check_port("192.0.2.1", 8000)
    with pytest.raises(ConfigurationError, match="no-such-host"):
        check_port("no-such-host.invalid", 8000)


def test_a_free_port_can_be_listened_on():
    check_port("127.0.0.1", free_port())


def test_a_server_that_cannot_start_says_why(settings, tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("[models\n")
    with (
        pytest.raises(ServingError, match="not valid TOML"),
        background_server(settings.model_copy(update={"pipeline_file": str(broken)})),
    ):
        pass


def test_requests_in_flight_are_finished_when_the_server_is_stopped(settings):
    with background_server(settings) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        events = [{"user_id": f"u{n}", "item_id": "p-000"} for n in range(5000)]
        script = f"import time, os, signal; time.sleep(0.02); os.kill({server.pid}, signal.SIGTERM)"
        stopper = subprocess.Popen([sys.executable, "-c", script])
        answer = client.post("/api/v1/interactions", json=events)
        stopper.wait()
        assert (answer.status_code, answer.json()["stored"]) == (200, 5000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
def test_workers_do_not_outlive_a_killed_parent(settings):
    with background_server(settings.model_copy(update={"workers": 2})) as server:
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                check_port(server.settings.api_host, server.settings.api_port)
                break
            except PortInUseError:
                time.sleep(0.1)
        else:
            os.killpg(server.pid, signal.SIGKILL)
            pytest.fail("the port is still held ten seconds after the parent was killed")
