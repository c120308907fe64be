"""A private PostgreSQL server on the loopback address, of whatever version this machine has."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

HOST = "127.0.0.1"
USER = "adoption"
PASSWORD = "of this test only"


@dataclass(frozen=True)
class Server:
    """A running server. The password of its one user is in the environment (PGPASSWORD)."""

    port: int

    def database(self, name: str) -> str:
        """Create a database; its URL for libpq (Dagster), without the password."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"


def sqlalchemy_url(url: str) -> str:
    """The same for SQLAlchemy, by the driver that the state database uses."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; Debian keeps it off the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return kept[-1].parent if kept else None


@contextmanager
def server(bin_folder: Path) -> Iterator[Server]:
    """Start a server in a folder of its own, as an unprivileged user, and end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    owner: dict[str, object] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(bin_folder / program), "-D", str(folder / "data"), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr").open("w"),
            **owner,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, (folder / "stderr").read_text()

    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        run("initdb", "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "--no-sync")
        options = f"-p {port} -c listen_addresses={HOST} -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
