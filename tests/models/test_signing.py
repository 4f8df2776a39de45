"""Keys are private, made once, and vouch for cards only."""

import os
import stat
import threading

import nacl.signing
import pytest

from models.signing import KEY_FILE, SigningKey, load_or_create_signing_key, verify
from streams.errors import ModelError, ModelRefused

SEED = bytes(range(32))
OTHER = SigningKey(bytes(32))


def test_a_key_is_made_once_for_its_owner_only(tmp_path):
    folder = tmp_path / "state" / "keys"
    first = load_or_create_signing_key(folder)
    again = load_or_create_signing_key(folder)
    assert first.public_hex == again.public_hex
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_processes_that_start_together_get_the_same_key(tmp_path):
    start = threading.Barrier(8)
    found: list[str] = []

    def load() -> None:
        start.wait()
        found.append(load_or_create_signing_key(tmp_path).public_hex)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path):
    load_or_create_signing_key(tmp_path)
    path = tmp_path / KEY_FILE
    path.chmod(0o640)
    with pytest.raises(
        ModelError, match=f"has mode 0640, others may read it; run: chmod 600 {path}"
    ):
        load_or_create_signing_key(tmp_path)


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31, "ab" * 33, "\x00\xff"])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / KEY_FILE
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ModelError, match="is not a signing key"):
        load_or_create_signing_key(tmp_path)
    assert path.read_text() == text


def test_the_secret_is_in_no_text_about_the_key(tmp_path):
    key = load_or_create_signing_key(tmp_path)
    secret = (tmp_path / KEY_FILE).read_text().strip()
    assert secret not in repr(key)
    assert secret not in str(key)
    assert key.public_hex in repr(key)


def test_a_signature_is_the_same_every_time_and_names_its_signer():
    key = SigningKey(SEED)
    signature = key.sign(b"card")
    assert signature == SigningKey(SEED).sign(b"card")
    assert verify(b"card", signature, (OTHER.public_hex, key.public_hex)) == key.public_hex


def test_a_changed_card_a_changed_signature_or_a_stranger_is_refused():
    key = SigningKey(SEED)
    signature = key.sign(b"card")
    forged = bytes([signature[0] ^ 1]) + signature[1:]
    for card, signed, trusted in (
        (b"card!", signature, (key.public_hex,)),
        (b"card", forged, (key.public_hex,)),
        (b"card", signature, (OTHER.public_hex,)),
    ):
        with pytest.raises(ModelRefused, match="not signed by a trusted key"):
            verify(card, signed, trusted)


def test_nobody_is_trusted_unless_named():
    key = SigningKey(SEED)
    with pytest.raises(ModelRefused, match=r"trusted: none"):
        verify(b"card", key.sign(b"card"), ())


def test_a_signature_over_bare_bytes_is_none_over_a_card():
    bare = bytes(nacl.signing.SigningKey(SEED).sign(b"card").signature)
    with pytest.raises(ModelRefused):
        verify(b"card", bare, (SigningKey(SEED).public_hex,))


def test_a_signature_of_another_length_is_refused():
    with pytest.raises(ModelRefused, match="has 3 bytes, an Ed25519 signature has 64"):
        verify(b"card", b"abc", (OTHER.public_hex,))


def test_a_trusted_key_that_is_none_is_an_error_of_the_configuration():
    with pytest.raises(ModelError, match="64 hex digits, was 'me'"):
        verify(b"card", bytes(64), ("me",))
