// Drives the npm package `age-encryption` for the suite `interchange`: one job per call, files in and out.
//
//   node age_encryption.mjs MODULE seal RECIPIENTS PLAIN SEALED      recipients one a line
//   node age_encryption.mjs MODULE open IDENTITY SEALED PLAIN        the identity is the file's first line
//   node age_encryption.mjs MODULE keys COUNT FILE                   identity and recipient, one pair a line

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [module, act, ...rest] = process.argv.slice(2);
const age = await import(pathToFileURL(module).href);
const lines = async (file) => (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");

if (act === "seal") {
  const [recipients, plain, sealed] = rest;
  const encrypter = new age.Encrypter();
  for (const recipient of await lines(recipients)) encrypter.addRecipient(recipient);
  await writeFile(sealed, await encrypter.encrypt(new Uint8Array(await readFile(plain))));
} else if (act === "open") {
  const [identity, sealed, plain] = rest;
  const decrypter = new age.Decrypter();
  decrypter.addIdentity((await lines(identity))[0]);
  await writeFile(plain, await decrypter.decrypt(new Uint8Array(await readFile(sealed)), "uint8array"));
} else if (act === "keys") {
  const [count, file] = rest;
  const pairs = [];
  for (let made = 0; made < Number(count); made += 1) {
    const identity = await age.generateHybridIdentity();
    pairs.push(`${identity} ${await age.identityToRecipient(identity)}\n`);
  }
  await writeFile(file, pairs.join(""));
} else {
  throw new Error(`unknown act ${act}`);
}
