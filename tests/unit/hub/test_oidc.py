"""ID tokens that don't hold, each wrong in one way: real ones, signed with real keys."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from forebay.errors import NotAllowedError
from forebay.hub.access.oidc import Client, verified

NOW = 1_800_000_000
CLIENT = Client(issuer="https://login.example.org", client_id="forebay")
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
PUBLISHED = json.loads(json.dumps(KeySet([RSA, EC]).as_dict(private=False)))
GOOD = {
    "iss": CLIENT.issuer,
    "aud": "forebay",
    "sub": "u-1",
    "nonce": "n",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "preferred_username": "ada",
}


def signed(claims: dict[str, Any], key: Any = RSA, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])


def test_a_token_that_holds_says_who_it_is() -> None:
    assert verified(signed(GOOD), PUBLISHED, CLIENT, "n", NOW)["preferred_username"] == "ada"
    assert verified(signed(GOOD, EC, "ES256"), PUBLISHED, CLIENT, "n", NOW)["sub"] == "u-1"
    several = {**GOOD, "aud": ["forebay", "other"], "azp": "forebay"}
    assert verified(signed(several), PUBLISHED, CLIENT, "n", NOW)["sub"] == "u-1"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.example.org/"},
        {"iss": None},
        {"aud": "other"},
        {"aud": []},
        {"aud": ["other"], "azp": "forebay"},
        {"aud": ["forebay", "other"]},
        {"aud": ["forebay", "other"], "azp": "other"},
        {"azp": "other"},
        {"exp": NOW - 61},
        {"exp": "soon"},
        {"exp": None},
        {"iat": NOW + 3600},
        {"nbf": NOW + 3600},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"at_hash": "AAAA"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_or_missing(changed: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    with pytest.raises(NotAllowedError) as refused:
        verified(signed(claims), PUBLISHED, CLIENT, "n", NOW, "access")
    assert refused.value.kind == "log-in-refused"


def test_a_signature_that_anybody_could_have_made() -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "rsa"})
    header, _, signature = signed(GOOD).split(".")
    other = base64.urlsafe_b64encode(json.dumps({**GOOD, "sub": "root"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    shared = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').decode().rstrip("=")
    digest = hmac.digest(RSA.as_pem(private=False), f"{shared}.{other}".encode(), "sha256")
    mac = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    for forged in (
        signed(GOOD, stranger),
        f"{shared}.{other}.{mac}",
        f"{header}.{other}.{signature}",
        f"{none}.{other}.",
        f"{header}.{other}.",
        "",
        "a.b.c",
        "é",
    ):
        with pytest.raises(NotAllowedError):
            verified(forged, PUBLISHED, CLIENT, "n", NOW)
    with pytest.raises(NotAllowedError):
        verified(signed(GOOD), {"keys": []}, CLIENT, "n", NOW)
    with pytest.raises(NotAllowedError):
        verified(signed(GOOD), {}, CLIENT, "n", NOW)
