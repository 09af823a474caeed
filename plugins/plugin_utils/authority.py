# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate authority in a folder on the controller, based on the library cryptography.

``ca.pem`` and ``ca-key.pem``; for each host ``hosts/NAME/cert.pem`` and ``key.pem``; for each client
``clients/NAME/ca.pem``, ``cert.pem`` and ``key.pem``, as Docker's own client expects them in DOCKER_CERT_PATH. Each
renewal creates a new key. Only the authority keeps its key until its generation is raised, so that its certificates
stay valid.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import tempfile
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import (
    CLIENT,
    SERVER,
    CertificateSpec,
    ExistingCertificate,
    Lifetimes,
    canonical_names,
    is_address,
    reason_of_dates,
    reason_to_issue,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import TlsFiles

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

CA_FILE, CA_KEY_FILE = "ca.pem", "ca-key.pem"
CERT_FILE, KEY_FILE = "cert.pem", "key.pem"
SKEW = datetime.timedelta(hours=1)  # clocks of hosts differ
# The first file of an authority's folder, which marks it.
_MARK, _IGNORE = ".gitignore", b"# Private keys: not for version control.\n*\n"
_LOCK, _TEMPORARY = ".lock", ".new."


def require_cryptography() -> None:
    """Raise FleetnetError if the controller lacks the library."""
    if not HAS_CRYPTOGRAPHY:
        raise FleetnetError(
            "cryptography: not found on the controller. Install it (Debian, Ubuntu: python3-cryptography)."
        )


class Folder:
    """Files in a folder; with ``write=False`` (check mode) new contents are kept in memory only."""

    def __init__(self, path: str, write: bool) -> None:
        self._path = path
        self._write = write
        self._pending: dict[str, bytes] = {}
        self.written: list[str] = []

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Exclude the actions of other hosts, which run at the same time and share the authority.

        Raises FleetnetError if the folder is in use for something else.
        """
        self._check_mark()
        if not self._write:
            yield
            return
        os.makedirs(self._path, mode=0o700, exist_ok=True)
        with open(os.path.join(self._path, _LOCK), "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.protect()
            yield

    def _check_mark(self) -> None:
        try:
            names = [name for name in os.listdir(self._path) if name != _LOCK and not name.startswith(_TEMPORARY)]
        except FileNotFoundError:
            return
        if names and self.read(_MARK) != _IGNORE:
            raise FleetnetError(
                f"{self._path}: is not empty and is not the folder of an authority. Choose an empty folder, or one "
                "that does not exist: authority.folder, in the role docker_remote_api_folder."
            )

    def protect(self) -> None:
        """Set the modes of existing files, which a copy of the folder may lack."""
        for folder, _folders, files in os.walk(self._path):
            os.chmod(folder, 0o700)
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):  # its target is outside of the folder
                    os.chmod(path, 0o600)

    def path(self, name: str) -> str:
        return os.path.join(self._path, name)

    def read(self, name: str) -> bytes | None:
        if name in self._pending:
            return self._pending[name]
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace the file atomically; only its owner can read it at any time."""
        if self.read(name) == content:
            return
        self.written.append(name)
        if not self._write:
            self._pending[name] = content
            return
        path = self.path(name)
        folder = self._path
        for part in ["", *name.split("/")[:-1]]:
            folder = os.path.join(folder, part)
            os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=_TEMPORARY)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


class Authority:
    """Issue certificates that are missing, do not match or expire soon. ``reasons`` has one line per certificate."""

    def __init__(self, folder: Folder, generation: int, lifetimes: Lifetimes, now: datetime.datetime) -> None:
        self._folder = folder
        self._name = f"fleetnet.docker remote API, generation {generation}"
        self._lifetimes = lifetimes
        self._now = now.replace(microsecond=0)
        self.reasons: list[str] = []
        self._key, self._certificate = self._load()

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, host: str, names: t.Iterable[str]) -> TlsFiles:
        """Return the certificate and key of a host's engine."""
        _check_name(host)
        pair = self._pair(f"hosts/{host}", self._spec(host, SERVER, canonical_names(names)))
        return TlsFiles(self.pem, *pair)

    def client(self, name: str) -> None:
        """Write the certificate and key of a client, and the authority's certificate."""
        _check_name(name)
        self._pair(f"clients/{name}", self._spec(name, CLIENT, ()))
        self._folder.write(f"clients/{name}/{CA_FILE}", self.pem.encode())

    def _spec(self, name: str, usage: str, names: tuple[str, ...]) -> CertificateSpec:
        return CertificateSpec(name, usage, names, self._lifetimes.certificate, self._lifetimes.renew)

    def _load(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = self._read_key(CA_KEY_FILE)
        certificate = self._read_certificate(CA_FILE)
        if certificate is not None and _common_name(certificate) == self._name:
            if key is None:
                raise FleetnetError(
                    f"{self._folder.path(CA_KEY_FILE)}: missing. Restore it, or raise authority.generation to create "
                    f"another authority, which replaces the certificates of all hosts and clients."
                )
            if certificate.public_key() != key.public_key():
                raise FleetnetError(f"{self._folder.path(CA_KEY_FILE)}: is not the key of {CA_FILE}. Restore it.")
            # Early enough that no certificate expires after its authority.
            reason = reason_of_dates(*_validity(certificate), self._lifetimes.certificate, self._now)
            if reason is None:
                return key, certificate
        else:
            reason = "missing" if certificate is None else "of another generation"
            key = ec.generate_private_key(ec.SECP256R1())
        self.reasons.append(f"authority: {reason}")
        certificate = self._sign_itself(key)
        self._folder.write(_MARK, _IGNORE)
        self._folder.write(CA_KEY_FILE, _key_bytes(key))
        self._folder.write(CA_FILE, certificate.public_bytes(serialization.Encoding.PEM))
        return key, certificate

    def _sign_itself(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        name = _name(self._name)
        usage = _key_usage(digital_signature=False, certificates=True)
        builder = (
            self._builder(name, name, key, self._lifetimes.authority)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return builder.sign(key, hashes.SHA256())

    def _pair(self, folder: str, spec: CertificateSpec) -> tuple[str, str]:
        cert_name, key_name = f"{folder}/{CERT_FILE}", f"{folder}/{KEY_FILE}"
        certificate, key = self._read_certificate(cert_name), self._read_key(key_name)
        reason = reason_to_issue(self._existing(certificate, key), spec, self._now)
        if certificate is None or key is None or reason is not None:
            self.reasons.append(f"{spec.usage} {spec.common_name}: {reason}")
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._issue(key, spec)
            # The key first: if the second write fails, the pair does not match and is issued again.
            self._folder.write(key_name, _key_bytes(key))
            self._folder.write(cert_name, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), _key_bytes(key).decode()

    def _issue(self, key: ec.EllipticCurvePrivateKey, spec: CertificateSpec) -> x509.Certificate:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if spec.usage == SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(_name(spec.common_name), self._certificate.subject, key, spec.days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if spec.names:
            names: list[x509.GeneralName] = [
                x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)
                for name in spec.names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        public = self._key.public_key() if subject != issuer else key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - SKEW)
            .not_valid_after(self._now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        )

    def _existing(
        self, certificate: x509.Certificate | None, key: ec.EllipticCurvePrivateKey | None
    ) -> ExistingCertificate | None:
        if certificate is None or key is None:
            return None
        usages = _extension(certificate, x509.ExtendedKeyUsage)
        server = usages is not None and ExtendedKeyUsageOID.SERVER_AUTH in usages
        return ExistingCertificate(
            common_name=_common_name(certificate),
            usage=SERVER if server else CLIENT,
            names=_names(certificate),
            not_before=_validity(certificate)[0],
            not_after=_validity(certificate)[1],
            signed=self._signed(certificate),
            key_fits=certificate.public_key() == key.public_key(),
        )

    def _signed(self, certificate: x509.Certificate) -> bool:
        if certificate.issuer != self._certificate.subject or certificate.signature_hash_algorithm is None:
            return False
        try:
            self._key.public_key().verify(
                certificate.signature,
                certificate.tbs_certificate_bytes,
                ec.ECDSA(certificate.signature_hash_algorithm),
            )
        except Exception:  # InvalidSignature, or the error for a signature of another kind
            return False
        return True

    def _read_certificate(self, name: str) -> x509.Certificate | None:
        content = self._folder.read(name)
        return None if content is None else load_certificates(content, self._folder.path(name))[0]

    def _read_key(self, name: str) -> ec.EllipticCurvePrivateKey | None:
        content = self._folder.read(name)
        if content is None:
            return None
        key = load_key(content, self._folder.path(name))
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FleetnetError(
                f"{self._folder.path(name)}: must be an elliptic curve key. Remove it to create another."
            )
        return key


def check_provided(material: TlsFiles, now: datetime.datetime) -> None:
    """Raise FleetnetError if certificates of the user do not match each other, or are not valid now."""
    for certificate in load_certificates(material.ca.encode(), "ca_certificate"):
        reason = reason_of_dates(*_validity(certificate), 0, now)
        if reason:
            raise FleetnetError(f"ca_certificate ({_common_name(certificate)}): {reason}. Provide another one.")
    own = load_certificates(material.certificate.encode(), "certificate")[0]
    reason = reason_of_dates(*_validity(own), 0, now)
    if reason:
        raise FleetnetError(f"certificate ({_common_name(own)}): {reason}. Provide another one.")
    key = load_key(material.key.encode(), "private_key")
    if key.public_key() != own.public_key():
        raise FleetnetError(
            f"private_key: is not the key of certificate ({_common_name(own)}). Provide the matching key."
        )


def load_certificates(content: bytes, where: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise FleetnetError(f"{where}: must be a certificate in PEM format.") from None


def load_key(content: bytes, where: str) -> t.Any:
    """Load a private key. The error message does not contain the content."""
    try:
        return serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise FleetnetError(f"{where}: must be a private key in PEM format without a password.") from None


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name) > 64:
        raise FleetnetError(f"{name!r}: is not a valid name. Use 1 to 64 characters without '/'.")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _validity(certificate: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    if hasattr(certificate, "not_valid_after_utc"):  # cryptography 42
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    utc = datetime.timezone.utc
    return certificate.not_valid_before.replace(tzinfo=utc), certificate.not_valid_after.replace(tzinfo=utc)


def _extension(certificate: x509.Certificate, kind: t.Any) -> t.Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return canonical_names(addresses + names.get_values_for_type(x509.DNSName))


def _key_usage(digital_signature: bool, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
