"""Every real server comes up, takes a write, gives it back, and is gone after its block."""

from __future__ import annotations

import os
from pathlib import Path

import obstore
import psycopg
import pytest
from obstore.store import AzureStore, S3Store

from forebay.errors import UnavailableError
from forebay.testing.servers import Azurite, PartMissingError, Postgres, RcloneS3, SeaweedFS, Slurm
from forebay.testing.servers.process import find_program, free_ports, run_server

pytestmark = pytest.mark.integration


def s3_store(server: SeaweedFS | RcloneS3, bucket: str) -> S3Store:
    server.make_bucket(bucket)
    return S3Store(
        bucket,
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
        client_options={"allow_http": True},
    )


def test_seaweedfs_stores_and_returns_ranges(s3_server: SeaweedFS) -> None:
    store = s3_store(s3_server, "server-test")
    obstore.put(store, "a/b", b"0123456789")
    assert bytes(obstore.get_range(store, "a/b", start=3, length=4)) == b"3456"


def test_rclone_stores_and_ignores_ranges(rclone_s3_server: RcloneS3) -> None:
    store = s3_store(rclone_s3_server, "server-test")
    obstore.put(store, "a/b", b"0123456789")
    assert bytes(obstore.get(store, "a/b").bytes()) == b"0123456789"
    with pytest.raises(obstore.exceptions.GenericError, match="non-partial"):
        obstore.get_range(store, "a/b", start=3, length=4)


def test_azurite_stores_and_returns_ranges(azurite_server: Azurite) -> None:
    azurite_server.make_container("server-test")
    store = AzureStore(
        "server-test",
        endpoint=azurite_server.endpoint,
        account_name=azurite_server.account,
        account_key=azurite_server.account_key,
        client_options={"allow_http": True},
    )
    obstore.put(store, "a/b", b"0123456789")
    assert bytes(obstore.get_range(store, "a/b", start=3, length=4)) == b"3456"


def test_slurm_runs_a_job_on_a_gpu_of_its_own(slurm_server: Slurm, tmp_path: Path) -> None:
    said = f"--output={tmp_path}/said"
    slurm_server.ask("sbatch", "--wait", "--gres=gpu:1", said, "--wrap=echo gpu $CUDA_VISIBLE_DEVICES")
    assert (tmp_path / "said").read_text() == "gpu 0\n"


def test_postgres_gives_an_empty_database_each_time(postgres_server: Postgres) -> None:
    first, second = postgres_server.new_database(), postgres_server.new_database()
    assert first != second
    with psycopg.connect(first.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo out of order; exit 3"]
    with run_server("broken", command, folder=tmp_path) as process, pytest.raises(UnavailableError) as caught:
        process.wait_until(lambda: False)
    assert caught.value.kind == "server-start"
    assert "exit status 3" in caught.value.message
    assert "out of order" in caught.value.todo


def test_a_server_is_gone_after_its_block(tmp_path: Path) -> None:
    with run_server("sleeper", ["sleep", "60"], folder=tmp_path) as process:
        os.kill(process.popen.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process.popen.pid, 0)


def test_a_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(PartMissingError, match="make test"):
        find_program("no-such-program", "Nothing")


def test_ports_are_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
