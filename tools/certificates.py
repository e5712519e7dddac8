#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An authority of this folder's own, and certificates that it issued, for trials and tests: by openssl.

Writes authority.pem and authority.key, and for each NAME a NAME.pem and NAME.key with the subject CN=NAME, good for being
a server on the hosts named, on localhost and 127.0.0.1, and for being a client. What is there already stays. In production
certificates come from an authority of the company's."""
import argparse
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from processes import UNAVAILABLE, Failure

DAYS = "825"


def openssl(*arguments):
    try:
        answer = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    except FileNotFoundError:
        raise Failure(UNAVAILABLE, "openssl: no such command; install it (Debian: apt-get install openssl)") from None
    if answer.returncode != 0:
        raise Failure(UNAVAILABLE, f"openssl {arguments[0]} failed: {answer.stderr.strip()[-500:]}")


def make_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    path.chmod(0o600)


def make_authority(folder):
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if (folder / "authority.pem").exists():
        return
    make_key(folder / "authority.key")
    openssl("req", "-x509", "-new", "-key", folder / "authority.key", "-out", folder / "authority.pem", "-days", DAYS,
            "-subj", "/CN=assay authority", "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificate(folder, name, hosts=()):
    certificate, request = folder / f"{name}.pem", folder / f"{name}.request"
    if certificate.exists():
        return
    make_key(folder / f"{name}.key")
    openssl("req", "-new", "-key", folder / f"{name}.key", "-out", request, "-subj", f"/CN={name}")
    names = ",".join(f"DNS:{host}" for host in ("localhost", *hosts))
    extensions = folder / f"{name}.extensions"
    extensions.write_text(f"subjectAltName=IP:127.0.0.1,{names}\nextendedKeyUsage=serverAuth,clientAuth\n"
                          "keyUsage=critical,digitalSignature\n")
    unfinished = folder / f"{name}.unfinished"
    openssl("x509", "-req", "-in", request, "-CA", folder / "authority.pem", "-CAkey", folder / "authority.key",
            "-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", unfinished)
    os.replace(unfinished, certificate)
    request.unlink()
    extensions.unlink()


def main():
    parser = argparse.ArgumentParser(prog="tools/certificates.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="Example: tools/certificates.py tls kafka gateway=gateway.internal aggregator evaluator")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="+", metavar="NAME[=HOST,…]")
    options = parser.parse_args()
    try:
        make_authority(options.folder)
        for item in options.names:
            name, _, hosts = item.partition("=")
            make_certificate(options.folder, name, [host for host in hosts.split(",") if host])
    except Failure as failure:
        print(f"error: certificates: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
