"""Reads golden envelopes with nothing but docs/spec: the standard library and PyPI's `cryptography`.

Usage: envelope_reader.py FOLDER. Prints a JSON array of {"case": ..., "error": null or text}: every golden file has to be
read, and every changed bit of an entry has to be refused.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

ME = "EEAS"
CHUNK = 64 * 1024
TYPES = ("RESTRICTIVE", "PERMISSIVE", "INFORMATIVE")
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Refused(Exception):
    """The bytes are not what the specification says."""


def need(holds, what):
    if not holds:
        raise Refused(what)


class Reader:
    """Reads fixed layouts (big endian) and bincode (little endian) from the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(0 <= count <= len(self.data) - self.at, "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count, order="big"):
        return int.from_bytes(self.take(count), order)

    def prefixed(self):
        return self.take(self.number(4))

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        need(self.at == len(self.data), "something follows the end")

    # bincode
    def u8(self):
        return self.number(1)

    def u32(self):
        return self.number(4, "little")

    def u64(self):
        return self.number(8, "little")

    def text(self):
        return self.take(self.u64()).decode("utf-8")

    def option(self, read):
        some = self.u8()
        need(some in (0, 1), "option is neither 0 nor 1")
        return read() if some else None

    def many(self, read):
        return [read() for _ in range(self.u64())]


def code(raw):
    name = raw.rstrip(b"\0")
    need(len(name) >= 2 and name.isascii(), "hub code")
    return name.decode()


def realm_tag(federation, realm):
    names = b"".join(bytes([len(name)]) + name.encode() for name in (federation, realm))
    return hashlib.sha256(b"testudo/realm/v1\0" + names).digest()


# --- age ------------------------------------------------------------------------------------------------------------


def identity_seed(text):
    """The 32 bytes of an AGE-SECRET-KEY-PQ-1 text (bech32 without its length limit)."""
    digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix, data = text.strip().lower().rsplit("1", 1)
    need(prefix == "age-secret-key-pq-", "identity")
    values = [digits.index(digit) for digit in data]
    check = 1
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    for value in expanded + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    need(check == 1, "identity checksum")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) // 8 * 8, 8))


def hkdf(secret, salt, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def b64(text):
    raw = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    need(base64.b64encode(raw).rstrip(b"=") == text, "base64 is not canonical")
    return raw


def x_wing(seed, share):
    need(len(share) == 1120, "length of the share")
    expanded = hashlib.shake_256(seed).digest(96)
    lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    own = curve.public_key().public_bytes(*RAW)
    first = lattice.decapsulate(share[:1088])
    second = curve.exchange(X25519PublicKey.from_public_bytes(share[1088:]))
    return hashlib.sha3_256(first + second + share[1088:] + own + b"\\.//^\\").digest()


def hpke_open(shared, info, sealed):
    suite = b"HPKE" + bytes.fromhex("647a00010003")

    def extract(salt, label, key):
        return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + key, hashlib.sha256).digest()

    def expand(key, label, info, length):
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return HKDFExpand(hashes.SHA256(), length, labelled).derive(key)

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key = expand(secret, b"key", context, 32)
    return ChaCha20Poly1305(key).decrypt(expand(secret, b"base_nonce", context, 12), sealed, None)


def age_open(sealed, unwrap):
    """Opens a binary age file; `unwrap` gets type, arguments and body of each stanza and gives the file key or None."""
    end = sealed.index(b"\n---") + 1
    mac_line = sealed[end : sealed.index(b"\n", end)]
    lines = sealed[:end].split(b"\n")[:-1]
    need(lines[0] == b"age-encryption.org/v1", "not age")
    stanzas, at = [], 1
    while at < len(lines):
        need(lines[at].startswith(b"-> "), "stanza")
        words, body, at = lines[at][3:].split(b" "), b"", at + 1
        while True:
            body, short = body + lines[at], len(lines[at]) < 64
            at += 1
            if short:
                break
        stanzas.append((words[0], words[1:], b64(body)))
    need(len(stanzas) <= 160, "too many stanzas")
    found = [key for key in (unwrap(*stanza) for stanza in stanzas) if key is not None]
    need(found, "not for this key")
    file_key = found[0]
    header_mac = hmac.new(hkdf(file_key, None, b"header"), sealed[: end + 3], hashlib.sha256).digest()
    need(mac_line == b"--- " + base64.b64encode(header_mac).rstrip(b"="), "header was changed")
    payload = sealed[end + len(mac_line) + 1 :]
    key, chunks = hkdf(file_key, payload[:16], b"payload"), payload[16:]
    plain, pieces = b"", [chunks[at : at + CHUNK + 16] for at in range(0, len(chunks), CHUNK + 16)]
    for counter, piece in enumerate(pieces):
        nonce = counter.to_bytes(11, "big") + (b"\1" if counter == len(pieces) - 1 else b"\0")
        plain += ChaCha20Poly1305(key).decrypt(nonce, piece, None)
    return plain


def for_identity(seed):
    def unwrap(kind, arguments, body):
        if kind != b"mlkem768x25519":
            return None
        need(len(arguments) == 1 and len(body) == 32, "hybrid stanza")
        try:
            shared = x_wing(seed, b64(arguments[0]))
            return hpke_open(shared, b"age-encryption.org/mlkem768x25519", body)
        except InvalidTag:
            return None

    return unwrap


def for_audience(secret, context):
    def unwrap(kind, arguments, body):
        if kind != b"testudo-audience":
            need(kind.endswith(b"-grease"), "another stanza beside the audience's")
            return None
        need(len(arguments) == 1 and len(body) == 32, "audience stanza")
        key = hkdf(secret, b64(arguments[0]), b"testudo/audience-stanza/v1\0" + context)
        return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)

    return unwrap


def unpad(plain):
    length = int.from_bytes(plain[:8], "big")
    need(length <= len(plain) - 8, "length of the content")
    total = length + 8
    exponent = total.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    need(len(plain) == max((total + mask) & ~mask, 4096), "padded size")
    need(not any(plain[total:]), "padding is not zero")
    return plain[8:total]


# --- charter, signatures, trees -------------------------------------------------------------------------------------


class Charter:
    """The members' keys, from the directory. The signatures of the voters are another matter (C2SP signed-note)."""

    def __init__(self, packet):
        heading, rest, directories = b"testudo charter packet v1\n", packet, []
        need(rest.startswith(heading), "not a packet")
        rest = rest[len(heading):]
        while rest:
            line, rest = rest.split(b"\n", 1)
            length = int(line.removeprefix(b"object "))
            note, rest = rest[:length].decode(), rest[length:]
            document = json.loads(note.split("\n\n\u2014 ", 1)[0])
            directories += [document] if document["kind"] == "directory" else []
        self.document = directories[0]
        self.keys = {member["code"]: member["keys"] for member in self.document["members"]}
        self.certificates = {member["code"]: member["certificate"] for member in self.document["members"]}
        self.tag = realm_tag(self.document["federation"], self.document["realm"])

    def ed25519(self, hub, domain, message, signature):
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.keys[hub]["payload"]))
        key.verify(signature, domain + b"\0" + message)

    def payload(self, hub, domain, signed, signature):
        need(len(signature) == 64 + 3309, "length of the signature")
        message = b"\2" + hashlib.sha512(signed).digest()
        self.ed25519(hub, domain, message, signature[:64])
        key = MLDSA65PublicKey.from_public_bytes(bytes.fromhex(self.keys[hub]["payloadPq"]))
        key.verify(signature[64:], domain + b"\0" + message)

    def key_tag(self, hub):
        both = bytes.fromhex(self.keys[hub]["payload"] + self.keys[hub]["payloadPq"])
        return hashlib.sha256(b"testudo/composite-key-id/v1\0" + both).digest()[:8]


def recipients_root(entries):
    def leaf(hub, salt):
        name = hmac.new(salt, b"testudo/salted-leaf/v1\0" + hub.encode().ljust(16, b"\0"), hashlib.sha256).digest()
        return hashlib.sha256(b"\0" + name).digest()

    def root(leaves):
        if len(leaves) == 1:
            return leaves[0]
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()

    need([hub for hub, _ in entries] == sorted({hub for hub, _ in entries}), "recipients are not sorted")
    return root([leaf(*entry) for entry in entries])


def recipient_list(reader):
    return reader.many(lambda: (code(reader.take(16)), reader.take(32)))


# --- the envelope ---------------------------------------------------------------------------------------------------


def outer(charter, envelope, resealed=False):
    reader = Reader(envelope)
    version, suite, entry = reader.take(3)
    need((version, suite) == (1, 2) and entry in (0, 1), "version, suite or entry")
    fields = {"entry": entry, "sender": code(reader.take(16)), "audience": reader.take(16)}
    fields |= {"epoch": reader.number(4), "sequence": reader.number(8), "previous": reader.take(32)}
    digest, length, fields["expires"] = reader.take(32), reader.number(8), reader.number(8)
    signature, cipher = reader.take(64), reader.rest()
    charter.ed25519(fields["sender"], b"testudo/outer/v1", charter.tag + envelope[:127], signature)
    matches = length == len(cipher) and digest == hashlib.sha256(cipher).digest()
    need(matches or resealed, "cipher is another one")
    return fields | {"link": hashlib.sha256(envelope[:127]).digest()}, cipher


def agree(inner, around):
    for field in ("audience", "epoch", "sequence"):
        need(inner[field] == around[field], f"disagree on {field}")
    need(inner["originator"] == around["sender"], "disagree on sender")


def begin(charter, reader):
    """Suite, federation, realm."""
    need(reader.u8() == 2, "suite")
    names = (reader.text(), reader.text())
    need(names == (charter.document["federation"], charter.document["realm"]), "realm")


def audience_key(charter, envelope, seed):
    around, cipher = outer(charter, envelope)
    need(around["entry"] == 1, "entry is no key")
    reader = Reader(unpad(age_open(cipher, for_identity(seed))))
    raw, secret, signature = reader.prefixed(), reader.take(32), reader.prefixed()
    reader.end()
    fields = Reader(raw)
    begin(charter, fields)
    key = {"originator": code(fields.take(16)), "tag": fields.take(8), "charter": fields.u32()}
    key |= {"audience": fields.take(16), "epoch": fields.u32(), "sequence": fields.u64()}
    key |= {"created": fields.u64(), "week": fields.u32(), "recipients": recipient_list(fields)}
    fields.end()
    charter.payload(key["originator"], b"testudo/audience-key/v1", raw + secret, signature)
    need(key["tag"] == charter.key_tag(key["originator"]), "key tag")
    agree(key, around)
    need(ME in [hub for hub, _ in key["recipients"]], "not for us")
    return key | {"secret": secret, "link": around["link"]}


# --- BLAKE3 (the paper, section 2) ----------------------------------------------------------------------------------

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(chaining, block, counter, length, flags):
    words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, 64, 4)]
    v = list(chaining) + list(IV[:4]) + [counter & 0xFFFFFFFF, counter >> 32, length, flags]

    def turn(at, value, bits):
        v[at] = (value >> bits | value << (32 - bits)) & 0xFFFFFFFF

    for _ in range(7):
        for index, (a, b, c, d) in enumerate(QUARTERS + DIAGONALS):
            for word, first, second in ((words[2 * index], 16, 12), (words[2 * index + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                turn(d, v[d] ^ v[a], first)
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                turn(b, v[b] ^ v[c], second)
        words = [words[at] for at in PERMUTATION]
    return [v[at] ^ v[at + 8] for at in range(8)]


def blake3_node(data, counter, root):
    """The chaining value of the subtree over `data`, whose first chunk has the number `counter`."""
    if len(data) <= 1024:
        blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
        value = IV
        for index, block in enumerate(blocks):
            last = index == len(blocks) - 1
            flags = CHUNK_START * (index == 0) | CHUNK_END * last | ROOT * (root and last)
            value = compress(value, block.ljust(64, b"\0"), counter, len(block), flags)
        return value
    left = 1024
    while left * 2 < len(data):
        left *= 2
    pair = blake3_node(data[:left], counter, False) + blake3_node(data[left:], counter + left // 1024, False)
    return compress(IV, b"".join(word.to_bytes(4, "little") for word in pair), 0, 64, PARENT | ROOT * root)


def blake3(data):
    return b"".join(word.to_bytes(4, "little") for word in blake3_node(data, 0, True))


def attachment(entry, sealed):
    """The content of a sealed attachment, with what the header says of it."""
    need(len(sealed) == entry["sealed bytes"], "length when sealed")
    need(blake3(sealed) == entry["root"], "root")
    content = age_open(sealed, for_identity(entry["key"]))
    need(len(content) == entry["content bytes"], "length of the content")
    return content


def attachment_entry(reader):
    entry = {"name": reader.text(), "media type": reader.text()}
    entry |= {"content bytes": reader.u64(), "sealed bytes": reader.u64()}
    return entry | {"root": reader.take(32), "key": reader.take(32)}
def licence(reader):
    kind = reader.u32()
    need(kind <= 3, "licence")
    if kind < 3:
        return (kind,)
    hubs, classes = reader.many(lambda: code(reader.take(16))), reader.many(reader.u32)
    need(hubs == sorted(set(hubs)) and classes == sorted(set(classes)) and max(classes, default=0) <= 4, "licence")
    need(hubs or classes, "licence names nobody")
    return (kind, hubs, classes, reader.u64())


def header(charter, raw):
    reader = Reader(raw)
    begin(charter, reader)
    found = {"item": reader.take(16), "version": reader.u32(), "originator": code(reader.take(16))}
    found |= {"tag": reader.take(8), "charter": reader.u32(), "audience": reader.take(16), "epoch": reader.u32()}
    found |= {"sequence": reader.u64(), "created": reader.u64(), "expires": reader.u64()}
    found["decision"] = (reader.take(32), reader.u64(), reader.take(32))
    found["root"] = reader.take(32)
    need(reader.text() == "urn:testudo:label:eu:1", "label policy")
    found["classification"] = reader.text()
    found["categories"] = reader.many(lambda: (reader.text(), TYPES[reader.u32()], reader.many(reader.text)))
    found["national"] = reader.option(lambda: (code(reader.take(16)), reader.text()))
    found |= {"purpose": reader.text(), "kind": reader.u32()}
    found["supersedes"] = reader.option(lambda: (reader.take(16), reader.u32()))
    found["derived"] = reader.option(lambda: (reader.take(16), reader.u32()))
    found["licence"] = licence(reader)
    found["body"] = reader.take(32)
    found["attachments"] = reader.many(lambda: attachment_entry(reader))
    names = [entry["name"] for entry in found["attachments"]]
    need(len(names) <= 16 and len(set(names)) == len(names), "attachments")
    reader.end()
    return found


def content(charter, envelope, seed, key=None, resealed=False):
    """The header and the body of an envelope; `key` is the audience's, where there is one."""
    around, cipher = outer(charter, envelope, resealed)
    need(around["entry"] == 0, "entry is no content")
    unwrap = for_identity(seed)
    if key and not resealed:
        place = around["epoch"].to_bytes(4, "big") + around["sequence"].to_bytes(8, "big")
        unwrap = for_audience(key["secret"], around["sender"].encode().ljust(16, b"\0") + around["audience"] + place)
    reader = Reader(unpad(age_open(cipher, unwrap)))
    raw, signature, body, listed = (reader.prefixed() for _ in range(4))
    reader.end()
    found = header(charter, raw)
    charter.payload(found["originator"], b"testudo/payload/v1", raw, signature)
    need(found["tag"] == charter.key_tag(found["originator"]), "key tag")
    need(hashlib.sha256(body).digest() == found["body"], "body")
    agree(found, around)
    need(found["expires"] == around["expires"], "disagree on expiry")
    entries = key["recipients"] if key and not listed else recipient_list(Reader(listed))
    need(recipients_root(entries) == found["root"], "recipients root")
    need(ME in [hub for hub, _ in entries], "not for us")
    return found | {"link": around["link"], "previous": around["previous"]}, body


def announcement(charter, raw):
    reader = Reader(raw)
    need(reader.u8() == 1, "version")
    hub, week = code(reader.take(16)), reader.number(4)
    made, held_since, recipient = reader.number(8), reader.number(8), reader.prefixed().decode()
    signed = charter.tag + raw[: reader.at]
    charter.payload(hub, b"testudo/recipient-key/v1", signed, reader.prefixed())
    reader.end()
    need(week == (made - 4 * 86_400_000) // (7 * 86_400_000) and held_since <= made, "week")
    return recipient


def signed_message(charter, raw, domain, signer_at):
    hub = code(raw[signer_at : signer_at + 16])
    charter.ed25519(hub, domain, charter.tag + raw[:-64], raw[-64:])


def own_act(charter, raw):
    reader = Reader(raw)
    need(reader.u8() == 1, "version")
    act, hub, counter, previous = reader.u8(), code(reader.take(16)), reader.number(8), reader.take(32)
    made, body = reader.number(8), Reader(reader.prefixed())
    certificate = charter.certificates[hub]
    root = Ed25519PublicKey.from_public_bytes(bytes.fromhex(certificate["root"]))
    root.verify(raw[-64:], b"testudo/own-act/v1\0" + charter.tag + raw[:-64])
    need(len(raw) - 64 == reader.at and counter > 0, "layout")
    if act == 0:
        need(body.number(8) == certificate["validUntil"] and made == certificate["made"], "certificate")
        need((counter, previous.hex()) == (certificate["counter"], certificate["previous"]), "place")
        need(raw[-64:].hex() == certificate["signature"], "signature of the certificate")
        keys = [body.take(32).hex() for _ in range(4)] + [body.prefixed().hex()]
        keys += [body.prefixed().decode() for _ in range(2)]
        names = ("transport", "payload", "ledger", "cosigning", "payloadPq", "recipient", "recipientClassical")
        need(keys == [charter.keys[hub][name] for name in names], "keys")
    elif act == 1:
        kind, key = ("transport", "payload", "ledger", "cosigning")[body.u8()], body.take(32).hex()
        need(key == charter.keys[hub][kind] and body.number(8) > 0, "revoked key")
    else:
        need(act == 2, "act")
    body.end()
    return counter, previous, hashlib.sha256(raw).digest()


def main():
    folder = pathlib.Path(sys.argv[1])
    read = lambda name: (folder / name).read_bytes()
    charter, seed = Charter(read("charter.packet")), identity_seed(read("eeas-weekly.age-identity").decode())
    bundle, results, state = read("bundle.json"), [], {}

    def case(name, run):
        try:
            run()
            results.append({"case": name, "error": None})
        except Exception as error:  # every refusal and every defect is a finding
            results.append({"case": name, "error": f"{type(error).__name__}: {error}"})

    def refused(name, run):
        def expect():
            try:
                run()
            except (Refused, InvalidSignature, InvalidTag, ValueError, KeyError, IndexError):
                return
            raise AssertionError("was read")

        case(name, expect)

    def open_key():
        state["key"] = audience_key(charter, read("audience-key.entry"), seed)
        need(state["key"]["epoch"] == 1, "epoch")

    def open_content(name, key=None, resealed=False):
        found, body = content(charter, read(name), seed, key, resealed)
        need(body == bundle, "another body")
        state["attachment"] = found["attachments"][0]
        need(found["classification"] == "NORMAL" and found["categories"][0] == ("TLP", "RESTRICTIVE", ["GREEN"]), "label")
        need(found["licence"] == (3, ["SE"], [1, 2], 1_900_000_000), "licence")
        need(found["derived"] == (b"\x22" * 16, 3), "derived from")
        return found

    case("audience-key.entry", open_key)
    key = state.get("key")
    case("envelope.entry", lambda: need(open_content("envelope.entry", key)["previous"] == key["link"], "chain"))
    case("direct.entry", lambda: open_content("direct.entry"))
    case("resealed.envelope", lambda: open_content("resealed.envelope", key, resealed=True))
    sealed = read("attachment.age")

    def open_attachment():
        need(state["attachment"]["name"] == "evidence.png", "name")
        need(attachment(state["attachment"], sealed) == b"\x5a" * 20_000, "another content")

    case("attachment.age", open_attachment)
    case("recipient-key.announcement", lambda: announcement(charter, read("recipient-key.announcement")))
    case("delivered.receipt", lambda: signed_message(charter, read("delivered.receipt"), b"testudo/receipt/v1", 54))
    case("retracted.notice", lambda: signed_message(charter, read("retracted.notice"), b"testudo/notice/v1", 2))
    case("forward.consent", lambda: signed_message(charter, read("forward.consent"), b"testudo/consent/v1", 1))
    def follow_acts():
        counter, previous, first = own_act(charter, read("certify.own-act"))
        need((counter, previous) == (1, bytes(32)), "first act")
        counter, previous, _ = own_act(charter, read("revoke.own-act"))
        need((counter, previous) == (2, first), "chain")

    case("certify.own-act, revoke.own-act", follow_acts)
    for name, run in (
        ("certify.own-act", lambda data: own_act(charter, data)),
        ("revoke.own-act", lambda data: own_act(charter, data)),
        ("audience-key.entry", lambda data: audience_key(charter, data, seed)),
        ("envelope.entry", lambda data: content(charter, data, seed, key)),
        ("direct.entry", lambda data: content(charter, data, seed)),
    ):
        good = read(name)
        for at in range(0, len(good), 97):
            changed = bytearray(good)
            changed[at] ^= 1 << at % 8
            refused(f"{name} with byte {at} changed", lambda changed=changed, run=run: run(bytes(changed)))
    for at in range(0, len(sealed), 4999):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        refused(f"attachment.age with byte {at} changed", lambda data=changed: attachment(state["attachment"], data))
    refused("envelope.entry without its key", lambda: content(charter, read("envelope.entry"), seed))
    refused("envelope.entry at another hub", lambda: content(charter, read("envelope.entry"), bytes(32)))
    json.dump(results, sys.stdout)


main()
