"""Audits an exported ledger or a proof, from the C2SP documents alone.

  ledger_audit.py export DIR [THRESHOLD]      signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles
  ledger_audit.py proof FILE DIR LEAF_HEX     tlog-proof, against the keys of the export in DIR

Exit 0 and one line if all holds, 1 and the reason if not. Knows nothing of the program that wrote the files.
"""

import base64
import binascii
import hashlib
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG_KEY, COSIGNER_KEY = 1, 4


class Refused(Exception): pass


def require(holds, reason):
    if not holds:
        raise Refused(reason)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def decode64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused(f"{what}: not base64") from None
    require(base64.b64encode(data).decode() == text, f"{what}: base64 not canonical")
    return data


def read(folder, name):
    require((folder / name).is_file(), f"{name}: missing")
    return (folder / name).read_bytes()


def verifier_key(line, kind):
    parts = line.split("+", 2)
    require(len(parts) == 3, "verifier key: malformed")
    name, key_id, key = parts[0], parts[1], decode64(parts[2], "verifier key")
    require(len(key) == 33 and key[0] == kind, "verifier key: another type")
    require(sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "verifier key: another id")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def parse_note(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("note: not UTF-8") from None
    require(not re.search(r"[\x00-\x09\x0b-\x1f]", text), "note: control character")
    body, division, lines = text.rpartition("\n\n")
    require(division and lines.endswith("\n"), "note: no signatures")
    signatures = []
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^\\s+]+) (\\S+)", line)
        require(match, "note: malformed signature line")
        blob = decode64(match[2], "signature")
        require(len(blob) > 4, "signature: too short")
        signatures.append((match[1], blob[:4], blob[4:]))
    return body + "\n", signatures


def parse_checkpoint(text):
    lines = text.split("\n")
    require(len(lines) == 4 and lines[3] == "" and lines[0], "checkpoint: not three lines")
    require(re.fullmatch("0|[1-9][0-9]*", lines[1]), "checkpoint: malformed size")
    root = decode64(lines[2], "checkpoint root")
    require(len(root) == 32, "checkpoint: root is no hash")
    return lines[0], int(lines[1]), root


def signed(key, signature, message, who):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise Refused(f"{who}: signature does not verify") from None


def trusted_checkpoint(data, folder, threshold):
    """The checkpoint in a note, signed by the log of the export and cosigned by enough of its witnesses."""
    text, signatures = parse_note(data)
    origin, size, root = parse_checkpoint(text)
    vkey = read(folder, "vkey").decode().split("\n")
    require(len(vkey) == 2 and vkey[1] == "", "vkey: not one line")
    name, key_id, key = verifier_key(vkey[0], LOG_KEY)
    require(name == origin, "checkpoint: another origin than the key's name")
    mine = [signature for who, which, signature in signatures if (who, which) == (name, key_id)]
    require(mine, "checkpoint: not signed by the log")
    for signature in mine:
        signed(key, signature, text.encode(), "log")
    cosigned = 0
    for line in read(folder, "cosigners").decode().split("\n")[:-1]:
        name, key_id, key = verifier_key(line, COSIGNER_KEY)
        lines = [signature for who, which, signature in signatures if (who, which) == (name, key_id)]
        for blob in lines:
            require(len(blob) == 72, f"{name}: cosignature of another length")
            time = int.from_bytes(blob[:8], "big")
            require(time < 1 << 63, f"{name}: impossible time")
            signed(key, blob[8:], f"cosignature/v1\ntime {time}\n{text}".encode(), name)
        cosigned += bool(lines)
    require(cosigned >= threshold, f"checkpoint: cosigned by {cosigned}, expected {threshold}")
    return origin, size, root, cosigned


def tile_path(kind, index, width):
    digits = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        digits = f"x{index % 1000:03}/{digits}"
    return f"tile/{kind}/{digits}" + (f".p/{width}" if width < 256 else "")


def tile_paths(kind, count):
    for index in range(count // 256):
        yield tile_path(kind, index, 256), 256
    if count % 256:
        yield tile_path(kind, count // 256, count % 256), count % 256


def tree_root(hashes):
    if not hashes:
        return sha256(b"")
    while len(hashes) > 1:
        pairs = [sha256(b"\1", *hashes[at : at + 2]) for at in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def audit_export(folder, threshold):
    origin, size, root, cosigned = trusted_checkpoint(read(folder, "checkpoint"), folder, threshold)
    hashes = []
    for path, width in tile_paths("entries", size):
        bundle, at = read(folder, path), 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entry = bundle[at + 2 : at + 2 + length]
            require(len(bundle) >= at + 2 and len(entry) == length, f"{path}: ends inside an entry")
            hashes.append(sha256(b"\0", entry))
            at += 2 + length
        require(at == len(bundle), f"{path}: goes on behind its last entry")
    require(tree_root(hashes) == root, "entries: give another root than the checkpoint")
    level = 0
    while hashes:
        for number, (path, width) in enumerate(tile_paths(level, len(hashes))):
            expected = b"".join(hashes[number * 256 : number * 256 + width])
            require(read(folder, path) == expected, f"{path}: another hash than the entries give")
        hashes = [tree_root(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1
    return f"{origin}: {size} entries, cosigned by {cosigned}"


def audit_proof(file, folder, leaf):
    head, division, note = file.read_bytes().decode("utf-8", "replace").partition("\n\n")
    lines = head.split("\n")
    require(division and lines.pop(0) == "c2sp.org/tlog-proof@v1", "proof: another format")
    if lines and lines[0].startswith("extra "):
        decode64(lines.pop(0)[6:], "extra")
    match = re.fullmatch("index (0|[1-9][0-9]*)", lines.pop(0)) if lines else None
    require(match, "proof: no index")
    index, hashes = int(match[1]), [decode64(line, "proof hash") for line in lines]
    require(all(len(one) == 32 for one in hashes), "proof: a hash is none")
    origin, size, root, cosigned = trusted_checkpoint(note.encode(), folder, 0)
    require(index < size, "proof: index outside of the tree")
    at, last, node = index, size - 1, sha256(b"\0", leaf)
    for sibling in hashes:
        require(last, "proof: too many hashes")
        if at % 2 or at == last:
            node = sha256(b"\1", sibling, node)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\1", node, sibling)
        at, last = at >> 1, last >> 1
    require(last == 0 and node == root, "proof: does not lead to the root")
    return f"{origin}: entry {index} of {size}, cosigned by {cosigned}"


def main(words):
    try:
        if words[0] == "export":
            print(audit_export(pathlib.Path(words[1]), int(words[2]) if len(words) > 2 else 0))
        else:
            print(audit_proof(pathlib.Path(words[1]), pathlib.Path(words[2]), bytes.fromhex(words[3])))
    except Refused as refused:
        sys.exit(str(refused))


main(sys.argv[1:])
