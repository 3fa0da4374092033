await import("./check-node.mjs");
await import("../dist/server.js");
