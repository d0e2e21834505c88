"""A real mail server for the tests: takes letters by SMTP and writes each as JSON into a folder.

Arguments: port, folder, mode (plain, starttls, implicit, stripped), certificate, key, account, secret.
Recipients at refuses.example are refused for ever, those at later.example for now.
"""

import asyncio
import base64
import email
import email.policy
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, folder, mode, certificate, key, account, secret = sys.argv[1:8]
folder = pathlib.Path(folder)


class Postbox:
    def __init__(self):
        self.count = len(list(folder.glob("*.json")))

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@refuses.example"):
            return "550 5.1.1 no such mailbox"
        if address.endswith("@later.example"):
            return "451 4.7.1 greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        seen = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": letter["subject"],
            "from_header": letter["from"],
            "headers": sorted(name.lower() for name in letter.keys()),
            "message_id": letter["message-id"],
            "text": letter.get_content().replace("\r\n", "\n"),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "account": "known" if session.authenticated else None,
            "raw": base64.b64encode(envelope.content).decode(),
        }
        self.count += 1
        part = folder / f"{self.count:04}.part"
        part.write_text(json.dumps(seen, ensure_ascii=False))
        part.rename(folder / f"{self.count:04}.json")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == account.encode() and data.password == secret.encode()
    return AuthResult(success=good, auth_data="known" if good else None)


async def main():
    tls = None
    if mode in ("starttls", "implicit"):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
    postbox = Postbox()

    def session():
        return SMTP(
            postbox,
            hostname="mail.aoba.example",
            tls_context=tls if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticate if account else None,
            auth_required=bool(account),
            auth_require_tls=False,
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", int(port), ssl=tls if mode == "implicit" else None
    )
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
