// Plain JavaScript without anything new, and no import: this file must run on the old Node.js that it is there to refuse.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  console.error(`Entrepôt needs Node.js 24.15 or newer; this is ${process.version}.`);
  process.exit(1);
}
