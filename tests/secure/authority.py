"""Make a certificate authority and certificates with openssl, for one run of the tests."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Certificate(NamedTuple):
    """A certificate and its key, both PEM."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; whoever trusts `ca` trusts them.

    Parameters
    ----------
    folder
        Where everything is kept.
    name
        What it calls itself.
    """

    def __init__(self, folder: Path, name: str) -> None:
        assert shutil.which("openssl"), "these tests make certificates: install openssl"
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self._key, "-out", self.ca,
        )  # fmt: skip

    def issue(self, name: str, alternative: str = "", password: str = "") -> Certificate:
        """Issue a certificate.

        Parameters
        ----------
        name
            Its common name.
        alternative
            What it stands for, e.g. ``IP:127.0.0.1``.
        password
            Encrypts the key, if given.
        """
        stem = self._folder / name
        key, request, cert = (stem.with_suffix(end) for end in (".key", ".csr", ".pem"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={alternative}\n" if alternative else "\n")
        self._openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key,
            "-CAcreateserial", "-days", "3", "-extfile", extensions, "-out", cert,
        )  # fmt: skip
        if password:
            locked = stem.with_suffix(".locked.key")
            words = ("pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", f"pass:{password}")
            self._openssl(*words)
            key = locked
        return Certificate(cert, key)

    def _openssl(self, *words: object) -> None:
        command = ["openssl", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
