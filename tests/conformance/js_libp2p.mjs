// A libp2p node that others wrote, beside a hub: the suite `js_libp2p` runs it and reads a line for each case.
//
//   node js_libp2p.mjs HUB_PORT KEY LISTEN_PORT      KEY holds the 32 bytes of a member's transport key
//
// It has no protocol of its own but the hub's exchange, and no identify, ping or discovery.

import { readFile } from "node:fs/promises";

// The packages use it, and Node before 22 does not have it.
Promise.withResolvers ??= () => {
  const withResolvers = {};
  withResolvers.promise = new Promise((resolve, reject) => Object.assign(withResolvers, { resolve, reject }));
  return withResolvers;
};

const { createLibp2p } = await import("libp2p");
const { tcp } = await import("@libp2p/tcp");
const { tls } = await import("@libp2p/tls");
const { yamux } = await import("@chainsafe/libp2p-yamux");
const { generateKeyPair, generateKeyPairFromSeed } = await import("@libp2p/crypto/keys");
const { multiaddr } = await import("@multiformats/multiaddr");

const EXCHANGE = "/testudo/exchange/1";
const FOREIGN = [
  "/ipfs/id/1.0.0",
  "/ipfs/kad/1.0.0",
  "/meshsub/1.1.0",
  "/libp2p/circuit/relay/0.2.0/hop",
  "/libp2p/autonat/1.0.0",
];
const FRAME_BYTES_MAX = 8 * 1024 * 1024;
const PATIENCE_MILLIS = 30_000;

const [hubPort, keyFile, listenPort] = process.argv.slice(2);
const hub = multiaddr(`/ip4/127.0.0.1/tcp/${hubPort}`);
const memberKey = await generateKeyPairFromSeed("Ed25519", new Uint8Array(await readFile(keyFile)));
const strangerKey = await generateKeyPair("Ed25519");

const inTime = () => ({ signal: AbortSignal.timeout(PATIENCE_MILLIS) });

// A node, and what the hub does on streams that it opens to it.
async function start(privateKey, listen = []) {
  const node = await createLibp2p({
    privateKey,
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
  });
  const opened = Promise.withResolvers();
  const ended = Promise.withResolvers();
  const seen = { bytes: new Uint8Array(), streams: 0, opened: opened.promise, ended: ended.promise, inbound: false };
  await node.handle(EXCHANGE, (stream, connection) => {
    seen.streams += 1;
    seen.inbound ||= connection.direction === "inbound";
    stream.addEventListener("message", ({ data }) => {
      seen.bytes = Uint8Array.from([...seen.bytes, ...data.subarray()]);
      if (frame(seen.bytes) !== undefined) opened.resolve();
    });
    stream.addEventListener("close", () => ended.resolve());
  });
  return { node, seen };
}

// The first frame: a length of four bytes, big-endian, and so many bytes.
function frame(bytes) {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer).getUint32(0);
  if (length > FRAME_BYTES_MAX) throw new Error(`announces ${length} bytes`);
  return bytes.length >= 4 + length ? bytes.slice(4, 4 + length) : undefined;
}

async function refused(connection, protocol) {
  try {
    await connection.newStream(protocol, inTime());
  } catch (error) {
    return error.name;
  }
  throw new Error(`${protocol} is spoken`);
}

function within(promise, what) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MILLIS).unref());
  return Promise.race([promise, late]);
}

function expect(what, found, expected) {
  if (found !== expected) throw new Error(`${what} is ${found}, expected ${expected}`);
}

async function play(name, act) {
  try {
    await act();
    console.log(`case ${name}`);
  } catch (error) {
    console.log(`case ${name}: ${String(error.message).split("\n")[0]}`);
  }
}

await play("a stranger gets neither a protocol nor a byte", async () => {
  const { node, seen } = await start(strangerKey);
  const connection = await node.dial(hub, inTime());
  const gone = new Promise((resolve) => connection.addEventListener("close", resolve));
  for (const protocol of [EXCHANGE, ...FOREIGN]) {
    const error = await refused(connection, protocol);
    if (error === "UnsupportedProtocolError") throw new Error(`${protocol} is answered`);
  }
  if (connection.status === "open") await within(gone, "the end of the connection");
  expect("streams of the hub", seen.streams, 0);
  await node.stop();
});

const member = await start(memberKey);
let connection;
await play("a member completes TLS 1.3 and agrees on yamux", async () => {
  connection = await member.node.dial(hub, inTime());
  expect("encryption", connection.encryption, "/tls/1.0.0");
  expect("multiplexer", connection.multiplexer, "/yamux/1.0.0");
});

await play("protocols that a hub does not have are refused, identify among them", async () => {
  for (const protocol of FOREIGN) {
    expect(protocol, await refused(connection, protocol), "UnsupportedProtocolError");
  }
});

let stream;
await play("the exchange is agreed both ways and begins with a whole frame", async () => {
  stream = await connection.newStream(EXCHANGE, inTime());
  expect("protocol", stream.protocol, EXCHANGE);
  await within(member.seen.opened, "a frame of the hub");
});

await play("a frame of 4 GiB ends the session", async () => {
  stream.send(Uint8Array.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
  await within(member.seen.ended, "the end of the session");
});
await member.node.stop();

await play("a hub dials a member by TCP where QUIC is not answered", async () => {
  const { node, seen } = await start(memberKey, [`/ip4/127.0.0.1/tcp/${listenPort}`]);
  await within(seen.opened, "a frame of the hub");
  expect("dialled by the hub", seen.inbound, true);
  await node.stop();
});
process.exit(0);
