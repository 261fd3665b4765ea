"""Microsoft's msal for Python signs in to `tenant-sim serve` over https.

Usage: msal_login.py PATH_OF_TENANT_SIM
Prints one line per case and "N passed, M failed"; exits non-zero on any failure.
"""

import base64
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import jwt
import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

GRAPH = "https://graph.microsoft.com/.default"
EXCHANGE = "https://outlook.office365.com/.default"
GRAPH_API = "00000003-0000-0000-c000-000000000000"


signed = []  # headers of the assertions that msal made
encode = jwt.encode


def recording_encode(*args, **kwargs):
    token = encode(*args, **kwargs)
    signed.append(jwt.get_unverified_header(token))
    return token


jwt.encode = recording_encode


class Tenant:
    """The running program and what it printed."""

    def __init__(self, binary, folder):
        self.process = subprocess.Popen(
            [binary, "serve", "--system-clock", "--propagation", "instant",
             "--ca-file", str(folder / "ca.pem"), "--secret-file", str(folder / "secret")],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "tenant-sim printed nothing"
        told = json.loads(line)
        self.url, self.id, self.ca = told["https_url"], told["tenant_id"], told["ca_file"]
        self.client = told["setup_client_id"]
        self.secret = pathlib.Path(told["setup_secret_file"]).read_text()

    def app(self, client=None, credential=None, tenant=None):
        """A fresh msal object per case: msal remembers failures."""
        return msal.ConfidentialClientApplication(
            client or self.client,
            authority=f"{self.url}/{tenant or self.id}",
            client_credential=self.secret if credential is None else credential,
            instance_discovery=False, verify=self.ca)

    def graph(self, method, path, body, token, **headers):
        answer = requests.request(method, f"{self.url}/v1.0{path}", json=body, verify=self.ca, timeout=30,
                                  headers={"Authorization": f"Bearer {token}", **headers})
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def certificate():
    """A self-signed certificate: (PEM of the key, PEM of the certificate, DER)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "msal-peer")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
            .sign(key, hashes.SHA256()))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    return (pem.decode(), cert.public_bytes(serialization.Encoding.PEM).decode(),
            cert.public_bytes(serialization.Encoding.DER), cert)


def secret_login(tenant):
    answer = tenant.app().acquire_token_for_client([GRAPH])
    found = claims(answer["access_token"])
    assert found["aud"] == "https://graph.microsoft.com" and found["tid"] == tenant.id
    assert found["appid"] == tenant.client and found["idtyp"] == "app" and found["appidacr"] == "1"
    assert "Application.ReadWrite.OwnedBy" in found["roles"], found
    assert 3599 <= answer["expires_in"] <= 5100, answer["expires_in"]


def token_per_resource(tenant):
    found = claims(tenant.app().acquire_token_for_client([EXCHANGE])["access_token"])
    assert found["aud"] == "https://outlook.office365.com" and found["roles"] == ["Exchange.ManageAsApp"], found


def register(tenant):
    """An app with Mail.Read and a certificate, made by the set-up identity: (client id, key PEM, certificate PEM)."""
    token = tenant.app().acquire_token_for_client([GRAPH])["access_token"]
    key_pem, cert_pem, der, cert = certificate()
    made = tenant.graph("PATCH", "/applications(uniqueName='msal-peer')",
                        {"displayName": "msal peer", "signInAudience": "AzureADMyOrg"}, token,
                        Prefer="create-if-missing")
    tenant.graph("PATCH", f"/applications/{made['id']}",
                 {"keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "CN=msal-peer",
                                      "key": base64.b64encode(der).decode()}]}, token)
    principal = tenant.graph("POST", "/servicePrincipals", {"appId": made["appId"]}, token)
    api = tenant.graph("GET", f"/servicePrincipals(appId='{GRAPH_API}')", None, token)
    role = next(r["id"] for r in api["appRoles"] if r["value"] == "Mail.Read" and r["isEnabled"])
    tenant.graph("POST", f"/servicePrincipals/{api['id']}/appRoleAssignedTo",
                 {"principalId": principal["id"], "resourceId": api["id"], "appRoleId": role}, token)
    return made["appId"], principal["id"], key_pem, cert_pem, cert


def ps256_login(tenant):
    client, principal, key_pem, cert_pem, _ = register(tenant)
    # A certificate without an explicit SHA-1 thumbprint makes msal sign with PS256 and x5t#S256.
    answer = tenant.app(client, {"private_key": key_pem, "public_certificate": cert_pem}).acquire_token_for_client([GRAPH])
    assert "access_token" in answer, answer
    assert signed[-1]["alg"] == "PS256" and "x5t#S256" in signed[-1], signed[-1]
    found = claims(answer["access_token"])
    assert found["appidacr"] == "2" and found["oid"] == principal and found["roles"] == ["Mail.Read"], found


def rs256_login(tenant):
    token = tenant.app().acquire_token_for_client([GRAPH])["access_token"]
    key_pem, _, der, cert = certificate()
    tenant.graph("PATCH", "/applications(uniqueName='msal-peer')",
                 {"keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify",
                                      "key": base64.b64encode(der).decode()}]}, token)
    client = tenant.graph("GET", "/applications(uniqueName='msal-peer')", None, token)["appId"]
    credential = {"private_key": key_pem, "thumbprint": cert.fingerprint(hashes.SHA1()).hex()}
    answer = tenant.app(client, credential).acquire_token_for_client([GRAPH])
    assert "access_token" in answer, answer
    assert signed[-1]["alg"] == "RS256" and "x5t" in signed[-1], signed[-1]


def unknown_certificate(tenant):
    token = tenant.app().acquire_token_for_client([GRAPH])["access_token"]
    client = tenant.graph("GET", "/applications(uniqueName='msal-peer')", None, token)["appId"]
    key_pem, cert_pem, _, _ = certificate()
    refused(tenant.app(client, {"private_key": key_pem, "public_certificate": cert_pem}), 700027, "invalid_client")


def wrong_secret(tenant):
    refused(tenant.app(credential="not~the.secret"), 7000215, "invalid_client")


def unknown_app(tenant):
    refused(tenant.app("11111111-2222-3333-4444-555555555555"), 700016, "unauthorized_client")


def refused(app, number, error):
    answer = app.acquire_token_for_client([GRAPH])
    assert answer.get("error") == error and answer.get("error_codes") == [number], answer
    assert answer["error_description"].startswith(f"AADSTS{number}: "), answer
    assert answer["trace_id"] and answer["correlation_id"] and answer["timestamp"], answer


def unknown_tenant(tenant):
    # msal reads the discovery document first and reports what it finds there.
    try:
        tenant.app(tenant="99999999-8888-7777-6666-555555555555").acquire_token_for_client([GRAPH])
    except ValueError as error:
        assert "99999999-8888-7777-6666-555555555555" in str(error), error
    else:
        raise AssertionError("an unknown tenant was accepted")
    answer = requests.post(f"{tenant.url}/99999999-8888-7777-6666-555555555555/oauth2/v2.0/token", verify=tenant.ca,
                           data={"grant_type": "client_credentials"}, timeout=30)
    assert answer.status_code == 400 and answer.json()["error_codes"] == [90002], answer.text


CASES = [secret_login, token_per_resource, ps256_login, rs256_login, unknown_certificate, wrong_secret, unknown_app,
         unknown_tenant]


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tenant = Tenant(sys.argv[1], pathlib.Path(folder))
        try:
            for case in CASES:
                try:
                    case(tenant)
                except Exception as error:  # every failure is counted and shown
                    failed += 1
                    print(f"FAILED {case.__name__}: {type(error).__name__}: {error}")
                else:
                    passed += 1
                    print(f"ok     {case.__name__}")
        finally:
            tenant.process.terminate()
            tenant.process.wait(timeout=10)
    print(f"msal {msal.__version__}: {passed} passed, {failed} failed")
    return 0 if failed == 0 and passed == len(CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
