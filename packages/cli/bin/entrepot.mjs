#!/usr/bin/env node
// Plain JavaScript without anything new, and no static import: this file must run on the old Node.js that it is there to refuse.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  console.error("entrepot needs Node.js 24.15 or newer; this is " + process.version + ".");
  process.exit(1);
}
const { existsSync } = await import("node:fs");
const built = new URL("../../../dist/entrepot.js", import.meta.url);
const source = new URL("../src/main.ts", import.meta.url);
// A checkout may have a stale build beside newer sources, but only a checkout that says so runs from its sources then.
const isDevelopment = process.execArgv.includes("--conditions=source");
if (existsSync(built) && !isDevelopment) await import(built.href);
else if (isDevelopment) await import(source.href);
else {
  // A checkout without a build: the package exports lead to TypeScript files under this condition only, and it can only be given at start.
  const { spawn } = await import("node:child_process");
  const { fileURLToPath } = await import("node:url");
  const child = spawn(
    process.execPath,
    ["--conditions=source", ...process.execArgv, fileURLToPath(source), ...process.argv.slice(2)],
    { stdio: "inherit" },
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = code === null ? 1 : code;
    if (signal !== null) console.error("entrepot: ended by " + signal);
  });
}
