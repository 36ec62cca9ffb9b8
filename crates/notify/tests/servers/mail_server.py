"""A real mail server for tests: aiosmtpd on a free port of this computer.

Prints one JSON object a line: first where it listens, then each letter that it took, read by Python's own mail library.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(what):
    print(json.dumps(what), flush=True)


class Letters:
    """Takes letters, after refusing the first few for the time being."""

    def __init__(self, refusals):
        self.refusals = refusals

    async def handle_DATA(self, server, session, envelope):
        if self.refusals > 0:
            self.refusals -= 1
            return "451 4.3.0 Try again later"
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [
            {
                "type": part.get_content_type(),
                "name": part.get_filename(),
                "bytes": len(part.get_payload(decode=True)),
                "base64": base64.b64encode(part.get_payload(decode=True)).decode(),
                "text": part.get_content() if part.get_content_maintype() == "text" else None,
            }
            for part in letter.walk()
            if not part.is_multipart()
        ]
        say(
            {
                "user": session.auth_data,
                "sender": envelope.mail_from,
                "recipients": envelope.rcpt_tos,
                "type": letter.get_content_type(),
                "headers": {name.lower(): str(value) for name, value in letter.items()},
                "defects": [str(defect) for defect in letter.defects],
                "parts": parts,
            }
        )
        return "250 OK"


def authenticator(wanted):
    def authenticate(server, session, envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        good = login == "saldo@mail.example" and password == wanted
        return AuthResult(success=good, auth_data=login, handled=False)

    return authenticate


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--encryption", choices=["starttls", "tls", "none"], required=True)
    parser.add_argument("--password", default="p@ss/ł")
    parser.add_argument("--refusals", type=int, default=0)
    parser.add_argument("--until-input-ends", action="store_true")
    options = parser.parse_args()
    starttls, tls = options.encryption == "starttls", options.encryption == "tls"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if starttls or tls:
        context.load_cert_chain(options.certificate, options.key)
    letters = Letters(options.refusals)

    def session():
        return SMTP(
            letters,
            hostname="localhost",
            require_starttls=starttls,
            tls_context=context if starttls else None,
            authenticator=authenticator(options.password),
            auth_required=True,
            auth_require_tls=starttls,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if tls else None)
    say({"port": server.sockets[0].getsockname()[1]})
    if options.until_input_ends:
        # Whoever started it is gone, and had no time to say so.
        loop.add_reader(sys.stdin, loop.stop)
    await server.serve_forever()


asyncio.run(main())
