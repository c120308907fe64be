"""The line with nothing kept on the machine but its work: lake in object storage, state and
Dagster's own storage on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from orchestration.lake import Lake


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of an S3 server on the loopback address, found by its usual variables."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "of-this-test-only")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-test-only")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("adoption")
        yield "s3://adoption"
    server.stop()


def test_what_another_process_writes_is_seen_at_once(bucket: str) -> None:
    lake = Lake(f"{bucket}/seen")
    lake.write_json({}, "in_force", "one.json")
    assert lake.files("in_force") == ["in_force/one.json"]
    elsewhere = s3fs.S3FileSystem(skip_instance_cache=True)
    elsewhere.pipe(f"{bucket}/seen/in_force/two.json", b"{}")
    assert lake.files("in_force") == ["in_force/one.json", "in_force/two.json"]
    elsewhere.rm(f"{bucket}/seen/in_force/one.json")
    assert not lake.exists("in_force", "one.json")
