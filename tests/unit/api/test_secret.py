"""Keys: their form, their hash, what is shown of them."""

import pytest
from uuid_utils.compat import uuid7

from api.auth.authenticator import bearer
from api.auth.caller import Caller, KeyId, KeyRole
from api.auth.errors import BadSecret, Unauthenticated
from api.auth.secret import check_secret, hint_of, new_secret, prove, same_proof


def test_a_new_key_has_the_form_of_one_and_is_like_no_other() -> None:
    assert len({check_secret(new_secret()) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "swk_short",
        "key_" + "a" * 40,
        "swk_" + "a" * 31,
        "swk_" + "ä" * 40,
        "swk_" + "a" * 40 + "\n",
    ],
)
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    with pytest.raises(BadSecret) as caught:
        check_secret(text)
    assert text == "" or text not in str(caught.value)


def test_a_hint_tells_little_of_a_key() -> None:
    secret = new_secret()
    assert secret.startswith(hint_of(secret))
    assert len(hint_of(secret)) == 8


def test_the_header_gives_the_proof_of_its_key() -> None:
    secret = new_secret()
    assert same_proof(bearer(f"Bearer {secret}"), prove(secret))
    with pytest.raises(Unauthenticated):
        bearer(None)


def test_a_caller_shows_nothing_of_the_key() -> None:
    proof = prove(new_secret())
    caller = Caller(key_id=KeyId(uuid7()), owner="a", role=KeyRole.USER, proof=proof)
    assert "proof" not in repr(caller)


def test_an_admin_sees_everybody_and_a_user_only_itself() -> None:
    proof = prove(new_secret())
    user = Caller(key_id=KeyId(uuid7()), owner="a", role=KeyRole.USER, proof=proof)
    admin = Caller(key_id=KeyId(uuid7()), owner="a", role=KeyRole.ADMIN, proof=proof)
    assert (user.sees, admin.sees) == ("a", None)
