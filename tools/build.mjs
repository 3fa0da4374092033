await import("./check-node.mjs");
const { buildProgram } = await import("./build-program.ts");
try {
  await buildProgram();
} catch (error) {
  const reasons = {
    ERR_MODULE_NOT_FOUND: "a package that builds it is not installed: npm ci",
    EACCES: "this user may not write here: run `npm run build` as the owner of the checkout",
    EROFS: "nobody may write here: run `npm run build` before the checkout is made read-only",
  };
  const reason = reasons[error?.code];
  if (reason === undefined) throw error;
  console.error(
    `The program was never built, or its sources have changed, and ${reason}. (${error.message})`,
  );
  process.exit(1);
}
