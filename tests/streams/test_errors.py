"""Nothing that is said shows a password or a token."""

import pytest

from streams.errors import BusError, without_passwords


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("nats://ann:p@ss@host:4222 is gone", "nats://ann:***@host:4222 is gone"),
        ("nats://t0ken@host:4222 is gone", "nats://***@host:4222 is gone"),
        ("'tls://t0ken@host'", "'tls://***@host'"),
        ("WS://t0ken@host, wss://t0ken@host", "WS://***@host, wss://***@host"),
        (
            "nats://t0ken@one,t0ken@two,nats://t0ken@three",
            "nats://***@one,***@two,nats://***@three",
        ),
        ("nats://ann:pw@one,t0ken@two", "nats://ann:***@two"),
        ("nats://t0ken@one, t0ken@two , t0ken@three", "nats://***@one, ***@two , ***@three"),
        ("nats://t0/k@en==@one:4222", "nats://***@one:4222"),
        ("nats://one:4222,two:4222 of ann@host", "nats://one:4222,two:4222 of ann@host"),
        ("postgresql://ann@host/assay", "postgresql://ann@host/assay"),
        (
            "postgresql://host/assay?user=a&password=pw",
            "postgresql://host/assay?user=a&password=***",
        ),
    ],
)
def test_secrets_of_urls_are_masked_and_a_databases_user_is_not(said: str, shown: str):
    assert without_passwords(said) == shown
    assert str(BusError(said)) == shown
