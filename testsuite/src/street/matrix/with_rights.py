"""Single acts with files, and forwards, by asyncssh or Paramiko. Every act is tried, and what it came to is told."""

import asyncio
import hashlib
import json
import os
import sys

HOW = json.loads(sys.argv[1])


def weight(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def acts(sftp):
    """The acts by their names, on either library."""
    here, there = HOW["here"], HOW["there"]
    return {
        "download": lambda: sftp.get(f"{there}/down", f"{here}/down"),
        "upload": lambda: sftp.put(f"{here}/up", f"{there}/up"),
        "delete": lambda: sftp.remove(f"{there}/gone"),
        "rename": lambda: sftp.rename(f"{there}/old", f"{there}/new"),
    }


def by_paramiko():
    import paramiko

    transport = paramiko.Transport(("127.0.0.1", HOW["port"]))
    transport.start_client(timeout=20)
    transport.auth_publickey(HOW["login"], paramiko.Ed25519Key(filename=HOW["key"]))
    facts = {}
    if HOW.get("acts"):
        sftp = paramiko.SFTPClient.from_transport(transport)
        for name in HOW["acts"]:
            try:
                acts(sftp)[name]()
                facts[name] = "done"
            except (OSError, EOFError, paramiko.SSHException) as fault:
                facts[name] = f"{type(fault).__name__} {fault}"
        sftp.close()
    if HOW.get("to"):
        try:
            channel = transport.open_channel("direct-tcpip", ("127.0.0.1", HOW["to"]), ("127.0.0.1", 1), timeout=20)
            channel.settimeout(30)
            channel.sendall(open(HOW["input"], "rb").read())
            channel.shutdown_write()
            facts["answer"] = weight(b"".join(iter(lambda: channel.recv(65536), b"")))
            channel.close()
        except paramiko.ChannelException as fault:
            facts["answer"] = f"{type(fault).__name__} {fault}"
    transport.close()
    return facts


async def by_asyncssh():
    import asyncssh

    facts = {}
    place = {"port": HOW["port"], "username": HOW["login"], "client_keys": [HOW["key"]]}
    async with asyncssh.connect("127.0.0.1", **place, known_hosts=None, config=None, agent_path=None) as connection:
        if HOW.get("acts"):
            async with connection.start_sftp_client() as sftp:
                for name in HOW["acts"]:
                    try:
                        await acts(sftp)[name]()
                        facts[name] = "done"
                    except asyncssh.Error as fault:
                        facts[name] = f"{type(fault).__name__} {fault.reason}"
        if HOW.get("to"):
            try:
                reader, writer = await connection.open_connection("127.0.0.1", HOW["to"])
                writer.write(open(HOW["input"], "rb").read())
                writer.write_eof()
                facts["answer"] = weight(await reader.read())
                writer.close()
            except asyncssh.Error as fault:
                facts["answer"] = f"{type(fault).__name__} {fault.reason}"
    return facts


print(json.dumps(by_paramiko() if HOW["library"] == "Paramiko" else asyncio.run(by_asyncssh())))
