"""An OpenID Connect provider, as the hub asks it: a code with PKCE and a nonce, for an ID token that is checked.

It is asked at the addresses that it publishes itself under its issuer, which an admin has set. Invariant: `claims`
gives nothing that was not signed by that issuer, for this hub, for this log-in, just now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forebay.errors import NotAllowedError, UnavailableError
from forebay.hub.access.claims import log_in_refused

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""What is signed with a key that only the provider has: no shared secret, and never `none`."""

_LEEWAY_SECONDS = 60
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What the hub is to its provider."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What only this log-in knows: the provider binds its answers to it."""

    nonce: str
    verifier: str = field(repr=False)


class Provider:
    """Asks one provider."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def address(self, state: str, proof: Proof, redirect_uri: str) -> str:
        """Where a browser goes to log in. UnavailableError `provider-away`."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        told: str = prepare_grant_uri(
            self._published()["authorization_endpoint"],
            client_id=self._client.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self._client.scopes,
            state=state,
            nonce=proof.nonce,
            code_challenge=create_s256_code_challenge(proof.verifier),
            code_challenge_method="S256",
        )
        return told

    def claims(self, code: str, proof: Proof, redirect_uri: str, now: float) -> Mapping[str, Any]:
        """What the provider says of who came back with a code; NotAllowedError `log-in-refused`."""
        published = self._published()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._client.client_id,
            "code_verifier": proof.verifier,
        }
        methods = published.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = None
        if self._client.client_secret and "client_secret_basic" in methods:
            auth = (self._client.client_id, self._client.client_secret)
        elif self._client.client_secret:
            form["client_secret"] = self._client.client_secret
        answer = self._ask("POST", published["token_endpoint"], data=form, auth=auth)
        keys = self._ask("GET", published["jwks_uri"])
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise log_in_refused("the provider gave no ID token")
        return verified(id_token, keys, self._client, proof.nonce, now, str(answer.get("access_token", "")))

    def _published(self) -> dict[str, Any]:
        found = self._ask("GET", f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration")
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self._client.issuer or not all(isinstance(found.get(name), str) for name in wanted):
            raise _away(f"{self._client.issuer} does not publish itself as an OpenID provider of that name")
        return found

    def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        import httpx2

        try:
            with httpx2.Client(timeout=_TIMEOUT_SECONDS) as client:
                response = client.request(method, url, headers={"Accept": "application/json"}, **more)
            told = response.json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            # What an error says may repeat what was sent.
            raise _away(f"the OpenID provider can't be asked ({type(error).__name__})") from None
        if method == "POST" and response.status_code in (400, 401, 403):
            raise log_in_refused("the provider does not take this code")
        if not response.is_success or not isinstance(told, dict):
            raise _away(f"the OpenID provider answered with the status {response.status_code}")
        return told


def verified(
    id_token: str, keys: Mapping[str, Any], client: Client, nonce: str, now: float, access_token: str = ""
) -> Mapping[str, Any]:
    """The claims of an ID token that holds; NotAllowedError `log-in-refused` for any other."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    wanted = {"iss": {"essential": True, "value": client.issuer}, "aud": {"essential": True, "value": client.client_id}}
    asked = {"nonce": nonce, "client_id": client.client_id, "access_token": access_token}
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(dict(keys)), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
        claims = CodeIDToken(token.claims, token.header, wanted, asked)
        claims.validate(now=int(now), leeway=_LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _does_not_hold(error) from None
    return dict(token.claims)


def _does_not_hold(error: Exception) -> NotAllowedError:
    claim = getattr(error, "claim", "") or getattr(error, "error", "") or type(error).__name__
    return log_in_refused(f"the provider's ID token does not hold ({claim})")


def _away(what: str) -> UnavailableError:
    return UnavailableError("provider-away", f"Nobody can log in now: {what}.", todo="Try again; or use a token.")
