import { Buffer } from "node:buffer";
import { failure } from "./case-problem.ts";
import type { HttpReply } from "./http-exchange.ts";
import { headerValue, headerValues } from "./http-exchange.ts";

/** What a reply must look like; every part that is absent is not looked at. */
export interface ReplyExpectation {
  /** Any of these statuses. */
  readonly status: readonly number[];
  /** Each header must have one value that is exactly one of the allowed ones. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Exactly these bytes. */
  readonly body?: Uint8Array;
}

/** Throws one failed case that names everything in which the reply differs from the expectation. */
export function expectReply(reply: HttpReply, expected: ReplyExpectation): void {
  const problems: string[] = [];
  if (!expected.status.includes(reply.status)) {
    problems.push(`status ${reply.status}, expected ${expected.status.join(" or ")}`);
  }
  for (const [name, allowed] of Object.entries(expected.headers ?? {})) {
    const choices = typeof allowed === "string" ? [allowed] : allowed;
    const values = headerValues(reply, name);
    if (!values.some((value) => choices.includes(value))) {
      const received = values.length === 0 ? "no such header" : JSON.stringify(values.join(", "));
      problems.push(
        `${name}: ${received}, expected ${choices.map((choice) => JSON.stringify(choice)).join(" or ")}`,
      );
    }
  }
  if (expected.body !== undefined && !Buffer.from(expected.body).equals(reply.body)) {
    problems.push(
      `body of ${reply.body.length} bytes differs from the ${expected.body.length} bytes expected`,
    );
  }
  if (problems.length > 0) throw failure(problems.join("; "));
}

/**
 * Checks `Docker-Content-Digest` (distribution-spec, "Pulling blobs", "Pushing blobs"): whenever present it is the digest
 * the client used; with `isRequired` it must be present.
 */
export function expectDigestHeader(reply: HttpReply, digest: string, isRequired: boolean): void {
  const value = headerValue(reply, "Docker-Content-Digest");
  if (value === undefined && isRequired) throw failure("no Docker-Content-Digest header");
  if (value !== undefined && value !== digest)
    throw failure(`Docker-Content-Digest: ${value}, expected ${digest}`);
}

/** Resolves the `Location` of a reply against the address it came from. Throws a failed case when absent or no address. */
export function expectLocation(reply: HttpReply, base: URL): URL {
  const location = headerValue(reply, "Location");
  if (location === undefined || location === "") throw failure("no Location header");
  if (!URL.canParse(location, base.href))
    throw failure(`Location ${JSON.stringify(location)} is not an address`);
  return new URL(location, base);
}
