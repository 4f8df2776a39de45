"""Headers on the wire: what is put together is read back, the rest is read as nats-py reads it."""

from hypothesis import given
from hypothesis import strategies as st

from streams.headers import LazyHeaders, block_of, clean, headers_in
from streams.nats_client import HEADER_LINE, PatientClient

lines = st.lists(
    st.sampled_from([b"A: 1", b"A:2 ", b"b\tc: x", b"no colon", b": empty", b"\xe9: x", b"V: \xff"])
    | st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line),
    max_size=5,
).map(b"\r\n".join)
values = st.dictionaries(st.from_regex(r"[A-Za-z0-9-]{1,9}", fullmatch=True), st.text(max_size=20))


@given(values)
def test_clean_headers_are_read_back_as_they_were(headers: dict[str, str]):
    for msg_id in ("a:1:0", None):
        assert headers_in(block_of(headers, msg_id).encode()) == (clean(headers, msg_id) or {})


@given(lines)
async def test_a_block_is_read_as_the_client_reads_it(text: bytes):
    block = HEADER_LINE + text + b"\r\n\r\n"
    assert headers_in(block) == (await PatientClient()._process_headers(block) or {})


def test_a_servers_word_stands_under_its_own_names():
    word = b"NATS/1.0 409 Consumer Deleted\r\nNats-Pending-Messages: 3\r\n\r\n"
    assert headers_in(word) == {
        "Status": "409",
        "Description": "Consumer Deleted",
        "Nats-Pending-Messages": "3",
    }
    assert headers_in(b"NATS/1.0 404\r\n\r\n") == {"Status": "404"}
    assert headers_in(b"") == headers_in(b"NATS") == headers_in(b"NATS/1.0 no\r\n\r\n") == {}


def test_headers_nobody_asks_for_are_equal_to_the_same_ones_taken_apart():
    headers = LazyHeaders(block_of({"Assay-Id": "é", "Other": "x y"}, None).encode())
    assert headers == {"Assay-Id": "é", "Other": "x y"}
    assert (headers["Other"], headers.get("Absent"), len(headers)) == ("x y", None, 2)
    assert repr(headers) == "{'Assay-Id': 'é', 'Other': 'x y'}"
    assert LazyHeaders(b"") == {}
