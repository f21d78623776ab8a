"""URLs of Redis: what each form means; the refusal of a wrong one shows nothing that may be secret."""

from pathlib import Path

import pytest

from rungway_server.settings import Settings, SettingsError
from rungway_server.store.redis.connection.address import RedisAddress, Tls, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", RedisAddress("single", (("localhost", 6379),), arguments={"db": 0})),
        ("redis://h:1/2", RedisAddress("single", (("h", 1),), arguments={"db": 2})),
        ("redis://[::1]:7", RedisAddress("single", (("::1", 7),), arguments={"db": 0})),
        (
            "redis://me:p%40%2Fss@h",
            RedisAddress("single", (("h", 6379),), arguments={"username": "me", "password": "p@/ss", "db": 0}),
        ),
        (
            "unix:///run/my%20redis.sock?db=3&password=p",
            RedisAddress("single", path="/run/my redis.sock", arguments={"password": "p", "db": 3}),
        ),
        (
            "redis+sentinel://:p@a:1,b/mymaster/4?sentinel_username=s&sentinel_password=q",
            RedisAddress(
                "sentinel",
                (("a", 1), ("b", 26379)),
                service="mymaster",
                arguments={"password": "p", "db": 4},
                sentinel_arguments={"username": "s", "password": "q"},
            ),
        ),
        (
            "redis+cluster://me:p@a:1,[::1]:2",
            RedisAddress("cluster", (("a", 1), ("::1", 2)), arguments={"username": "me", "password": "p"}),
        ),
    ],
)
def test_what_a_url_means(url: str, expected: RedisAddress) -> None:
    assert parse_address(url) == expected


def test_files_for_tls_come_from_the_settings_or_the_url(tmp_path: Path) -> None:
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    ca.touch()
    other.touch()
    for scheme, path in (("rediss", ""), ("rediss+sentinel", "/s"), ("rediss+cluster", "")):
        given = parse_address(f"{scheme}://h:1{path}", Tls(ca=str(ca)))
        assert dict(given.arguments) | {"db": 0} == {
            "ssl": True,
            "ssl_check_hostname": True,
            "ssl_ca_certs": str(ca),
            "db": 0,
        }
        told = parse_address(f"{scheme}://h:1{path}?ssl_ca_certs={other}&ssl_check_hostname=false", Tls(ca=str(ca)))
        assert told.arguments["ssl_ca_certs"] == str(other)
        assert told.arguments["ssl_check_hostname"] is False
        assert dict(told.sentinel_arguments) == {k: v for k, v in told.arguments.items() if k != "db"}


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://s3cret@h", "wanted redis://host:6379/0"),
        ("s3cret", "wanted redis://host:6379/0"),
        ("redis://[s3cret", "wanted redis://host:6379/0"),
        ("redis://:s3cret/x@h", "in a password, write / as %2F"),
        ("redis://:p?s3cret=1@h:1", "no other options"),
        ("redis://:p#s3cret@h:1", "no other options"),
        ("redis://s3cret@h:0", "port from 1 to 65535"),
        ("redis://s3cret@h:65536", "port from 1 to 65535"),
        ("redis://h/s3cret", "a number as the database"),
        ("redis://h/1/s3cret", "wanted redis://host:6379/0"),
        ("redis://s3cret@a,b", "wanted one host"),
        ("unix://s3cret", "wanted a path"),
        ("redis+sentinel://s3cret@h:1", "the name of the primary"),
        ("redis+sentinel://s3cret@,/m", "several divided by commas"),
        ("redis+cluster://s3cret@h:1/1", "only database 0"),
        ("rediss://s3cret@h?ssl_ca_certs=/no/s3cret", "a file that exists as ssl_ca_certs"),
        ("rediss://h?ssl_check_hostname=s3cret", "wanted true or false"),
    ],
)
def test_a_wrong_url_is_refused_and_not_repeated(url: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(redis_url=url)
    assert "redis_url (RUNGWAY_REDIS_URL)" in str(refused.value)
    assert text in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_an_address_does_not_print_its_secrets() -> None:
    assert "s3cret" not in repr(parse_address("redis+sentinel://u:s3cret@h/m?sentinel_password=s3cret"))
