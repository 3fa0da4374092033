await import("./check-node.mjs");
const { buildProgram } = await import("./build-program.ts");
await buildProgram();
