import { RegistryError } from "@entrepot/client/registry-error";
import { errorCode, isBrokenConnection } from "@entrepot/client/retry-policy";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { UsageError } from "./usage-error.ts";

export interface ExplainedFailure {
  /** What went wrong and, where something can be done about it, what. */
  readonly sentence: string;
  readonly exitCode: ExitCode;
}

/** What a person is told of an error, and how the command ends; see `exit-codes.ts`. */
export function explainFailure(error: unknown): ExplainedFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) return { sentence: message, exitCode: exitCodes.usage };
  // By its name: the server is loaded only by commands that need it.
  if (error instanceof Error && error.name === "ConfigError") {
    return { sentence: message, exitCode: exitCodes.usage };
  }
  const own = ownExitCode(error);
  if (own !== undefined) return { sentence: message, exitCode: own };
  const file = fileProblem(error);
  if (file !== undefined) return { sentence: file, exitCode: exitCodes.usage };
  if (!(error instanceof RegistryError)) return { sentence: message, exitCode: exitCodes.failed };
  const { advice, exitCode } = judge(error);
  return { sentence: advice === "" ? message : `${message}; ${advice}`, exitCode };
}

interface Judgement {
  readonly advice: string;
  readonly exitCode: ExitCode;
}

function judge(error: RegistryError): Judgement {
  const { status, code, host } = error;
  if (code === "UNREACHABLE")
    return { advice: adviceWhenUnreachable(error), exitCode: exitCodes.unreachable };
  if (code === "BAD_ANSWER" || code === "NO_ENTREPOT") {
    return { advice: "check the address of the registry", exitCode: exitCodes.unreachable };
  }
  switch (status) {
    case 400:
    case 413:
    case 422:
      return { advice: "--help tells what the command takes", exitCode: exitCodes.usage };
    case 401:
      return {
        advice: code === "LOGIN_REFUSED" ? loginAdvice : `run: entrepot login ${host ?? "HOST"}`,
        exitCode: exitCodes.signIn,
      };
    case 403:
      return {
        advice:
          code === "MFA_REQUIRED"
            ? "run: entrepot mfa add-totp"
            : `ask who administers it, or sign in as somebody who may: entrepot login ${host ?? "HOST"}`,
        exitCode: exitCodes.denied,
      };
    case 404:
      return {
        advice: "check the name; what you may not see is told to be missing, too",
        exitCode: exitCodes.missing,
      };
    case 409:
      return { advice: adviceWhenTaken(code), exitCode: exitCodes.conflict };
    case 429:
      return { advice: "try again later", exitCode: exitCodes.unreachable };
    case undefined:
      return { advice: "", exitCode: exitCodes.failed };
    default:
      return status >= 500
        ? { advice: "try again later; its log tells more", exitCode: exitCodes.unreachable }
        : { advice: "", exitCode: exitCodes.failed };
  }
}

const loginAdvice =
  "check user name and password; whoever has a second factor, or signs in with a browser, needs an access token in place of the password";

function adviceWhenTaken(code: string): string {
  if (code === "ALREADY_EXISTS") return "take another name, or change what is there";
  return code === "CONFLICT" ? "look how it is now, and repeat this if it is still wanted" : "";
}

/** Of what the server's own code refuses when a command runs it on this machine: as if a registry had answered so. Its sentences say what to do. */
function ownExitCode(error: unknown): ExitCode | undefined {
  if (!(error instanceof Error) || error.name !== "AppError" || !("code" in error)) return undefined;
  switch (error.code) {
    case "REQUEST_INVALID":
    case "UNSUPPORTED":
      return exitCodes.usage;
    case "NOT_FOUND":
      return exitCodes.missing;
    case "ALREADY_EXISTS":
    case "IN_USE":
    case "CONFLICT":
      return exitCodes.conflict;
    case "UNAVAILABLE":
    case "OVERLOADED":
    case "STORAGE_FULL":
      return exitCodes.unreachable;
    default:
      return exitCodes.failed;
  }
}

function adviceWhenUnreachable(error: RegistryError): string {
  const code = errorCode(error);
  if (code === "ECONNREFUSED")
    return "start the registry, or name the right one (--registry, ENTREPOT_CLI_REGISTRY)";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "check the address";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO")
    return "if that is meant, give --plain-http";
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return "name who signed it with --ca-file";
  if (isBrokenConnection(error))
    return "check the address, and whether https is spoken there: --ca-file, --insecure";
  return "check the address";
}

/** A file that was named on the line and cannot be used. */
function fileProblem(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("path" in error)) return undefined;
  const path = JSON.stringify(error.path);
  switch (error.code) {
    case "ENOENT":
      return `there is no file ${path}`;
    case "EACCES":
      return `the file ${path} may not be read or written by you`;
    case "ENOTDIR":
      return `there is no ${path}: what stands before it is a file, not a folder`;
    case "EISDIR":
      return `${path} is a folder, not a file`;
    default:
      return undefined;
  }
}
