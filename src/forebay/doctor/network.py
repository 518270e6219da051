"""Checks the team's hub: network, certificate, release, clock, and what the token may do. Never tells a token."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2

from forebay import __version__
from forebay.client.remote.hub import RemoteHub
from forebay.doctor.clocks import skewed
from forebay.doctor.finding import Finding, fault, note, told, warning
from forebay.doctor.patient import Patient
from forebay.lake.backoff import Backoff, Patience
from forebay.loopback import is_loopback
from forebay.wire.http import API, error_from_json

IMPATIENT = Patience(backoff=Backoff(attempts=1, total_s=4.0))
_SECONDS = 4.0
_DAY = 86400.0
_DATE_GRAIN = 1.0


def team_hub(patient: Patient) -> Iterator[Finding]:
    """That the hub answers, and takes the token; it is the patient's from then on."""
    url = urlsplit(patient.settings.hub)
    if url.scheme == "https":
        found = _certificate(patient, url.hostname or "", url.port or 443)
        yield from found
        if found and found[0].kind != "certificate-ends":
            return
    elif not is_loopback(url.hostname or ""):
        message = f"{patient.settings.hub} is asked without TLS: whoever listens reads the token"
        yield warning("no-tls", message, "Serve the hub with --tls-cert, and set FOREBAY_HUB to https://...")
    with httpx2.Client(base_url=patient.settings.hub, timeout=_SECONDS) as client:
        try:
            yield from _health(client)
            yield from _token(patient, client)
        except httpx2.TransportError as error:
            why = str(error) if isinstance(error, httpx2.ConnectError) else type(error).__name__
            mend = "Is it running (forebay hub serve)? Is FOREBAY_HUB right, and the way there open?"
            yield fault("hub-away", f"the hub {patient.settings.hub} cannot be reached ({why})", mend)


def _certificate(patient: Patient, host: str, port: int) -> list[Finding]:
    """What is wrong with the hub's certificate, or when it ends if that is soon."""
    context = httpx2.create_ssl_context()
    try:
        with (
            socket.create_connection((host, port), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            ends = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        mend = (
            "Renew it on the hub; one of an authority of your own: set SSL_CERT_FILE to that authority's certificate."
        )
        return [fault("bad-certificate", f"the certificate of {host} does not hold: {error.verify_message}", mend)]
    except OSError:
        return []  # the request that follows tells it better
    left_s = ends - patient.clock.now()
    if left_s > patient.thresholds.certificate_days * _DAY:
        return []
    on = datetime.datetime.fromtimestamp(ends, datetime.UTC).date()
    message = f"the certificate of {host} ends on {on}, in {max(0.0, left_s) / _DAY:.0f} days"
    return [warning("certificate-ends", message, "Renew it, and start the hub again.")]


def _health(client: httpx2.Client) -> Iterator[Finding]:
    response = client.get("/readyz")
    if response.status_code == 503:
        yield fault("hub-not-ready", "the hub answers, and its database does not", "On its machine: forebay doctor")


def _token(patient: Patient, client: httpx2.Client) -> Iterator[Finding]:
    token = patient.settings.token
    asked_at = patient.clock.now()
    response = client.get(f"{API}/hub", headers={"Authorization": f"Bearer {token}"} if token else {})
    answered_at = patient.clock.now()
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code == 401:
        yield _refused(token)
    elif not response.is_success or not isinstance(answer, dict) or "owner" not in answer:
        error = error_from_json(response.status_code, answer)
        yield told(error) if error is not None else _no_hub(patient, response)
    else:
        yield from _release(str(answer.get("version", "")))
        yield from _rights(patient, answer)
        settings = patient.settings
        folder = settings.home / "hub"
        patient.hub = RemoteHub(settings.hub, token, folder, first=IMPATIENT, later=IMPATIENT)
    date = response.headers.get("Date")
    if date:
        theirs = parsedate_to_datetime(date).timestamp()
        yield from skewed("the hub", theirs, asked_at, answered_at, patient.thresholds, grain_s=_DATE_GRAIN)


def _refused(token: str) -> Finding:
    if not token:
        return fault(
            "token-missing", "the hub wants a token, and none is set", "Set FOREBAY_TOKEN; an admin makes one."
        )
    if not token.startswith("fbt_") or len(token) != 47:
        message = f"what is set as token is none: it has {len(token)} characters, and a token is fbt_ and 43 more"
        return fault("token-malformed", message, "Copy it again, whole and without quotes, into FOREBAY_TOKEN.")
    message = "the hub does not take the token: it is another hub's, has expired or was revoked"
    mend = "An admin sees which with forebay token ls, and makes another one: forebay token make"
    return fault("token-refused", message, mend)


def _no_hub(patient: Patient, response: httpx2.Response) -> Finding:
    message = f"{patient.settings.hub} does not answer as a hub does (HTTP status {response.status_code})"
    return fault("not-a-hub", message, "Check FOREBAY_HUB: forebay config show --origin")


def _release(theirs: str) -> Iterator[Finding]:
    if theirs.split(".")[:2] != __version__.split(".")[:2]:
        message = f"the hub is of release {theirs or 'unknown'}, this is {__version__}"
        yield warning("release-skew", message, "Bring the older one up: the hub first, then the machines that ask it.")


def _rights(patient: Patient, answer: dict[str, object]) -> Iterator[Finding]:
    """What the token is for, as the hub says it (older ones do not)."""
    user, role, site = (str(answer.get(name, "")) for name in ("user", "role", "site"))
    if site:
        yield note("token-of-agent", f"the token is for the agent of the site {site}", "People use one of their own.")
    elif role == "viewer":
        message = f"the token of {user} is a viewer's: it sees versions, and can't bring or open them here"
        yield fault("token-too-weak", message, "Ask an admin for a scientist's: forebay token make --role scientist")
    until = answer.get("token_until")
    left_s = float(until) - patient.clock.now() if isinstance(until, int | float) and until else None
    if left_s is not None and left_s < patient.thresholds.token_days * _DAY:
        days = max(0.0, left_s) / _DAY
        yield warning("token-ends", f"the token ends in {days:.1f} days", "Make the next one: forebay token make")
